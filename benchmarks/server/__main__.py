"""The server's process: says where it is in one line of JSON, and ends when its input does."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
from pathlib import Path

import certifi
import trustme

from benchmarks.cores import pin

from . import nginx
from .answers import by_path
from .far import FarPath
from .packed import by_coding
from .responder import Responder

_HOST = "127.0.0.1"
_MBITS = (100, 10)
"""Of the paths to the answers that are compressed: a good line, and one at home."""
_MBIT = 125_000


def main(directory: Path, round_trip: float) -> None:
    """Serve. `directory` takes the file of the authority that clients have to trust."""
    core = pin(-1)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    leaf = authority.issue_cert(_HOST, "localhost")
    leaf.configure_cert(context)
    # A bundle as large as those that clients load in life: loading it is part of what a new
    # connection costs some of them.
    bundle = directory / "ca.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + authority.cert_pem.bytes())
    with (
        socket.create_server((_HOST, 0), backlog=256) as listener,
        socket.create_server((_HOST, 0), backlog=256) as packing,
        nginx.small_answers(directory, _HOST, leaf) as small,
    ):
        port, packed = listener.getsockname()[1], packing.getsockname()[1]
        ready = {
            "host": _HOST,
            "port": port,
            "small_port": small or port,
            "far_port": FarPath((_HOST, port), round_trip).port,
            "packed_port": packed,
            "slow_ports": {
                mbit: FarPath((_HOST, packed), round_trip, mbit * _MBIT).port for mbit in _MBITS
            },
            "core": core,
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        stop = sys.stdin.fileno()
        # Nobody asks both at once: neither takes the other's time.
        second = Responder(packing, context, by_coding())
        threading.Thread(target=second.run, args=(stop,), daemon=True).start()
        Responder(listener, context, by_path()).run(stop)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))

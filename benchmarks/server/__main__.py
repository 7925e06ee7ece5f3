"""The server's process: says where it is in one line of JSON, and ends when its input does."""

from __future__ import annotations

import json
import socket
import ssl
import sys
from pathlib import Path

import certifi
import trustme

from benchmarks.cores import pin

from .far import FarPath
from .responder import Responder

_HOST = "127.0.0.1"


def main(directory: Path, round_trip: float) -> None:
    """Serve. `directory` takes the file of the authority that clients have to trust."""
    core = pin(-1)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    authority.issue_cert(_HOST, "localhost").configure_cert(context)
    # A bundle as large as those that clients load in life: loading it is part of what a new
    # connection costs some of them.
    bundle = directory / "ca.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + authority.cert_pem.bytes())
    with socket.create_server((_HOST, 0), backlog=256) as listener:
        port = listener.getsockname()[1]
        far = FarPath((_HOST, port), round_trip)
        ready = {"host": _HOST, "port": port, "far_port": far.port, "core": core}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        Responder(listener, context).run(sys.stdin.fileno())


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))

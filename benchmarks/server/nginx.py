"""nginx for the small answers, where it is installed: the less a server takes, the less of it is in
everybody's figures.

The others come from `Responder`: nginx cannot put the time into a large answer and name its length.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from .answers import HEAD, small_path_and_start

_PATIENCE = 10.0
_OWN_FIELDS = frozenset(("content-type", "content-length", "connection", "server", "date"))
"""Header fields that nginx writes by itself."""
_CONFIG = """
daemon off; master_process off; pid nginx.pid; error_log error.log;
events { worker_connections 512; }
http {
    access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    map $msec $now { "~^(?<seconds>\\d+)\\.(?<thousandths>\\d+)$" $seconds$thousandths; }
    server {
        listen HOST:PORT ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem;
        location = PATH { default_type "application/json; charset=utf-8"; FIELDS
            return 200 'START$now}'; }
    }
}
"""


def find() -> str | None:
    """The program, if it is installed; a user's path often leaves its directory out."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")


def version() -> str:
    """nginx's version; "" where it is not installed."""
    program = find()
    if program is None:
        return ""
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)  # noqa: S603
    return told.stderr.strip().rpartition("/")[2]


@contextmanager
def small_answers(directory: Path, host: str, leaf: trustme.LeafCert) -> Iterator[int | None]:
    """Meanwhile, nginx gives the small answer at this port of `host`; None where it is missing.

    Its files are in `directory`; it keeps to the cores of this process.
    """
    program = find()
    if program is None:
        yield None
        return
    with socket.create_server((host, 0)) as free:
        port = free.getsockname()[1]
    leaf.private_key_pem.write_to_path(str(directory / "key.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    (directory / "nginx.conf").write_bytes(_config(host, port))
    process = subprocess.Popen(  # noqa: S603 - what is installed as nginx
        [program, "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, host, port, directory / "error.log")
        yield port
    finally:
        process.kill()  # it holds nothing that would be lost
        process.wait()


def _config(host: str, port: int) -> bytes:
    path, start = small_path_and_start()
    fields = ""
    for line in HEAD.decode("ascii").split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        if name and name.lower() not in _OWN_FIELDS:
            fields += f"add_header {name} '{value.replace('%d', '$now')}'; "
    words = {"HOST": host, "PORT": str(port), "PATH": path, "FIELDS": fields, "START": start}
    text = _CONFIG
    for word, value in words.items():
        text = text.replace(word, value)
    return text.encode("ascii")


def _wait(process: subprocess.Popen[bytes], host: str, port: int, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
                raise RuntimeError(f"nginx does not serve: {said[-500:]}") from None
            time.sleep(0.01)
        else:
            return

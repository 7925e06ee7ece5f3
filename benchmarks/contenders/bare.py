"""A loop over a bare TLS socket: what Python and the kernel take, and nothing else."""

from __future__ import annotations

import re
import socket
import ssl
from typing import Any

import orjson

from benchmarks.measure import BenchmarkError, Call
from benchmarks.signing import HeaderSigner
from benchmarks.work import Work

from .base import Contender

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)")


class BareSocket(Contender):
    """Writes the request in one piece, reads the body into one buffer, trusts the server."""

    name = "bare socket"
    _context: ssl.SSLContext | None = None

    def call_for(self, work: Work) -> Call:
        signer, site, context = HeaderSigner(self.site), self.site, self.trust()
        start = f"{work.method} {work.target} HTTP/1.1\r\nHost: {site.host}:{site.port}\r\n"
        if work.body:
            start += f"Content-Length: {len(work.body)}\r\n"

        def exchange(sock: ssl.SSLSocket) -> Any:
            fields = "".join([f"{k}: {v}\r\n" for k, v in signer.headers(work).items()])
            sock.sendall(f"{start}{fields}\r\n".encode("ascii") + work.body)
            return orjson.loads(_read(sock))

        def call_fresh() -> Any:
            with self._connect(context) as sock:
                return exchange(sock)

        if self.is_fresh:
            return call_fresh
        kept = self._stack.enter_context(self._connect(context))
        return lambda: exchange(kept)

    def keep_one_more(self) -> None:
        """Open a connection and keep it until the end, for what it weighs."""
        self._stack.enter_context(self._connect(self.trust()))

    def trust(self) -> ssl.SSLContext:
        """The one context, built when it is first asked for."""
        self._context = self._context or self.tls()
        return self._context

    def _connect(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        raw = socket.create_connection((self.site.host, self.site.port), timeout=30)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(raw, server_hostname=self.site.host)


def _read(sock: ssl.SSLSocket) -> bytes | bytearray:
    data = sock.recv(65_536)
    while (end := data.find(b"\r\n\r\n")) < 0:
        more = sock.recv(65_536)
        if not more:
            raise BenchmarkError("the server closed")
        data += more
    found = _LENGTH.search(data, 0, end)
    if found is None:
        raise BenchmarkError(f"no length in {data[:end]!r}")
    length, have = int(found[1]), len(data) - end - 4
    if have == length:
        return data[end + 4 :]
    body = bytearray(length)
    body[:have] = data[end + 4 :]
    with memoryview(body) as view:
        while have < length:
            got = sock.recv_into(view[have:])
            if not got:
                raise BenchmarkError("the server closed")
            have += got
    return body

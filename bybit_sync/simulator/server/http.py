"""HTTP/1.1 as the server speaks it: requests from bytes, answers to bytes.

The protocol is our own over llhttp, not a web framework: a fault must be able to write half a
header or leave a socket without a word, and a load test must not measure a framework.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httptools

MAX_BODY_BYTES = 1 << 20
MAX_HEADER_BYTES = 1 << 16

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

_CLOSE_PATIENCE = 5.0
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    """One request as it arrived; ``query`` and ``body`` are the bytes of the wire."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    """By lower-case name; the last one where a name comes twice."""
    body: bytes
    address: str
    connection: int
    keep_alive: bool

    @property
    def payload(self) -> bytes:
        """The bytes that the signature covers."""
        return self.query if self.method == "GET" else self.body


@dataclass(slots=True)
class Response:
    """One answer, before it is bytes."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Iterable[tuple[str, str]] = ()
    ret_code: int | None = None

    def head(self, *, keep_alive: bool, length: int | None = None) -> bytes:
        """Status line and headers; `length` may announce something else than the body has."""
        size = len(self.body) if length is None else length
        lines = [
            f"HTTP/1.1 {self.status} {_PHRASES.get(self.status, 'Unknown')}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {size}",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
        ]
        lines.extend(f"{name}: {value}" for name, value in self.headers)
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def encode(self, *, keep_alive: bool) -> bytes:
        """The whole answer."""
        return self.head(keep_alive=keep_alive) + self.body


class HttpRefusal(Exception):  # noqa: N818 - the exchange says no, by HTTP status
    """Refused by HTTP status, not by retCode."""

    def __init__(self, status: int, body: str, content_type: str = TEXT) -> None:
        super().__init__(status, body)
        self.response = Response(status, body.encode(), content_type)


class HttpProtocol(asyncio.Protocol):
    """Reads requests from one connection; a subclass answers them, one after the other."""

    def __init__(self, number: int, address: str) -> None:
        self.number = number
        self.address = address
        self.transport: asyncio.Transport
        self.closed = asyncio.get_running_loop().create_future()
        self.waiting: deque[Request] = deque()
        self._start_request()
        self._parser: Any = httptools.HttpRequestParser(self)

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Feed the parser; answer what is complete."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "no upgrade here")
        except httptools.HttpParserError as error:
            self._refuse(400, f"bad request: {error}")
        else:
            if self._held_bytes > MAX_BODY_BYTES:
                self._refuse(413, "too large")
            elif self.waiting:
                self.serve()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits on this connection; requests that have arrived are still served."""
        if not self.closed.done():
            self.closed.set_result(None)

    # --- for the subclass ---

    def serve(self) -> None:
        """Answer the requests in `waiting`."""
        raise NotImplementedError

    @property
    def is_closing(self) -> bool:
        """True once nothing can be written any more."""
        return self.closed.done() or self.transport.is_closing()

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not left yet."""
        try:
            return self.transport.get_write_buffer_size()
        except AttributeError:  # Python 3.10: the TLS transport has lost its socket
            return 0

    def hang_up(self) -> None:
        """Close in order: what was written is sent, TLS says goodbye, then comes the FIN.

        asyncio alone would wait for the peer's own goodbye before the FIN, up to half a minute.
        """
        transport = self.transport
        self.waiting.clear()
        if transport.is_closing():
            return  # asyncio's TLS transport forgets its protocol when it is closed twice
        transport.close()
        self._abort_when_flushed(transport, asyncio.get_running_loop().time() + _CLOSE_PATIENCE)

    def _abort_when_flushed(self, transport: asyncio.Transport, deadline: float) -> None:
        if self.closed.done():
            return
        loop = asyncio.get_running_loop()
        if self.unsent_bytes == 0 or loop.time() > deadline:
            transport.abort()
        else:
            loop.call_later(0.01, self._abort_when_flushed, transport, deadline)

    def _refuse(self, status: int, why: str) -> None:
        if not self.is_closing:
            self.transport.write(Response(status, why.encode(), TEXT).encode(keep_alive=False))
            self.hang_up()

    # --- httptools ---

    def on_url(self, url: bytes) -> None:
        """Called with the request target, in pieces if it is long."""
        self._url += url
        self._hold(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for each header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._hold(len(name) + len(value))

    def on_body(self, body: bytes) -> None:
        """Called for each piece of the body."""
        self._body += body
        self._hold(len(body))

    def on_message_complete(self) -> None:
        """Called at the end of each request."""
        path, _, query = self._url.partition(b"?")
        parser = self._parser
        self.waiting.append(
            Request(
                parser.get_method().decode("ascii"),
                path.decode("latin-1"),
                query,
                self._headers,
                bytes(self._body),
                self.address,
                self.number,
                parser.should_keep_alive(),
            )
        )
        self._start_request()

    def _start_request(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._held_bytes = 0

    def _hold(self, size: int) -> None:
        self._held_bytes += size

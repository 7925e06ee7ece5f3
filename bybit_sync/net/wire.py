"""One request out in one write, one answer in through one parse (llhttp)."""

from __future__ import annotations

import re
import ssl
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httptools

from bybit_sync.exceptions import AnswerTooLargeError, ConfigError

from .answer import encode_headers
from .budget import AnswerFaultError, Budget, CutAnswerError, PeerClosedError
from .connection import PooledConnection

_RECORD_BYTES = 16_384
"""A TLS record: a request that fits into one reaches the server whole or not at all."""
_READ_BYTES = 65_536
_MAX_HEAD_BYTES = 65_536
_MAX_HEADERS = 256
_NO_BODY = (204, 304)
_COMMON_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE"})
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"[!-~]+")
_GZIP_MAGIC = b"\x1f\x8b"


class RawAnswer:
    """An answer as it came: status, header fields, body still compressed where it is."""

    __slots__ = ("body", "headers", "keep_alive", "reason", "status", "version")

    def __init__(
        self,
        status: int,
        reason: str,
        version: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        keep_alive: bool,
    ) -> None:
        self.status = status
        self.reason = reason
        self.version = version
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive


class _Parser:
    """Collects what llhttp finds. Faults are noted, not raised: llhttp would hide their class."""

    def __init__(self, max_bytes: int | None, *, bodiless: bool) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.size = 0
        self.status = 0
        self.reason = b""
        self.head_done = False
        self.done = False
        self.keep_alive = False
        self.framed = False
        self.extra = False
        self.fault: Exception | None = None
        self._max_bytes = max_bytes
        self._bodiless = bodiless
        self._head_size = 0
        self.llhttp = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        if self.done:
            self.extra = True

    def on_status(self, reason: bytes) -> None:
        if not self.done:
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.done:
            return
        self._head_size += len(name) + len(value)
        if self._head_size > _MAX_HEAD_BYTES:
            self.fault = AnswerFaultError(f"headers of more than {_MAX_HEAD_BYTES} bytes")
        if self.head_done:  # a trailer: it comes too late to say anything about the body
            return
        self.headers.append((name, value))
        if len(self.headers) > _MAX_HEADERS:
            self.fault = AnswerFaultError(f"more than {_MAX_HEADERS} headers")

    def on_headers_complete(self) -> None:
        if self.done:
            return
        self.status = self.llhttp.get_status_code()
        self.head_done = True
        self.keep_alive = self.llhttp.should_keep_alive()
        if self.status in _NO_BODY or (self._bodiless and self.status >= 200):
            # Complete as it stands, whatever length it names; llhttp would wait for the body.
            self.done = self.framed = True
            return
        length: bytes | None = None
        for name, value in self.headers:
            lower = name.lower()
            if lower == b"content-length":
                length = value
            elif lower == b"transfer-encoding":
                self.framed = True
        if length is not None:
            self.framed = True
            self._check_size(int(length) if length.strip().isdigit() else 0)

    def on_body(self, data: bytes) -> None:
        if self.done:
            self.extra = True
            return
        self.chunks.append(data)
        self.size += len(data)
        self._check_size(self.size)

    def on_message_complete(self) -> None:
        if self.done:
            return
        if 100 <= self.status < 200:  # an interim answer: the real one follows
            self.headers, self.reason, self.head_done, self.framed = [], b"", False, False
            return
        self.done = True

    def _check_size(self, size: int) -> None:
        if self._max_bytes is not None and size > self._max_bytes:
            self.fault = AnswerTooLargeError(
                f"the answer has {size} bytes or more; max_answer_bytes is {self._max_bytes}",
                effect_unknown=True,
            )

    def answer(self) -> RawAnswer:
        body = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
        return RawAnswer(
            self.status,
            self.reason.decode("latin-1"),
            self.llhttp.get_http_version(),
            self.headers,
            body,
            self.keep_alive and self.framed and not self.extra,
        )


class Sealed(bytes):
    """Bytes with a signature in them: a traceback that shows locals does not show these."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__


def signed(head: bytes, budget: Budget) -> Sealed:
    """Request line and headers with what ``budget.sign`` adds, now that a connection is in hand."""
    budget.start_writing()
    return Sealed(head if budget.sign is None else head + encode_headers(budget.sign()))


def exchange(
    conn: PooledConnection, head: bytes, body: bytes, budget: Budget, *, bodiless: bool = False
) -> RawAnswer:
    """Send a request and read its answer to the end.

    `head` is the request line and headers without the closing empty line. An answer to HEAD is
    `bodiless`: it ends with its headers.

    Raises:
        TimeoutError, OSError, AnswerFaultError, AnswerTooLargeError: mapped by the pool.
    """
    try:
        _write(conn.sock, Sealed(head + b"\r\n" + body), budget)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
        return _early_answer(conn, budget, error, bodiless)
    return _read(conn.sock, budget, bodiless)


def _write(sock: Any, data: bytes, budget: Budget) -> None:
    sock.settimeout(budget.patience())
    try:
        sent = sock.send(data if len(data) <= _RECORD_BYTES else Sealed(data[:_RECORD_BYTES]))
    except TimeoutError:
        budget.written = True  # part of a record may be on its way
        raise
    budget.written = True
    rest = memoryview(data)[sent:]
    while rest:
        sock.settimeout(budget.patience())
        rest = rest[sock.send(rest[:_RECORD_BYTES]) :]


def _early_answer(
    conn: PooledConnection, budget: Budget, error: OSError, bodiless: bool
) -> RawAnswer:
    """A server may refuse a request before it has read all of it, and close: its answer counts."""
    if not budget.written:
        raise error
    try:
        answer = _read(conn.sock, budget, bodiless)
    except (OSError, AnswerFaultError):
        raise error from None
    answer.keep_alive = False
    return answer


def _read(sock: Any, budget: Budget, bodiless: bool) -> RawAnswer:
    budget.phase = "read"
    parser = _Parser(budget.max_bytes, bodiless=bodiless)
    feed = parser.llhttp.feed_data
    head_bytes = 0
    while not parser.done:
        sock.settimeout(budget.patience())
        try:
            data = sock.recv(_READ_BYTES)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            if not parser.head_done:
                raise PeerClosedError("closed by the peer") from None
            raise CutAnswerError("TLS ended inside the answer") from None
        if not data:
            return _at_end_of_stream(parser, budget)
        budget.answered = True
        try:
            feed(data)
        except httptools.HttpParserUpgrade:
            raise AnswerFaultError("the server switched protocols") from None
        except httptools.HttpParserError as error:
            if not parser.done:
                raise AnswerFaultError(f"not an HTTP answer: {error}") from error
            parser.extra = True
        if parser.fault is not None:
            raise parser.fault
        if not parser.head_done:
            head_bytes += len(data)
            if head_bytes > _MAX_HEAD_BYTES:
                raise AnswerFaultError(f"headers of more than {_MAX_HEAD_BYTES} bytes")
    return parser.answer()


def _at_end_of_stream(parser: _Parser, budget: Budget) -> RawAnswer:
    if not budget.answered:
        raise PeerClosedError("closed by the peer before it answered")
    if not parser.head_done or parser.framed:
        raise CutAnswerError("the answer was cut short")
    parser.keep_alive = False  # HTTP/1.0 style: the end of the stream is the end of the body
    return parser.answer()


def request_line(method: str, target: str, host: str = "") -> bytes:
    """The first line of a request, and the Host header where a host is given.

    A forwarding proxy is given whole URLs: then the URL's host is the one that is named.

    Raises:
        ConfigError: a character in it could smuggle another request.
    """
    if not _TARGET.fullmatch(target):
        raise ConfigError("the URL holds a character that must be percent-encoded")
    if method not in _COMMON_METHODS and not _METHOD.fullmatch(method):
        raise ConfigError(f"{method!r} is not an HTTP method")
    if not host:
        return f"{method} {target} HTTP/1.1\r\n".encode("ascii")
    if target.startswith("http"):
        host = urlsplit(target).netloc.rpartition("@")[2]
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n".encode("ascii")


def request_head(method: str, target: str, host: str, headers: Mapping[str, Any]) -> bytes:
    """Request line and headers, each checked; without the closing empty line.

    Raises:
        ConfigError: a character in them could smuggle another request.
    """
    fields = {_text(name): _text(value) for name, value in headers.items() if value is not None}
    is_named = any(name.lower() == "host" for name in fields)
    return request_line(method, target, "" if is_named else host) + encode_headers(fields)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def decompress(answer: RawAnswer, max_bytes: int | None) -> bytes:
    """The body as the server meant it.

    Raises:
        AnswerFaultError: an encoding that was not asked for, or damaged data.
        AnswerTooLargeError: more than `max_bytes` come out.
    """
    codings = [v for n, v in answer.headers if n.lower() == b"content-encoding"]
    if not codings:
        return answer.body
    coding = b",".join(codings).strip().lower()
    if coding in (b"identity", b""):
        return answer.body
    if coding not in (b"gzip", b"x-gzip", b"deflate"):
        raise AnswerFaultError(f"content encoding {coding[:40]!r} was not asked for")
    try:
        return _inflate(answer.body, coding, max_bytes)
    except zlib.error as error:
        raise AnswerFaultError(f"damaged compressed answer: {error}") from error


def _inflate(data: bytes, coding: bytes, max_bytes: int | None) -> bytes:
    # 47: zlib or gzip by the header; raw deflate, which some servers send, has none.
    raw = coding == b"deflate" and not _has_zlib_header(data)
    engine = zlib.decompressobj(-zlib.MAX_WBITS if raw else 47)
    out = engine.decompress(data, 0 if max_bytes is None else max_bytes + 1)
    if max_bytes is not None and len(out) > max_bytes:
        raise AnswerTooLargeError(
            f"the answer inflates to more than {max_bytes} bytes", effect_unknown=True
        )
    if not engine.eof:
        raise AnswerFaultError("the compressed answer is cut short")
    if engine.unused_data.startswith(_GZIP_MAGIC):
        raise AnswerFaultError("the compressed answer goes on in a second gzip member")
    return out


def _has_zlib_header(data: bytes) -> bool:
    return len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0

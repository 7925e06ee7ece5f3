"""One request out in one write, one answer in through one parse (llhttp)."""

from __future__ import annotations

import re
import ssl
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import httptools

from bybit_sync.exceptions import ConfigError

from .answer import encode_headers, lowered
from .budget import AnswerFaultError, Budget, CutAnswerError, OversizeError, PeerClosedError
from .connection import PooledConnection

_RECORD_BYTES = 16_384
"""A TLS record: a request that fits into one reaches the server whole or not at all."""
_READ_BYTES = 65_536
_PIECE_BYTES = 1_048_576
"""What is inflated in one step."""
_BUFFER_BYTES = 1 << 26
"""The largest body for which a buffer is made on the word of a header alone."""
_MAX_HEAD_BYTES = 65_536
_MAX_HEADERS = 256
_NO_BODY = (204, 304)
_COMMON_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE"})
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"[!-~]+")
_GZIP_MAGIC = b"\x1f\x8b"


class RawAnswer:
    """An answer as it came: status, header fields, body still compressed where it is."""

    __slots__ = ("body", "by_name", "headers", "keep_alive", "reason", "status", "version")

    def __init__(
        self,
        status: int,
        reason: bytes,
        version: str,
        headers: Collection[tuple[bytes, bytes]],
        by_name: dict[bytes, bytes],
        body: bytes | bytearray,
        keep_alive: bool,
    ) -> None:
        self.status = status
        self.reason = reason
        self.version = version
        self.headers = headers
        self.by_name = by_name
        self.body = body
        self.keep_alive = keep_alive


class Parser:
    """Collects what llhttp finds. Faults are noted, not raised: llhttp would hide their class.

    Of a header that stands twice it keeps the last one, which is all that an API's client asks
    for: so llhttp writes headers straight into a dict, and no code of ours runs for each.
    """

    # Of an answer that has not said otherwise yet; fewer stores for each one that comes.
    status = 0
    reason = b""
    head_done = done = keep_alive = framed = extra = False
    by_name: dict[bytes, bytes] = {}  # noqa: RUF012  (never written to)
    length: int | None = None
    """The body's bytes, where a Content-Length names them."""
    fault: Exception | None = None
    size = 0

    def __init__(self, max_bytes: int | None, *, bodiless: bool) -> None:
        self.fields: dict[bytes, bytes] = {}
        self.on_header: Callable[[bytes, bytes], None] = self.fields.__setitem__
        self.chunks: list[bytes] = []
        self._max_bytes = max_bytes
        self._bodiless = bodiless
        self.llhttp: Any = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        if self.done:
            self.extra = True
            self._keep_apart()

    def _keep_apart(self) -> None:
        """What llhttp writes from here on is not this answer's head."""
        self.fields = dict(self.fields)

    def on_headers_complete(self) -> None:
        if self.done:
            return
        self.status = status = self.llhttp.get_status_code()
        self.head_done = True
        self.keep_alive = self.llhttp.should_keep_alive()
        self.by_name = by_name = lowered(self.fields)
        if len(by_name) > _MAX_HEADERS:
            self.fault = AnswerFaultError(f"more than {_MAX_HEADERS} headers")
        if status in _NO_BODY or (self._bodiless and status >= 200):
            # Complete as it stands, whatever length it names; llhttp would wait for the body.
            self.done = self.framed = True
            return
        length = by_name.get(b"content-length")
        if length is not None:
            self.framed = True
            self.length = int(length) if length.strip().isdigit() else 0
            self._check_size(self.length)
        elif b"transfer-encoding" in by_name:
            self.framed = True
            self._keep_apart()  # a trailer comes too late to say anything about the body

    def on_body(self, data: bytes) -> None:
        if self.done:
            self.extra = True
            return
        self.chunks.append(data)
        self.size += len(data)
        if self.length is None:
            self._check_size(self.size)

    def on_message_complete(self) -> None:
        if self.done:
            return
        if 100 <= self.status < 200:  # an interim answer: the real one follows
            self._start_over()
            return
        self.done = True

    def _start_over(self) -> None:
        self.fields.clear()
        self.head_done = self.framed = False
        self.length = None

    def _check_size(self, size: int) -> None:
        if self._max_bytes is not None and size > self._max_bytes:
            self.fault = OversizeError(
                f"the answer has {size} bytes or more; max_answer_bytes is {self._max_bytes}"
            )

    def head_size(self) -> int:
        """The bytes of all header fields."""
        return sum(len(name) + len(value) for name, value in self.headers())

    def headers(self) -> Collection[tuple[bytes, bytes]]:
        """The header fields as they came."""
        return self.fields.items()

    def answer(self, body: bytes | bytearray | None = None) -> RawAnswer:
        """What was read; `body` where it was read past the parser."""
        if body is None:
            body = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
        version = self.llhttp.get_http_version()
        self.llhttp = None  # it holds this object: neither would go before the collector comes
        return RawAnswer(
            self.status,
            self.reason,
            version,
            self.headers(),
            self.by_name,
            body,
            self.keep_alive and self.framed and not self.extra,
        )


class FullParser(Parser):
    """Keeps every header, also those that stand twice, and the reason, for who wants them all."""

    def __init__(self, max_bytes: int | None, *, bodiless: bool) -> None:
        self._listed: list[tuple[bytes, bytes]] = []
        super().__init__(max_bytes, bodiless=bodiless)
        self.on_header = self._note_header
        self.llhttp = httptools.HttpResponseParser(self)  # which looks at `on_header` only once

    def _note_header(self, name: bytes, value: bytes) -> None:
        if not self.head_done:
            self.fields[name] = value
            self._listed.append((name, value))

    def on_status(self, reason: bytes) -> None:
        """Note the words behind the status; they may come in pieces."""
        if not self.done:
            self.reason += reason

    def _start_over(self) -> None:
        super()._start_over()
        self.reason = b""
        self._listed = []

    def headers(self) -> Collection[tuple[bytes, bytes]]:
        """The header fields as they came."""
        return self._listed


class Sealed(bytes):
    """Bytes with a signature in them: a traceback that shows locals does not show these."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__


def sealed(head: bytes, body: bytes, budget: Budget) -> Sealed:
    """The whole request: `head` (request line and headers without the closing empty line), what
    ``budget.sign`` adds now that a connection is in hand, and the body."""
    budget.start_writing()
    if budget.sign is None:
        return Sealed(b"%b\r\n%b" % (head, body))
    fields = budget.sign()
    checked = getattr(fields, "raw", None)
    signed = encode_headers(fields) if checked is None else checked
    return Sealed(b"%b%b\r\n%b" % (head, signed, body))


def exchange(
    conn: PooledConnection,
    request: Sealed,
    budget: Budget,
    *,
    bodiless: bool = False,
    parser: type[Parser] = Parser,
) -> RawAnswer:
    """Send a request and read its answer to the end.

    An answer to HEAD is `bodiless`: it ends with its headers.

    Raises:
        TimeoutError, OSError, AnswerFaultError: mapped by the pool.
    """
    try:
        if len(request) <= _RECORD_BYTES:
            _write_record(conn, request, budget)
        else:
            _write(conn, request, budget)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
        return _early_answer(conn, budget, error, parser(budget.max_bytes, bodiless=bodiless))
    return _read(conn, budget, parser(budget.max_bytes, bodiless=bodiless))


def _write_record(conn: PooledConnection, data: Sealed, budget: Budget) -> None:
    conn.wait_at_most(budget.patience())
    try:
        sent = conn.put(data)
    except TimeoutError:
        budget.written = True  # part of a record may be on its way
        raise
    budget.written = True
    if sent < len(data):  # a plain socket's buffer was full
        _write_rest(conn, memoryview(data)[sent:], budget)


def _write(conn: PooledConnection, data: Sealed, budget: Budget) -> None:
    _write_record(conn, Sealed(data[:_RECORD_BYTES]), budget)
    _write_rest(conn, memoryview(data)[_RECORD_BYTES:], budget)


def _write_rest(conn: PooledConnection, rest: memoryview, budget: Budget) -> None:
    while rest:
        conn.wait_at_most(budget.patience())
        rest = rest[conn.put(rest[:_RECORD_BYTES]) :]


def _early_answer(
    conn: PooledConnection, budget: Budget, error: OSError, parser: Parser
) -> RawAnswer:
    """A server may refuse a request before it has read all of it, and close: its answer counts."""
    if not budget.written:
        raise error
    try:
        answer = _read(conn, budget, parser)
    except (OSError, AnswerFaultError):
        raise error from None
    answer.keep_alive = False
    return answer


def _read(conn: PooledConnection, budget: Budget, parser: Parser) -> RawAnswer:
    budget.phase = "read"
    feed = parser.llhttp.feed_data
    beside = 0  # bytes since the body last grew: a head, chunk sizes, trailers
    while not parser.done:
        data = _some(conn, parser, budget)
        if not data:
            return _at_end_of_stream(parser, budget)
        budget.answered = True
        size = parser.size
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
        if beside and parser.head_done:  # it came in pieces; one piece is no longer than it may be
            _check_head(parser.head_size())
        if parser.done:
            break
        beside = beside + len(data) if parser.size == size else 0
        _check_head(beside)
        if parser.length is not None and parser.length <= _BUFFER_BYTES:
            return parser.answer(_rest_of_body(conn, parser, parser.length, budget))
    return parser.answer()


def _check_head(size: int) -> None:
    if size > _MAX_HEAD_BYTES:
        raise AnswerFaultError(f"headers of more than {_MAX_HEAD_BYTES} bytes")


def _some(conn: PooledConnection, parser: Parser, budget: Budget) -> bytes:
    """What has come; empty at the end of the stream."""
    conn.wait_at_most(budget.patience())
    try:
        return conn.take(_READ_BYTES)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        if not parser.head_done:
            raise PeerClosedError("closed by the peer") from None
        raise CutAnswerError("TLS ended inside the answer") from None


def _rest_of_body(conn: PooledConnection, parser: Parser, length: int, budget: Budget) -> bytearray:
    """The body in one buffer of the length that the checked head names: past llhttp, which would
    copy each piece. No byte beyond the length is read."""
    body = bytearray(length)
    have = parser.size
    body[:have] = b"".join(parser.chunks)
    with memoryview(body) as view:
        while have < length:
            conn.wait_at_most(budget.patience())
            try:
                got = conn.take_into(view[have:])
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise CutAnswerError("TLS ended inside the answer") from None
            if not got:
                raise CutAnswerError("the answer was cut short")
            have += got
    return body


def _at_end_of_stream(parser: Parser, budget: Budget) -> RawAnswer:
    if not budget.answered:
        raise PeerClosedError("closed by the peer before it answered")
    if not parser.head_done or parser.framed:
        raise CutAnswerError("the answer was cut short")
    parser.keep_alive = False  # HTTP/1.0 style: the end of the stream is the end of the body
    return parser.answer()


def check_line(method: str, target: str) -> None:
    """Refuse what may not stand in the first line of a request.

    Raises:
        ConfigError: a character in it could smuggle another request.
    """
    if not _TARGET.fullmatch(target):
        raise ConfigError("the URL holds a character that must be percent-encoded")
    if method not in _COMMON_METHODS and not _METHOD.fullmatch(method):
        raise ConfigError(f"{method!r} is not an HTTP method")


def request_line(method: str, target: str, host: str = "") -> bytes:
    """The first line of a request, and the Host header where a host is given.

    A forwarding proxy is given whole URLs: then the URL's host is the one that is named.

    Raises:
        ConfigError: as `check_line`.
    """
    check_line(method, target)
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


def decompress(answer: RawAnswer, max_bytes: int | None) -> bytes | bytearray:
    """The body as the server meant it.

    Raises:
        AnswerFaultError: an encoding that was not asked for, or damaged data.
        OversizeError: more than `max_bytes` come out.
    """
    if b"content-encoding" not in answer.by_name:
        return answer.body
    codings = [v for n, v in answer.headers if n.lower() == b"content-encoding"]
    coding = b",".join(codings).strip().lower()
    if coding in (b"identity", b""):
        return answer.body
    if coding not in (b"gzip", b"x-gzip", b"deflate"):
        raise AnswerFaultError(f"content encoding {coding[:40]!r} was not asked for")
    try:
        return _inflate(answer.body, coding, max_bytes)
    except zlib.error as error:
        raise AnswerFaultError(f"damaged compressed answer: {error}") from error


def _inflate(data: bytes | bytearray, coding: bytes, max_bytes: int | None) -> bytes:
    # 47: zlib or gzip by the header; raw deflate, which some servers send, has none.
    raw = coding == b"deflate" and not _has_zlib_header(data)
    engine = zlib.decompressobj(-zlib.MAX_WBITS if raw else 47)
    pieces: list[bytes] = []
    size = 0
    while not engine.eof:
        # Piece by piece: in one go, zlib holds twice the bytes that it may give out.
        pieces.append(engine.decompress(data, _PIECE_BYTES))
        size += len(pieces[-1])
        if max_bytes is not None and size > max_bytes:
            raise OversizeError(f"the answer inflates to more than {max_bytes} bytes")
        data = engine.unconsumed_tail
        if not data and len(pieces[-1]) < _PIECE_BYTES:
            break
    if not engine.eof:
        raise AnswerFaultError("the compressed answer is cut short")
    if engine.unused_data.startswith(_GZIP_MAGIC):
        raise AnswerFaultError("the compressed answer goes on in a second gzip member")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _has_zlib_header(data: bytes | bytearray) -> bool:
    return len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0

"""One request out in one write, one answer in through one parse (llhttp).

That an answer comes whole, in one piece, is the usual case, and is tried first.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httptools

from bybit_sync.exceptions import ConfigError

from .answer import encode_headers
from .budget import AnswerFaultError, Budget, CutAnswerError, PeerClosedError
from .connection import PooledConnection
from .raw_answer import MAX_HEAD_BYTES, RawAnswer
from .whole_answer import WholeAnswer

_RECORD_BYTES = 16_384
"""A TLS record: a request that fits into one reaches the server whole or not at all."""
_READ_BYTES = 65_536
_BUFFER_BYTES = 1 << 26
"""The largest body for which a buffer is made on the word of a header alone."""
_COMMON_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE"})
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"[!-~]+")


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
    kind: type[RawAnswer] = RawAnswer,
) -> RawAnswer | WholeAnswer:
    """Send a request and read its answer to the end.

    An answer to HEAD is `bodiless`: it ends with its headers. Another `kind` keeps more of it.

    Raises:
        TimeoutError, OSError, AnswerFaultError: mapped by the pool.
    """
    try:
        if len(request) <= _RECORD_BYTES:
            _write_record(conn, request, budget)
        else:
            _write(conn, request, budget)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
        return _read_early(conn, budget, error, kind(budget.max_bytes, bodiless=bodiless))
    data = None
    if kind is RawAnswer and not bodiless:
        whole = WholeAnswer()  # made while the request is on its way
        budget.phase = "read"
        data = _some(conn, False, budget)
        if whole.is_all_of(data, budget.max_bytes):
            budget.answered = True
            return whole
    answer = kind(budget.max_bytes, bodiless=bodiless)
    _read(conn, budget, answer, data)
    return answer


def _write_record(conn: PooledConnection, data: Sealed, budget: Budget) -> None:
    budget.limit(conn.sock)
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
        budget.limit(conn.sock)
        rest = rest[conn.put(rest[:_RECORD_BYTES]) :]


def _read_early(
    conn: PooledConnection, budget: Budget, error: OSError, answer: RawAnswer
) -> RawAnswer:
    """A server may refuse a request before it has read all of it, and close: its answer counts."""
    if not budget.written:
        raise error
    try:
        _read(conn, budget, answer)
    except (OSError, AnswerFaultError):
        raise error from None
    answer.keep_alive = False
    return answer


def _read(
    conn: PooledConnection, budget: Budget, answer: RawAnswer, data: bytes | None = None
) -> None:
    """Read to the answer's end; `data` is what has been read of it."""
    budget.phase = "read"
    feed = answer.llhttp.feed_data
    beside = 0  # bytes since the body last grew: a head, chunk sizes, trailers
    while not answer.done:
        if data is None:
            data = _some(conn, answer.head_done, budget)
        if not data:
            _check_end(answer, budget)
            break
        budget.answered = True
        size = answer.size
        try:
            feed(data)
        except httptools.HttpParserUpgrade:
            raise AnswerFaultError("the server switched protocols") from None
        except httptools.HttpParserError as error:
            if not answer.done:
                raise AnswerFaultError(f"not an HTTP answer: {error}") from error
            answer.extra = True
        if answer.fault is not None:
            raise answer.fault
        if beside and answer.head_done:  # it came in pieces; one piece is no longer than it may be
            _check_head(answer.head_size())
        if answer.done:
            break
        beside = beside + len(data) if answer.size == size else 0
        _check_head(beside)
        if answer.length is not None and answer.length <= _BUFFER_BYTES:
            answer.finish(_rest_of_body(conn, answer, answer.length, budget))
            return
        data = None
    answer.finish()


def _check_head(size: int) -> None:
    if size > MAX_HEAD_BYTES:
        raise AnswerFaultError(f"headers of more than {MAX_HEAD_BYTES} bytes")


def _some(conn: PooledConnection, head_done: bool, budget: Budget) -> bytes:
    """What has come; empty at the end of the stream."""
    budget.limit(conn.sock)
    try:
        return conn.take(_READ_BYTES)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        if not head_done:
            raise PeerClosedError("closed by the peer") from None
        raise CutAnswerError("TLS ended inside the answer") from None


def _rest_of_body(
    conn: PooledConnection, answer: RawAnswer, length: int, budget: Budget
) -> bytearray:
    """The body in one buffer of the length that the checked head names: past llhttp, which would
    copy each piece. No byte beyond the length is read."""
    body = bytearray(length)
    have = answer.size
    body[:have] = b"".join(answer.chunks)
    with memoryview(body) as view:
        while have < length:
            budget.limit(conn.sock)
            try:
                got = conn.take_into(view[have:])
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise CutAnswerError("TLS ended inside the answer") from None
            if not got:
                raise CutAnswerError("the answer was cut short")
            have += got
    return body


def _check_end(answer: RawAnswer, budget: Budget) -> None:
    """Whether the stream may end here."""
    if not budget.answered:
        raise PeerClosedError("closed by the peer before it answered")
    if not answer.head_done or answer.framed:
        raise CutAnswerError("the answer was cut short")
    answer.keep_alive = False  # HTTP/1.0 style: the end of the stream is the end of the body


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
    try:
        encoded = encode_headers(headers)
    except TypeError:  # bytes, a number or None among them
        headers = {
            _text(name): _text(value) for name, value in headers.items() if value is not None
        }
        encoded = encode_headers(headers)
    is_named = "host" in map(str.lower, headers)
    return request_line(method, target, "" if is_named else host) + encoded


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)

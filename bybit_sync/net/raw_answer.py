"""An answer on its way in: what llhttp has found so far, and its body as the server meant it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from typing import Any

import httptools

from .answer import Headers, lowered
from .budget import AnswerFaultError, OversizeError

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 256
_NO_BODY = (204, 304)
_GZIP_MAGIC = b"\x1f\x8b"
_PIECE_BYTES = 1_048_576
"""What is inflated in one step."""


class RawAnswer:
    """An answer as it comes: status, header fields, body still compressed where it is.

    llhttp writes into it. Faults are noted, not raised: llhttp would hide their class.

    Of a header that stands twice it keeps the last one, which is all that an API's client asks
    for: so llhttp writes headers straight into a dict, and no code of ours runs for each.
    """

    # Of an answer that has not said otherwise yet; fewer stores for each one that comes.
    status = 0
    reason = b""
    version = "1.1"
    body: bytes | bytearray = b""
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
        if len(by_name) > MAX_HEADERS:
            self.fault = AnswerFaultError(f"more than {MAX_HEADERS} headers")
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
        return sum(len(name) + len(value) for name, value in self.field_list)

    @property
    def field_list(self) -> Collection[tuple[bytes, bytes]]:
        """The header fields as they came."""
        return self.fields.items()

    @property
    def headers(self) -> Headers:
        """The header fields as a user sees them."""
        return Headers(self.field_list, self.by_name)

    def finish(self, body: bytes | bytearray | None = None) -> None:
        """All of it is read; `body` where that was read past llhttp."""
        if body is None:
            chunks = self.chunks
            body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.body = body
        if not self.framed or self.extra:
            self.keep_alive = False
        self.llhttp = None  # it holds this object: neither would go before the collector comes


class FullRawAnswer(RawAnswer):
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

    @property
    def field_list(self) -> Collection[tuple[bytes, bytes]]:
        """The header fields as they came."""
        return self._listed

    def finish(self, body: bytes | bytearray | None = None) -> None:
        """All of it is read; `body` where that was read past llhttp."""
        self.version = self.llhttp.get_http_version()
        super().finish(body)


def decompress(answer: RawAnswer, max_bytes: int | None) -> bytes | bytearray:
    """The body as the server meant it.

    Raises:
        AnswerFaultError: an encoding that was not asked for, or damaged data.
        OversizeError: more than `max_bytes` come out.
    """
    if b"content-encoding" not in answer.by_name:
        return answer.body
    codings = [v for n, v in answer.field_list if n.lower() == b"content-encoding"]
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

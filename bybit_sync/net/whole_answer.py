"""An answer that came in one piece, as nearly all do.

llhttp checks it and finds its body. Its header fields stay the bytes that they are until somebody
asks for one: to make objects of a dozen of them costs more than all else that is done to an answer.
"""

from __future__ import annotations

from typing import Any

import httptools

from .answer import Answer, Headers
from .raw_answer import MAX_HEADERS

_END_OF_HEAD = b"\r\n\r\n"
_END_BYTES = len(_END_OF_HEAD)
_CONNECTION, _KEPT = b"connection:", b"\r\nconnection: keep-alive\r\n"
_FEW_BYTES = MAX_HEADERS * len(b"a:\r\n")  # a head of so many has no more fields than it may


class WholeAnswer(Answer):
    """Looks at what has come; belongs to one request. What is not plain is left to `RawAnswer`.

    llhttp's callbacks are methods of lists, and run no code of ours.
    """

    __slots__ = (
        "_chunks",
        "_ends",
        "_llhttp",
        "on_body",
        "on_message_complete",
    )

    body: bytes
    """As it came: it is not compressed."""
    keep_alive = True

    __repr__ = object.__repr__  # the base's shows fields, which are not known from the start

    def __init__(self) -> None:  # not the base's
        self._chunks: list[bytes] = []
        self.on_body = self._chunks.append
        self._ends: list[None] = [None]
        # A second answer behind the first has no end to take, and llhttp stops there.
        self.on_message_complete = self._ends.pop
        self._llhttp: Any = httptools.HttpResponseParser(self)

    def is_all_of(self, data: bytes, max_bytes: int | None) -> bool:
        """Whether `data` is one answer from end to end, with a body that names its length, after
        which the connection stays open.

        If not, nothing is known: it may be the beginning of one, compressed, or none at all.
        """
        llhttp = self._llhttp
        try:
            llhttp.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False
        finally:
            self._llhttp = None  # it holds this object
        if self._ends or len(self._chunks) != 1:
            return False
        self.body = body = self._chunks[0]
        size = len(data) - len(body)
        # Nothing but a head before the body, and nothing behind it: so it is neither chunked nor
        # is there an interim answer before it.
        if data.find(_END_OF_HEAD) != size - _END_BYTES:
            return False
        if max_bytes is not None and len(body) > max_bytes:
            return False
        self.headers = headers = Headers(None, None, data[:size])
        head = headers.lower_head
        if size > _FEW_BYTES and head.count(b"\n") > MAX_HEADERS:
            return False
        self.status = llhttp.get_status_code()
        return _is_kept(head) and b"content-encoding" not in head


def _is_kept(head: bytes) -> bool:
    """Whether it is plain to see that the connection stays open; else llhttp has to tell."""
    at = head.find(_CONNECTION)
    if at >= 0 and not (head.startswith(_KEPT, at - 2) and head.find(_CONNECTION, at + 1) < 0):
        return False
    return head.startswith(b"http/1.1 ")

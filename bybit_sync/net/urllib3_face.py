"""What urllib3 expects to find in a pool and gets from it, made of our own parts."""

from __future__ import annotations

import queue
from io import BytesIO
from typing import TYPE_CHECKING, Any

import urllib3

from .fields import as_urllib3_has_them

if TYPE_CHECKING:
    from .connection import PooledConnection
    from .raw_answer import RawAnswer


class IdleStack(queue.LifoQueue):  # type: ignore[type-arg]
    """urllib3's ``pool.pool``, holding idle connections and nothing else, newest last.

    `Slots` guards it with its own lock; the methods of a queue are here for urllib3, which fills
    a pool with None when it is made and empties it when it is thrown away.
    """

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(0)
        self.connections: list[PooledConnection] = []

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Keep a connection; None, urllib3's mark for one to be opened, takes no room."""
        if item is not None:
            self.connections.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the newest connection out."""
        try:
            return self.connections.pop()
        except IndexError:
            raise queue.Empty from None

    def qsize(self) -> int:
        """How many connections are idle."""
        return len(self.connections)


class _CookieSource:
    """What ``http.cookiejar`` asks of a response: its Set-Cookie headers."""

    def __init__(self, headers: urllib3.HTTPHeaderDict) -> None:
        self.msg = headers

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""


class WholeResponse(urllib3.HTTPResponse):
    """An answer that has been read to its end."""

    whole_body = b""
    """As the server sent it, compressed where it is."""


def as_response(answer: RawAnswer, method: str, url: str) -> WholeResponse:
    """The answer as urllib3 gives it."""
    headers = as_urllib3_has_them(answer.field_list)
    has_cookies = "set-cookie" in headers
    body = bytes(answer.body)
    response = WholeResponse(
        body=BytesIO(body),
        headers=headers,
        status=answer.status,
        version=11 if answer.version == "1.1" else 10,
        reason=answer.reason.decode("latin-1"),
        preload_content=False,
        decode_content=False,
        original_response=_CookieSource(headers) if has_cookies else None,  # type: ignore[arg-type]
        # The framing is undone already: a body without its chunks must not be unchunked again.
        enforce_content_length=False,
        request_method=method,
        request_url=url,
    )
    response.whole_body = body
    return response

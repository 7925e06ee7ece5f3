"""The server's side of the story, read from the running exchange each time it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from .admin_client import AdminClient

Row = dict[str, Any]


class LiveRows(Sequence[Row]):
    """Rows on the server. Iterating and indexing take one look; the length is another."""

    def __init__(self, admin: AdminClient, path: str) -> None:
        self._admin = admin
        self._path = path

    def _fetch(self) -> list[Row]:
        rows: list[Row] = self._admin.get(self._path)
        return rows

    def __len__(self) -> int:
        return len(self._fetch())

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self._fetch()[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._fetch())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} on the server>"


class Orders(LiveRows):
    """Every order that was ever accepted, of all accounts, in order of acceptance."""

    def __init__(self, admin: AdminClient) -> None:
        super().__init__(admin, "/orders")

    def __len__(self) -> int:
        return int(self._admin.get("/orders/count"))


class Requests(LiveRows):
    """What arrived, oldest first: the last 10,000; `count` knows of all.

    Each row has ``method``, ``path``, ``query``, ``body``, ``headers`` (lower case, secrets
    starred), ``connection``, ``uid``, ``status``, ``ret_code``, ``fault``, ``time`` (ms).
    """

    def __init__(self, admin: AdminClient) -> None:
        super().__init__(admin, "/requests")

    def count(self, path: str | None = None, method: str | None = None) -> int:
        """How many arrived, ever."""
        return int(self._admin.get("/requests/count", path=path, method=method))


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections to the exchange: ever opened, open now, with TLS done, most at one time."""

    opened: int
    open: int
    tls_handshakes: int
    peak: int


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """A key to an account of its own."""

    api_key: str
    api_secret: str
    uid: str

    def __repr__(self) -> str:
        return f"LocalAccount(uid={self.uid!r})"

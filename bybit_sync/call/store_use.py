"""Which clients of this process use which store: one connection to it, closed with the last."""

from __future__ import annotations

import threading

from bybit_sync.clock import SYSTEM_CLOCK
from bybit_sync.forking import renew_after_fork

from .limit_store import LimitStore
from .shared_limits import Windows


class _Stores:
    """The stores that are open, by their URLs. The lock guards them, and how many use each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._open: dict[str, tuple[LimitStore, Windows]] = {}
        self._uses: dict[str, int] = {}

    def join(self, url: str) -> Windows:
        """The windows of a store, opened where this is its first use."""
        from .redis_store import RedisStore  # here: few programs use one

        with self._lock:
            if url not in self._open:
                store = RedisStore(url)
                self._open[url] = store, Windows(SYSTEM_CLOCK, store)
                self._uses[url] = 0
            self._uses[url] += 1
            return self._open[url][1]

    def leave(self, url: str) -> None:
        """One use less."""
        with self._lock:
            self._uses[url] -= 1
            last = None if self._uses[url] else self._open.pop(url)[0]
        if last is not None:
            last.close()


_STORES = _Stores()


class StoreUse:
    """One client's use of the store that its config names; without one, of none.

    Raises:
        ConfigError: the store needs a package that is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.windows = _STORES.join(url) if url else None
        """What the client counts in; None: the counts of this process."""

    def close(self) -> None:
        """Use it no more; twice is fine."""
        url, self._url = self._url, ""
        if url:
            _STORES.leave(url)

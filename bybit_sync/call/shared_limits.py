"""The counts that the clients of one process share: by account and endpoint, and by address.

Bybit counts every call that comes from one address, whichever client makes it, and every call of
one account to one endpoint. So windows have names, and clients that use a name use one window.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import threading
import weakref
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bybit_sync.clock import SYSTEM_CLOCK, Clock
from bybit_sync.forking import renew_after_fork

from .breaker import Breaker
from .limit_store import LimitStore, StoreWindow
from .window import Window

_LOCAL = "local "


class Address:
    """What all calls from one IP address share: its window and its breaker."""

    __slots__ = ("breaker", "window")

    def __init__(self, window: Window, breaker: Breaker) -> None:
        self.window = window
        self.breaker = breaker


class Windows:
    """Windows and breakers by name, made when they are first asked for. The lock guards them.

    They go with the last client that uses them, save those of a real address: a ban, and what
    was sent in the last seconds, outlive the client.
    """

    def __init__(self, clock: Clock, store: LimitStore | None = None) -> None:
        """With a `store`, every count is shared with the other processes that use it."""
        self._clock = clock
        self._store = store
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._windows: weakref.WeakValueDictionary[str, Window] = weakref.WeakValueDictionary()
        self._breakers: weakref.WeakValueDictionary[str, Breaker] = weakref.WeakValueDictionary()
        self._kept: dict[str, Address] = {}

    @property
    def is_shared(self) -> bool:
        """Other processes count here, too."""
        return self._store is not None

    def window(self, name: str, calls: float, seconds: float, title: str) -> Window:
        """The window of this name and size, in which a turn costs its units.

        `title` is what messages call it.
        """
        with self._lock:
            return self._window(name, calls, seconds, title, None)

    def address(self, name: str, calls: float, seconds: float) -> Address:
        """The window, in which each call counts once, and the breaker of one address."""
        with self._lock:
            breaker = self._breakers.get(name)
            if breaker is None:
                breaker = self._breakers[name] = Breaker(self._clock)
            title = "requests of this address"
            window = self._window(name, calls, seconds, title, breaker)
            address = Address(window, breaker)
            if not name.startswith(_LOCAL):
                self._kept[_sized(name, calls, seconds)] = address
            return address

    def forget(self) -> None:
        """Start anew: no count, no ban. For tests."""
        with self._lock:
            self._kept.clear()
            self._windows.clear()
            self._breakers.clear()

    def _window(
        self, name: str, calls: float, seconds: float, title: str, breaker: Breaker | None
    ) -> Window:
        # A client with another setting keeps a count of its own: neither may loosen the other's.
        name = _sized(name, calls, seconds)
        window = self._windows.get(name)
        if window is None:
            counts_calls = breaker is not None
            if self._store is None:
                window = Window(title, calls, seconds, self._clock, counts_calls=counts_calls)
            else:
                window = StoreWindow(
                    title,
                    calls,
                    seconds,
                    self._clock,
                    counts_calls=counts_calls,
                    store=self._store,
                    key=name,
                    breaker=breaker,
                )
            self._windows[name] = window
        return window


def _sized(name: str, calls: float, seconds: float) -> str:
    return f"{name} {calls:g}/{seconds:g}"


SHARED = Windows(SYSTEM_CLOCK)
"""The counts of this process."""


@dataclass(frozen=True)
class LimitScope:
    """Whose counts a client's calls are."""

    windows: Windows = field(repr=False)
    account: str
    """Names the account, in each place: a digest, for the API key stands in no name."""
    address: str
    """Names the way out and the place that counts what comes from it."""

    @classmethod
    def alone(cls, clock: Clock) -> LimitScope:
        """Counts that nobody shares."""
        return cls(Windows(clock), "account", _LOCAL + "address")


def limit_scope(
    base_url: str,
    *,
    api_key: str,
    proxy: str,
    source_address: str = "",
    windows: Windows | None = None,
) -> LimitScope:
    """The scope of a client that goes to `base_url` through `proxy` (or "") with a key (or ""),
    from one of this machine's addresses (or "", the kernel's choice)."""
    place = _place(base_url)
    account = hashlib.sha256(api_key.encode()).hexdigest()[:16] if api_key else "nobody"
    way = f" through {urlsplit(proxy).hostname}:{urlsplit(proxy).port}" if proxy else ""
    if source_address:
        way += f" from {source_address}"
    if windows is not None and windows.is_shared:
        way += f" on {socket.gethostname()}"  # an account is one's on all machines, an address not
    return LimitScope(windows or SHARED, f"{place} {account}", f"{place}{way}")


def _place(base_url: str) -> str:
    """Bybit's hosts count towards one budget; the testnet and local exchanges have their own."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if _is_loopback(host):
        return f"{_LOCAL}{host}:{parts.port}"
    return "testnet" if "testnet" in host else "bybit"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.endswith(".localhost")

"""Finds callers that keep a connection and do not read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from bybit_sync.clock import Clock

from .host import Lease

log = logging.getLogger("bybit_sync.net")


@dataclass(frozen=True, slots=True)
class _Held:
    thread: str
    what: str
    since: float


class LeakWatch:
    """Warns, once for each, of a connection that its caller has kept for longer than any call
    may take.

    Only an answer that is read piece by piece can outlast its call's deadline; those are told
    here when they begin, all others never are. The lock guards the table.
    """

    def __init__(self, seconds: float, clock: Clock, on_new: Callable[[], None]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._on_new = on_new
        self._lock = threading.Lock()
        self._held: WeakKeyDictionary[Lease, _Held] = WeakKeyDictionary()

    def add(self, lease: Lease, method: str, url: str) -> None:
        """From now on this lease is in the hands of whoever reads the answer."""
        what = f"{method} {url.partition('?')[0]}"
        held = _Held(threading.current_thread().name, what, self._clock.monotonic())
        with self._lock:
            self._held[lease] = held
        self._on_new()

    def look(self) -> None:
        """Warn of what is overdue; forget what was given back."""
        now = self._clock.monotonic()
        with self._lock:
            for lease in [lease for lease in self._held if lease.token not in lease.host.active]:
                del self._held[lease]
            late = [(k, h) for k, h in self._held.items() if now - h.since >= self._seconds]
            for lease, _ in late:
                del self._held[lease]
        for lease, held in late:
            log.warning(
                "thread %s has kept a connection to %s for %.1f s with the answer to %s unread: "
                "read it to its end, or close it",
                held.thread,
                lease.host.name,
                now - held.since,
                held.what,
            )

    def reset_after_fork(self) -> None:
        """What the parent's threads hold is not the child's."""
        self._lock = threading.Lock()
        self._held = WeakKeyDictionary()

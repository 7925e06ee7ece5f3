"""The last calls and the last states of the pool, for the line and the charts."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from bybit_sync.call.hooks import Observer
from bybit_sync.call.records import Endpoint
from bybit_sync.clock import Clock
from bybit_sync.forking import renew_after_fork
from bybit_sync.metrics.status import NEVER_SENT
from bybit_sync.net.stats import PoolStats

MOST_CALLS = 5000
MOST_SAMPLES = 6000  # ten minutes of a watch


class SeenCall(NamedTuple):
    """A call that has ended."""

    at: float
    """When, in seconds of the monotonic clock."""
    endpoint: str
    """``group.name``."""
    outcome: str
    seconds: float
    """How long it took, without the waits for the client's own rate limit."""


class PoolSample(NamedTuple):
    """The pool at one moment of the monotonic clock."""

    at: float
    active: int
    idle: int
    waiting: int


class Recorder(Observer):
    """Remembers the last `MOST_CALLS` calls and `MOST_SAMPLES` samples.

    Its lock guards both. Calls that were never sent say nothing about the way to the exchange,
    and are left out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._calls: deque[SeenCall] = deque(maxlen=MOST_CALLS)
        self._samples: deque[PoolSample] = deque(maxlen=MOST_SAMPLES)

    def on_done(self, endpoint: Endpoint, outcome: str, seconds: float, waited: float) -> None:
        """A call has ended."""
        if outcome in NEVER_SENT:
            return
        seen = SeenCall(self._clock.monotonic(), endpoint.key, outcome, seconds)
        with self._lock:
            self._calls.append(seen)

    def sample(self, pool: PoolStats) -> None:
        """Remember a state of the pool."""
        seen = PoolSample(self._clock.monotonic(), pool.active, pool.idle, pool.waiting)
        with self._lock:
            self._samples.append(seen)

    def calls(self) -> Sequence[SeenCall]:
        """The calls, oldest first."""
        with self._lock:
            return list(self._calls)

    def samples(self) -> Sequence[PoolSample]:
        """The states of the pool, oldest first."""
        with self._lock:
            return list(self._samples)

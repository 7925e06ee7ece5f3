"""Clock and Deadline: the only file that reads time or sleeps.

Everyone else is handed a `Clock`, so that tests need not wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Clock:
    """Time as the machine tells it. Waits use the monotonic clock, so a step of the wall clock
    changes no timeout."""

    # The bare function: a call asks it ten times and more.
    monotonic = staticmethod(time.monotonic)
    """Seconds on a clock that never goes back."""

    def wall(self) -> float:
        """Unix time in seconds, as this machine believes it to be."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Pause this thread."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Wait for an event; True if it was set, False after `timeout` seconds."""
        return event.wait(timeout)

    def acquire(self, lock: threading.Lock, timeout: float) -> bool:
        """Wait for a lock that another thread releases to hand something over."""
        return lock.acquire(timeout=max(0.0, min(timeout, threading.TIMEOUT_MAX)))


SYSTEM_CLOCK = Clock()


class Ceiling:
    """A moment, on the monotonic clock, behind which no deadline may lie.

    It may be brought nearer by another thread while it holds.
    """

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at = at


_CEILING: ContextVar[Ceiling | None] = ContextVar("bybit_sync_ceiling", default=None)


@contextmanager
def under(ceiling: Ceiling) -> Iterator[None]:
    """Meanwhile, every deadline that this thread sets lies at the ceiling or before it."""
    token = _CEILING.set(ceiling)
    try:
        yield
    finally:
        _CEILING.reset(token)


class Deadline:
    """The moment by which a call ends; every wait inside the call asks it for what is left."""

    __slots__ = ("_clock", "at", "now", "seconds")

    def __init__(self, at: float, seconds: float, clock: Clock) -> None:
        self.at = at
        """On the clock that ``now`` tells."""
        self.now = clock.monotonic
        self.seconds = seconds
        self._clock = clock

    @classmethod
    def after(cls, seconds: float, clock: Clock = SYSTEM_CLOCK) -> Deadline:
        """The deadline that lies `seconds` from now, or at the ceiling that the thread is under."""
        now = clock.monotonic()
        ceiling = _CEILING.get()
        if ceiling is not None and ceiling.at < now + seconds:
            seconds = max(0.0, ceiling.at - now)
        return cls(now + seconds, seconds, clock)

    def remaining(self) -> float:
        """Seconds that are left, never below zero."""
        left = self.at - self.now()
        return left if left > 0.0 else 0.0

    def has_passed(self) -> bool:
        """True once no time is left."""
        return self.now() >= self.at

    def elapsed(self) -> float:
        """Seconds since the deadline was set."""
        return self.now() - self.at + self.seconds

    def sooner(self, seconds: float) -> Deadline:
        """This deadline, or the one `seconds` from now where that comes first."""
        other = Deadline.after(seconds, self._clock)
        return other if other.at < self.at else self

    def __repr__(self) -> str:
        return f"Deadline({self.remaining():.3f} s left of {self.seconds:g})"

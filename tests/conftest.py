"""Fixtures that every suite may use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bybit_sync.clock import Clock


class FakeClock(Clock):
    """A clock that stands still until somebody sleeps or `advance` is called."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._now = 1000.0
        self._wall = wall
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self._wall += seconds

    def step_wall(self, seconds: float) -> None:
        """Let the wall clock jump, as an NTP correction does."""
        self._wall += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        if event.is_set():
            return True
        self.sleep(timeout or 0.0)
        return event.is_set()

    def acquire(self, lock: threading.Lock, timeout: float) -> bool:
        if lock.acquire(blocking=False):
            return True
        self.sleep(timeout)
        return lock.acquire(blocking=False)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that never waits."""
    return FakeClock()


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    """A test that leaves a non-daemon thread running has forgotten a close()."""
    before = set(threading.enumerate())
    yield
    left = [t for t in threading.enumerate() if t not in before and not t.daemon and t.is_alive()]
    for thread in left:
        thread.join(2)
    assert not [t.name for t in left if t.is_alive()]

"""A host that has failed is tried again at a measured pace, by however many threads."""

from __future__ import annotations

import itertools

import pytest

from bybit_sync.clock import Deadline
from bybit_sync.net.pace import Pace
from tests.conftest import FakeClock


@pytest.fixture
def pace(clock: FakeClock) -> Pace:
    return Pace(clock)


def turn(pace: Pace, clock: FakeClock, host: str = "a:1", within: float = 5.0) -> float:
    """When a caller's turn comes."""
    pace.take_turn(host, Deadline.after(within, clock))
    return clock.monotonic()


def test_a_host_that_has_not_failed_is_connected_to_at_once(pace: Pace, clock: FakeClock) -> None:
    pace.note_failure("b:1")

    for _ in range(50):
        turn(pace, clock)

    assert clock.slept == []


def test_after_a_failure_attempts_are_spaced_out(pace: Pace, clock: FakeClock) -> None:
    pace.note_failure("a:1")

    turns = [turn(pace, clock) for _ in range(50)]

    assert all(later - sooner >= 0.0059 for sooner, later in itertools.pairwise(turns))
    assert turns[-1] - turns[0] < 0.5


def test_a_second_after_the_last_failure_nobody_waits(pace: Pace, clock: FakeClock) -> None:
    pace.note_failure("a:1")
    clock.advance(0.9)
    pace.note_failure("a:1")
    clock.advance(1.0)

    for _ in range(50):
        turn(pace, clock)

    assert clock.slept == []


class LateClock(FakeClock):
    """Sleeps longer than it was asked to."""

    def sleep(self, seconds: float) -> None:
        super().sleep(max(seconds, 0.05))


def test_callers_that_wake_late_do_not_start_together() -> None:
    clock = LateClock()
    pace = Pace(clock)
    pace.note_failure("a:1")
    waits = [pace._book("a:1", Deadline.after(5.0, clock)) for _ in range(9)]
    clock.sleep(max(waits))  # a machine that stands still: all of their turns have come

    ready = [pace._start("a:1") for _ in waits]

    assert ready[0] == 0.0
    assert all(still > 0.0 for still in ready[1:])


def test_a_turn_that_comes_too_late_is_told_at_once(pace: Pace, clock: FakeClock) -> None:
    pace.note_failure("a:1")
    for _ in range(20):
        pace._book("a:1", Deadline.after(5.0, clock))

    with pytest.raises(TimeoutError, match="too many others"):
        turn(pace, clock, within=0.05)

    assert clock.slept == []

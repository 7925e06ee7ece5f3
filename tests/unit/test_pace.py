"""A host that has failed is tried again at a measured pace, by however many threads."""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left

import pytest

from bybit_sync.clock import Clock, Deadline
from bybit_sync.net.pace import NoTurnError, Pace
from tests.conftest import FakeClock
from tests.net.tools import Crew


@pytest.fixture
def pace(clock: FakeClock) -> Pace:
    return Pace(clock)


def turn(pace: Pace, clock: FakeClock, host: str = "a:1", within: float = 5.0) -> float:
    """When a caller's turn comes."""
    pace.take_turn(host, Deadline.after(within, clock))
    return clock.monotonic()


def most_in(moments: list[float], seconds: float) -> int:
    """The most of these that lie within one span of so many seconds."""
    return max(bisect_left(moments, first + seconds) - i for i, first in enumerate(moments))


def test_a_host_that_takes_connections_is_connected_to_at_once(
    pace: Pace, clock: FakeClock
) -> None:
    pace.note_failure("b:1")

    for _ in range(50):
        turn(pace, clock)
        pace.note_success("a:1")

    assert clock.slept == []


def test_of_a_host_not_yet_heard_of_no_more_than_twenty_are_tried_at_once(
    pace: Pace, clock: FakeClock
) -> None:
    turns = [turn(pace, clock) for _ in range(90)]

    assert turns[15] == turns[0]
    assert most_in(turns, 0.1) <= 20
    assert turns[-1] - turns[0] <= 0.5


def test_once_one_has_succeeded_those_who_waited_for_news_go_together() -> None:
    clock = Clock()
    pace, gone = Pace(clock), threading.Semaphore(0)

    def go() -> None:
        pace.take_turn("a:1", Deadline.after(60.0, clock))
        gone.release()

    with pytest.MonkeyPatch.context() as patch, Crew() as crew:
        patch.setattr("bybit_sync.net.pace._SPAN_SECONDS", 30.0)
        crew.start(go, times=30)
        for _ in range(18):
            assert gone.acquire(timeout=10)
        assert not gone.acquire(timeout=0.05)
        pace.note_success("a:1")
        for _ in range(12):
            assert gone.acquire(timeout=10)


def test_a_failure_after_many_have_begun_keeps_the_next_within_the_measure(
    pace: Pace, clock: FakeClock
) -> None:
    turns = [turn(pace, clock) for _ in range(15)]
    pace.note_failure("a:1")

    turns += [turn(pace, clock) for _ in range(50)]

    assert most_in(turns, 0.1) <= 20


def test_a_success_does_not_let_the_others_loose_on_a_host_that_has_just_failed(
    pace: Pace, clock: FakeClock
) -> None:
    pace.note_failure("a:1")
    turns = []
    for _ in range(50):
        turns.append(turn(pace, clock))
        pace.note_success("a:1")

    assert most_in(turns, 0.1) <= 20


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

    for _ in range(18):
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
    deadline = Deadline.after(5.0, clock)
    waits = [pace._ask("a:1", deadline)[0] for _ in range(9)]
    clock.sleep(max(waits))  # a machine that stands still: all of their turns have come

    ready = [pace._start("a:1", deadline) for _ in waits]

    assert ready[0] == 0.0
    assert all(still > 0.0 for still in ready[1:])


def test_a_turn_that_comes_too_late_is_told_at_once(pace: Pace, clock: FakeClock) -> None:
    pace.note_failure("a:1")
    for _ in range(20):
        pace._ask("a:1", Deadline.after(5.0, clock))

    with pytest.raises(NoTurnError, match="too many others"):
        turn(pace, clock, within=0.05)

    assert clock.slept == []


def test_nobody_waits_past_the_deadline_for_news_of_a_host(pace: Pace, clock: FakeClock) -> None:
    for _ in range(18):
        turn(pace, clock)

    started = clock.monotonic()
    with pytest.raises(TimeoutError):
        turn(pace, clock, within=0.03)

    assert clock.monotonic() - started == pytest.approx(0.03)


def test_who_wakes_late_does_not_wait_past_the_deadline_either(clock: FakeClock) -> None:
    pace = Pace(clock)
    pace.note_failure("a:1")
    short = Deadline.after(0.004, clock)
    pace._start("a:1", Deadline.after(5.0, clock))

    with pytest.raises(NoTurnError, match="too many others"):
        pace._start("a:1", short)

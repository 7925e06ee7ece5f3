"""Clock and Deadline; nobody sleeps here."""

from __future__ import annotations

import threading
import time

import pytest

from bybit_sync.clock import SYSTEM_CLOCK, Clock, Deadline
from tests.conftest import FakeClock


def test_the_clock_tells_the_machine_s_times() -> None:
    before, wall_before = time.monotonic(), time.time()
    told, wall = SYSTEM_CLOCK.monotonic(), SYSTEM_CLOCK.wall()
    after, wall_after = time.monotonic(), time.time()

    assert before <= told <= after
    assert wall_before - 1 <= wall <= wall_after + 1  # the wall clock may be stepped meanwhile


def test_a_set_event_and_a_free_lock_are_not_waited_for() -> None:
    event, lock = threading.Event(), threading.Lock()

    assert not Clock().wait(event, 0)
    event.set()
    assert Clock().wait(event, None)
    assert Clock().acquire(lock, 5)
    assert not Clock().acquire(lock, 0)
    Clock().sleep(0)


@pytest.mark.parametrize("timeout", [-1.0, -0.001, float("inf"), threading.TIMEOUT_MAX * 2])
def test_a_lock_takes_any_patience(timeout: float) -> None:
    # threading.Lock itself raises for a negative time-out and for one that is too long.
    lock = threading.Lock()

    assert Clock().acquire(lock, timeout)
    lock.release()


def test_a_lock_that_stays_held_is_given_up_when_no_patience_is_left() -> None:
    lock = threading.Lock()
    lock.acquire()

    assert not Clock().acquire(lock, -1.0)


def test_a_deadline_runs_down_and_stops_at_zero(clock: FakeClock) -> None:
    deadline = Deadline.after(2.5, clock)
    assert (deadline.remaining(), deadline.elapsed(), deadline.has_passed()) == (2.5, 0.0, False)

    clock.advance(1.0)
    assert (deadline.remaining(), deadline.elapsed(), deadline.has_passed()) == (1.5, 1.0, False)

    clock.advance(1.5)
    assert (deadline.remaining(), deadline.elapsed(), deadline.has_passed()) == (0.0, 2.5, True)

    clock.advance(4.0)
    assert (deadline.remaining(), deadline.elapsed(), deadline.has_passed()) == (0.0, 6.5, True)


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_changes_no_deadline(clock: FakeClock, step: float) -> None:
    deadline = Deadline.after(10.0, clock)
    clock.step_wall(step)

    assert deadline.remaining() == 10.0
    assert not deadline.has_passed()


def test_a_deadline_of_no_time_has_passed(clock: FakeClock) -> None:
    assert Deadline.after(0.0, clock).has_passed()
    assert Deadline.after(-1.0, clock).remaining() == 0.0


def test_the_sooner_of_two_deadlines_is_kept(clock: FakeClock) -> None:
    deadline = Deadline.after(5.0, clock)

    assert deadline.sooner(1.0).remaining() == 1.0
    assert deadline.sooner(9.0) is deadline
    assert deadline.sooner(5.0) is deadline
    clock.advance(4.5)
    assert deadline.sooner(1.0) is deadline


def test_the_sooner_deadline_counts_by_the_same_clock(clock: FakeClock) -> None:
    part = Deadline.after(5.0, clock).sooner(1.0)
    clock.advance(0.75)

    assert (part.seconds, part.remaining(), part.elapsed()) == (1.0, 0.25, 0.75)


def test_a_deadline_without_a_clock_uses_the_machine_s() -> None:
    assert 0 < Deadline.after(60.0).remaining() <= 60.0


def test_a_deadline_shows_what_is_left(clock: FakeClock) -> None:
    deadline = Deadline.after(2.5, clock)
    clock.advance(1.0)

    assert repr(deadline) == "Deadline(1.500 s left of 2.5)"


def test_the_fake_clock_of_the_tests_keeps_its_promises(clock: FakeClock) -> None:
    event, lock = threading.Event(), threading.Lock()
    assert not clock.wait(event, 2.0)
    assert clock.acquire(lock, 1.0)
    assert not clock.acquire(lock, 3.0)
    clock.sleep(0.5)

    assert clock.slept == [2.0, 3.0, 0.5]

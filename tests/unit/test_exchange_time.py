"""Timestamps that Bybit accepts, however wrong this machine's clock is."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from bybit_sync.call.exchange_time import ExchangeTime
from bybit_sync.clock import Deadline
from bybit_sync.exceptions import ConnectError
from tests.conftest import FakeClock


class Bybit:
    """A server whose clock is `ahead` seconds ahead of this machine's."""

    def __init__(self, clock: FakeClock, ahead: float = 0.0) -> None:
        self._clock = clock
        self._base = clock.wall() - clock.monotonic() + ahead

    def now_ms(self) -> float:
        return (self._base + self._clock.monotonic()) * 1000.0

    def reply(self, time: ExchangeTime, up: float, down: float, stale: float = 0.0) -> None:
        """One round trip that takes `up` there and `down` back."""
        self._clock.advance(up)
        stamp = int(self.now_ms() - stale * 1000.0)
        self._clock.advance(down)
        time.observe(stamp, up + down, self._clock.monotonic())

    def measured(self, up: float = 0.01, down: float = 0.01) -> tuple[int, float, float]:
        self._clock.advance(up)
        stamp = int(self.now_ms())
        self._clock.advance(down)
        return stamp, up + down, self._clock.monotonic()


def passive(clock: FakeClock) -> ExchangeTime:
    return ExchangeTime("passive", 60.0, clock)


def behind_ms(time: ExchangeTime, bybit: Bybit) -> float:
    return bybit.now_ms() - time.now_ms()


def test_before_the_first_reply_this_machines_clock_is_taken(clock: FakeClock) -> None:
    time = passive(clock)
    assert time.now_ms() == int(clock.wall() * 1000)
    assert time.known_offset() is None
    assert time.offset_seconds == 0.0


@pytest.mark.parametrize("ahead", [-90.0, -3.0, -0.2, 0.0, 0.2, 3.0, 90.0])
def test_one_reply_tells_how_wrong_the_clock_is(clock: FakeClock, ahead: float) -> None:
    time, bybit = passive(clock), Bybit(clock, ahead)
    bybit.reply(time, up=0.02, down=0.03)
    assert 0 <= behind_ms(time, bybit) <= 32
    assert time.offset_seconds == pytest.approx(ahead, abs=0.026)


@pytest.mark.parametrize(("up", "down"), [(0.5, 0.01), (0.01, 0.5), (0.2, 0.2), (2.0, 0.1)])
def test_a_timestamp_is_never_ahead_of_bybits_clock(
    clock: FakeClock, up: float, down: float
) -> None:
    time, bybit = passive(clock), Bybit(clock, 30.0)
    for _ in range(5):
        bybit.reply(time, up, down)
        assert behind_ms(time, bybit) >= 0


def test_the_offset_is_off_by_at_most_half_the_best_round_trip(clock: FakeClock) -> None:
    time, bybit = passive(clock), Bybit(clock, 5.0)
    for up, down in [(0.3, 0.5), (0.01, 0.4), (0.02, 0.01), (0.4, 0.01), (0.9, 0.9)]:
        bybit.reply(time, up, down)
    assert time.offset_seconds == pytest.approx(5.0, abs=0.015 + 0.001)
    assert behind_ms(time, bybit) <= 12


def test_a_slow_reply_is_refused_where_the_clock_may_be_right(clock: FakeClock) -> None:
    time, bybit = passive(clock), Bybit(clock)
    bybit.reply(time, up=0.05, down=1.95)
    assert time.known_offset() is None
    assert behind_ms(time, bybit) <= 1


def test_a_slow_reply_is_refused_also_where_its_time_was_cut_to_whole_milliseconds(
    clock: FakeClock,
) -> None:
    time = passive(clock)
    clock.advance(0.0007)
    stamp = int(clock.wall() * 1000.0)  # 0.7 ms before it was told
    clock.advance(1.5)
    time.observe(stamp, 1.5, clock.monotonic())
    assert time.known_offset() is None


def test_a_slow_reply_that_proves_the_clock_wrong_is_taken(clock: FakeClock) -> None:
    time, bybit = passive(clock), Bybit(clock, 90.0)
    bybit.reply(time, up=0.05, down=1.95)
    assert time.offset_seconds == pytest.approx(90.0, abs=1.001)


def test_a_reply_from_a_cache_does_not_set_the_clock_back(clock: FakeClock) -> None:
    time, bybit = passive(clock), Bybit(clock)
    bybit.reply(time, 0.01, 0.01)
    for _ in range(10):
        bybit.reply(time, 0.01, 0.01, stale=4.0)
    assert behind_ms(time, bybit) <= 12


def test_a_step_of_the_wall_clock_changes_nothing(clock: FakeClock) -> None:
    time, bybit = passive(clock), Bybit(clock)
    bybit.reply(time, 0.01, 0.01)
    for step in (3600.0, -7200.0):
        clock.step_wall(step)
        assert 0 <= behind_ms(time, bybit) <= 12
        assert time.offset_seconds == pytest.approx(-step if step > 0 else 3600.0, abs=0.02)


def test_a_clock_that_is_wrong_is_warned_of_once(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    time, bybit = passive(clock), Bybit(clock, 90.0)
    with caplog.at_level(logging.WARNING, "bybit_sync.call"):
        for _ in range(20):
            bybit.reply(time, 0.01, 0.01)
            clock.advance(60.0)
        assert [record.getMessage() for record in caplog.records] == [
            "this machine's clock is 90.0 s behind Bybit's: calls are signed with Bybit's time, "
            "but the clock should be set"
        ]
        clock.step_wall(90.0)
        for step in (0.0, -3.0):
            clock.step_wall(step)
            clock.advance(150.0)
            bybit.reply(time, 0.01, 0.01)
    assert [record.getMessage()[:44] for record in caplog.records[1:]] == [
        "this machine's clock is 3.0 s behind Bybit's"
    ]


def test_a_reply_that_left_before_the_measurement_does_not_undo_it(clock: FakeClock) -> None:
    time, before, after = passive(clock), Bybit(clock, 90.0), Bybit(clock)
    before.reply(time, 0.01, 0.01)
    stale = int(before.now_ms())  # a reply to a call under way, of before the clock went back
    assert time.correct(time.generation, after.measured, Deadline.after(5, clock))
    time.observe(stale, 0.5, clock.monotonic())
    assert 0 <= behind_ms(time, after) <= 12


def test_a_slow_measurement_that_agrees_with_what_was_known_does_not_spoil_it(
    clock: FakeClock,
) -> None:
    time, bybit = passive(clock), Bybit(clock, 5.0)
    bybit.reply(time, 0.01, 0.01)
    assert time.correct(
        time.generation, lambda: bybit.measured(0.05, 1.95), Deadline.after(5, clock)
    )
    assert behind_ms(time, bybit) <= 12
    assert time.offset_seconds == pytest.approx(5.0, abs=0.011)


def test_samples_age_so_that_a_drift_is_followed_both_ways(clock: FakeClock) -> None:
    time, bybit = passive(clock), Bybit(clock)
    for drift in (0.5, -0.5):
        for _ in range(20):
            bybit._base += drift / 20
            clock.advance(30.0)
            bybit.reply(time, 0.01, 0.01)
        # what was proved 300 s ago no longer counts: 10 samples of 25 ms each
        assert abs(behind_ms(time, bybit)) <= 280
    clock.advance(400.0)
    bybit.reply(time, 0.01, 0.01)
    assert 0 <= behind_ms(time, bybit) <= 12


@pytest.mark.parametrize("junk", [None, "1700000000000", 1.7e12, True, 0, 10**18, -5, [], {}])
def test_a_time_that_is_no_moment_is_passed_over(clock: FakeClock, junk: Any) -> None:
    time = passive(clock)
    time.observe(junk, 0.01, clock.monotonic())
    assert time.known_offset() is None


def test_seconds_until_uses_bybits_clock(clock: FakeClock) -> None:
    time, bybit = passive(clock), Bybit(clock, 90.0)
    assert time.seconds_until(clock.wall() * 1000 + 500) == pytest.approx(0.5)
    bybit.reply(time, 0.0, 0.0)
    assert time.seconds_until(bybit.now_ms() + 500) == pytest.approx(0.5, abs=0.002)
    assert time.seconds_until(0) < 0


# --- measuring ----------------------------------------------------------------------------


def test_a_measurement_replaces_what_was_believed(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    time, wrong, right = passive(clock), Bybit(clock, 120.0), Bybit(clock, -30.0)
    wrong.reply(time, 0.01, 0.01)
    with caplog.at_level(logging.WARNING, "bybit_sync.call"):
        assert time.correct(time.generation, right.measured, Deadline.after(5, clock))
    assert 0 <= behind_ms(time, right) <= 12
    assert "150.0 s ahead" in caplog.text


def test_what_another_thread_has_just_measured_is_not_measured_again(clock: FakeClock) -> None:
    time, bybit = passive(clock), Bybit(clock)
    asked = []

    def measure() -> tuple[int, float, float]:
        asked.append(1)
        return bybit.measured()

    signed_with = time.generation
    for _ in range(3):
        assert time.correct(signed_with, measure, Deadline.after(5, clock))
    assert len(asked) == 1


def test_many_threads_that_are_refused_at_once_ask_once() -> None:
    clock = FakeClock()
    time, bybit = passive(clock), Bybit(clock)
    asked: list[int] = []
    start = threading.Barrier(20)

    def measure() -> tuple[int, float, float]:
        asked.append(1)
        return bybit.measured()

    def refused() -> None:
        start.wait(5)
        while not time.correct(0, measure, Deadline.after(1000, clock)):
            pass  # the fake clock does not wait for the lock

    threads = [threading.Thread(target=refused) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(asked) == 1


def test_a_measurement_that_fails_leaves_the_lock_free(clock: FakeClock) -> None:
    time, bybit = passive(clock), Bybit(clock)

    def fails() -> tuple[int, float, float]:
        raise ConnectError("no", phase="connect")

    for _ in range(2):
        with pytest.raises(ConnectError):
            time.correct(time.generation, fails, Deadline.after(5, clock))
    assert time.correct(time.generation, bybit.measured, Deadline.after(5, clock))


def test_passive_never_asks_by_itself_and_active_every_interval(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    assert not passive(clock).is_due()
    time, bybit = ExchangeTime("active", 60.0, clock), Bybit(clock, 2.0)
    deadline = Deadline.after(1000.0, clock)
    assert time.is_due()
    time.refresh(bybit.measured, deadline)
    assert not time.is_due()
    clock.advance(60.0)
    assert time.is_due()

    def fails() -> tuple[int, float, float]:
        raise ConnectError("gone", phase="connect")

    time.refresh(fails, deadline)
    assert "could not be measured: gone" in caplog.text
    assert not time.is_due(), "the next try is an interval away"
    assert 0 <= behind_ms(time, bybit) <= 12


def test_off_means_this_machines_clock_and_nothing_else(clock: FakeClock) -> None:
    time, bybit = ExchangeTime("off", 60.0, clock), Bybit(clock, 90.0)
    bybit.reply(time, 0.01, 0.01)
    assert not time.correct(time.generation, bybit.measured, Deadline.after(5, clock))
    assert time.now_ms() == int(clock.wall() * 1000)
    assert not time.is_due()

"""A window on a store that several processes share: it asks here first, and then there."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bybit_sync.call.limit_store import LimitStoreError, Said
from bybit_sync.call.rate_limit import RateLimiter
from bybit_sync.call.shared_limits import LimitScope, Windows
from bybit_sync.clock import Deadline
from bybit_sync.exceptions import IpBannedError, RateLimitTimeoutError
from tests.conftest import FakeClock
from tests.unit.call_fakes import PLACE_BATCH, PLACE_ORDER

LINEAR = {"category": "linear"}


class FakeStore:
    """Grants, save where it has been told what to say; remembers what it was asked."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.is_away = False
        self.asked: list[tuple[Any, ...]] = []

    def _note(self, *what: Any) -> None:
        if self.is_away:
            raise LimitStoreError("nobody answers at redis://limits")
        self.asked.append(what)

    def take(self, window: str, ticket: str, units: int, calls: int, seconds: float) -> Said:
        self._note("take", window, ticket, units)
        return self.said.pop(0) if self.said else Said(granted=True)

    def keep(self, window: str, ticket: str, seconds: float) -> None:
        self._note("keep", window, ticket, seconds)

    def give_back(self, window: str, ticket: str) -> None:
        self._note("give_back", window, ticket)

    def learn(self, window: str, calls: int) -> None:
        self._note("learn", window, calls)

    def hold(self, window: str, seconds: float) -> None:
        self._note("hold", window, seconds)

    def ban(self, window: str, seconds: float) -> None:
        self._note("ban", window, seconds)

    def welcome(self, window: str) -> None:
        self._note("welcome", window)

    def close(self) -> None:
        return


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def limits(clock: FakeClock, store: FakeStore) -> RateLimiter:
    scope = LimitScope(Windows(clock, store), "account", "address")
    return RateLimiter(clock, scope=scope)


def go(limits: RateLimiter, clock: FakeClock, timeout: float = 60.0, trip: float = 0.01) -> Any:
    grant = limits.acquire(PLACE_ORDER, LINEAR, Deadline.after(timeout, clock))
    grant.depart()
    clock.advance(trip)
    grant.end(clock.monotonic())
    limits.answered(grant, clock.monotonic(), is_welcome=True)
    return grant


def test_each_call_asks_for_its_turn_in_every_window_under_one_ticket(
    limits: RateLimiter, clock: FakeClock, store: FakeStore
) -> None:
    for _ in range(2):
        limits.acquire(PLACE_BATCH, {**LINEAR, "request": [{}] * 4}, Deadline.after(9.0, clock))
    kinds, windows, tickets, units = zip(*store.asked, strict=True)
    assert set(kinds) == {"take"}
    assert units == (4, 1, 4, 1)
    assert len(set(windows)) == 2
    assert tickets[0] == tickets[1] != tickets[2] == tickets[3]


def test_who_is_not_granted_asks_again_under_the_same_ticket(
    limits: RateLimiter, clock: FakeClock, store: FakeStore
) -> None:
    store.said = [Said(granted=False, wait=0.3), Said(granted=False, wait=0.2)]
    assert go(limits, clock).waited == pytest.approx(0.5)
    assert len({ticket for _, _, ticket, *_ in store.asked}) == 1


def test_a_wait_that_cannot_end_in_time_is_refused_at_once_and_leaves_no_trace(
    limits: RateLimiter, clock: FakeClock, store: FakeStore
) -> None:
    store.said = [Said(granted=False, wait=5.0)]
    with pytest.raises(RateLimitTimeoutError, match=r"trade\.place_order \(linear\)"):
        go(limits, clock, timeout=1.0)
    assert clock.slept == []
    assert store.asked[-1][0] == "give_back"
    for _ in range(10):
        assert go(limits, clock).waited == 0.0


def test_this_processs_own_limit_is_asked_first(
    limits: RateLimiter, clock: FakeClock, store: FakeStore
) -> None:
    for _ in range(10):
        go(limits, clock, trip=0.0)
    asked = len(store.asked)
    with pytest.raises(RateLimitTimeoutError):
        go(limits, clock, timeout=0.5)
    assert [what for what, *_ in store.asked[asked:] if what == "take"] == []


def test_a_ban_that_another_process_met_stops_this_one(
    limits: RateLimiter, clock: FakeClock, store: FakeStore
) -> None:
    store.said = [Said(granted=True), Said(granted=False, banned_for=420.0)]
    with pytest.raises(IpBannedError) as banned:
        go(limits, clock)
    assert banned.value.until == pytest.approx(clock.wall() + 420.0)
    asked = len(store.asked)
    with pytest.raises(IpBannedError):
        go(limits, clock)
    assert len(store.asked) == asked, "it is known here now"


def test_what_answers_teach_is_told_to_everybody(
    limits: RateLimiter, clock: FakeClock, store: FakeStore
) -> None:
    grant = go(limits, clock)
    own = grant.lane.window
    own.resize(30)
    own.hold(0.4)
    limits.ban()
    clock.advance(600.0)
    go(limits, clock)
    told = [what for what in store.asked if what[0] not in ("take", "give_back")]
    assert [what[0] for what in told] == ["learn", "hold", "ban", "welcome"]
    assert told[2][2] == 600.0
    assert told[0][1] == told[1][1] != told[2][1] == told[3][1]


def test_a_late_answer_keeps_its_ticket_standing(
    limits: RateLimiter, clock: FakeClock, store: FakeStore
) -> None:
    for _ in range(20):  # until the usual trip is known
        go(limits, clock, trip=0.01)
        clock.advance(0.2)
    go(limits, clock, trip=0.31)
    kept = [what for what in store.asked if what[0] == "keep"]
    assert [seconds for *_, seconds in kept] == [pytest.approx(0.3)] * 2


def test_while_the_store_is_away_the_limit_holds_for_this_process_and_one_warning_says_so(
    limits: RateLimiter,
    clock: FakeClock,
    store: FakeStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.is_away = True
    with caplog.at_level(logging.WARNING, "bybit_sync.call"):
        waited = [go(limits, clock, trip=0.0).waited for _ in range(31)]
    assert sum(waited) == pytest.approx(3 * 1.03, abs=0.5)
    assert len(caplog.records) == 2, "one for each window"
    assert "for this process alone: nobody answers" in caplog.text
    store.is_away = False
    clock.advance(5.0)
    go(limits, clock)
    assert [what for what, *_ in store.asked] == ["take", "take"]

"""Never above a limit in any window, nearly all of it used, first come first served."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from bybit_sync.call.rate_limit import (
    Address,
    Grant,
    RateLimit,
    RateLimiter,
    rate_limit_in,
)
from bybit_sync.call.records import Endpoint, Limit
from bybit_sync.call.window import Window
from bybit_sync.clock import Deadline
from bybit_sync.exceptions import IpBannedError, RateLimitTimeoutError
from tests.conftest import FakeClock
from tests.unit.call_fakes import GET_ORDERS, GET_TICKERS, PLACE_BATCH, PLACE_ORDER

LINEAR = {"category": "linear"}


def limiter(clock: FakeClock, **settings: Any) -> RateLimiter:
    return RateLimiter(clock, **settings)


def go(limits: RateLimiter, endpoint: Endpoint, timeout: float = 60.0, **params: Any) -> Grant:
    clock = limits._clock
    grant = limits.acquire(endpoint, params, Deadline.after(timeout, clock))
    grant.depart()
    return grant


def most_in_any(times: list[float], seconds: float) -> int:
    return max(sum(t <= other < t + seconds for other in times) for t in times)


def times_of(clock: FakeClock, limits: RateLimiter, endpoint: Endpoint, n: int) -> list[float]:
    times = []
    for _ in range(n):
        go(limits, endpoint, timeout=1000.0)
        times.append(clock.monotonic())
    return times


@pytest.mark.parametrize("calls", [1, 3, 10, 50])
def test_no_second_holds_more_than_the_limit_and_nearly_all_of_it_is_used(
    clock: FakeClock, calls: int
) -> None:
    endpoint = replace(GET_ORDERS, limit=Limit(calls))
    times = times_of(clock, limiter(clock), endpoint, calls * 20)
    assert most_in_any(times, 1.0) == calls
    seconds = times[-1] - times[0]
    assert len(times) / (seconds + 1.0) >= 0.95 * calls


def test_the_address_has_a_limit_that_all_endpoints_share(clock: FakeClock) -> None:
    limits = limiter(clock, ip_limit=6, ip_window=5.0)
    times = []
    for i in range(30):
        go(limits, (GET_TICKERS, GET_ORDERS)[i % 2])
        times.append(clock.monotonic())
    assert most_in_any(times, 5.0) == 6


def test_clients_may_share_the_limit_of_their_address(clock: FakeClock) -> None:
    address = Address(2, 1.0, clock)
    one, two = limiter(clock, address=address), limiter(clock, address=address)
    go(one, GET_TICKERS)
    go(two, GET_TICKERS)
    assert go(one, GET_TICKERS).waited == pytest.approx(1.03)


def test_a_burst_within_the_limit_does_not_wait(clock: FakeClock) -> None:
    limits = limiter(clock)
    assert [go(limits, GET_ORDERS).waited for _ in range(50)] == [0.0] * 50
    assert clock.slept == []


def test_the_wait_is_reported(clock: FakeClock) -> None:
    limits = limiter(clock)
    for _ in range(10):
        go(limits, PLACE_ORDER, **LINEAR)
    assert go(limits, PLACE_ORDER, **LINEAR).waited == pytest.approx(1.03)
    assert clock.slept == [pytest.approx(1.03)]


def test_product_lines_are_counted_apart(clock: FakeClock) -> None:
    limits = limiter(clock)
    for _ in range(10):
        go(limits, PLACE_ORDER, **LINEAR)
    for _ in range(20):
        assert go(limits, PLACE_ORDER, category="spot").waited == 0.0
    assert go(limits, PLACE_ORDER, category="spot").waited > 0.0


def test_made_up_categories_share_one_count(clock: FakeClock) -> None:
    limits = limiter(clock)
    for i in range(100):
        go(limits, PLACE_ORDER, category=f"made up {i}", timeout=100.0)
    assert len(limits._windows) == 1


@pytest.mark.parametrize(("category", "cost"), [("linear", 4), ("spot", 4), ("option", 1)])
def test_a_batch_costs_its_orders_except_for_options(
    clock: FakeClock, category: str, cost: int
) -> None:
    limits = limiter(clock)
    room = 20 if category == "spot" else 10
    for _ in range(room // cost):
        assert go(limits, PLACE_BATCH, category=category, request=[{}] * 4).waited == 0.0
    for _ in range(room % cost):
        assert go(limits, PLACE_BATCH, category=category, request=[{}]).waited == 0.0
    assert go(limits, PLACE_BATCH, category=category, request=[{}]).waited > 0.0


def test_a_batch_larger_than_the_limit_takes_a_whole_window(clock: FakeClock) -> None:
    limits = limiter(clock)
    assert go(limits, PLACE_BATCH, **LINEAR, request=[{}] * 20).waited == 0.0
    assert go(limits, PLACE_BATCH, **LINEAR, request=[{}] * 20).waited == pytest.approx(1.03)


def test_a_wait_that_cannot_end_in_time_is_refused_at_once_and_costs_nothing(
    clock: FakeClock,
) -> None:
    limits = limiter(clock)
    for _ in range(10):
        go(limits, PLACE_ORDER, **LINEAR)
    for _ in range(100):
        with pytest.raises(RateLimitTimeoutError, match=r"trade\.place_order \(linear\)") as full:
            go(limits, PLACE_ORDER, timeout=0.5, **LINEAR)
    assert (full.value.phase, full.value.effect_unknown) == ("rate_limit", False)
    assert clock.slept == []
    clock.advance(1.03)
    assert go(limits, PLACE_ORDER, **LINEAR).waited == 0.0


def test_mode_raise_never_waits(clock: FakeClock) -> None:
    limits = limiter(clock, mode="raise")
    for _ in range(10):
        go(limits, PLACE_ORDER, **LINEAR)
    with pytest.raises(RateLimitTimeoutError):
        go(limits, PLACE_ORDER, **LINEAR)
    assert clock.slept == []


def test_mode_off_lets_everything_through(clock: FakeClock) -> None:
    limits = limiter(clock, mode="off", ip_limit=1)
    assert sum(go(limits, PLACE_ORDER, **LINEAR).waited for _ in range(2000)) == 0.0


def test_a_raised_limit_of_the_account_is_used(clock: FakeClock) -> None:
    limits = limiter(clock, endpoint_limits={"/v5/order/create": 30, "/v5/new": 0.5})
    assert sum(go(limits, PLACE_ORDER, **LINEAR).waited for _ in range(30)) == 0.0
    assert go(limits, PLACE_ORDER, **LINEAR).waited > 0.0
    new = Endpoint("other", "", "GET", "/v5/new")
    go(limits, new)
    assert go(limits, new).waited == pytest.approx(2.06)


def test_the_callers_are_served_in_the_order_in_which_they_asked(clock: FakeClock) -> None:
    window = Window("w", 1, 1.0, clock)
    deadline = Deadline.after(100.0, clock)
    turns = [window.enter(1, deadline, may_wait=True)[0] for _ in range(5)]
    assert [b.at - a.at for a, b in pairwise(turns)] == [pytest.approx(1.03)] * 4


def test_a_call_that_was_kept_from_its_turn_counts_when_it_leaves(clock: FakeClock) -> None:
    limits = limiter(clock)
    deadline = Deadline.after(60.0, clock)
    stuck = []
    for _ in range(3):  # three seconds in which no connection comes free
        stuck += [limits.acquire(PLACE_ORDER, LINEAR, deadline) for _ in range(10)]
        clock.advance(1.1)
    times = []
    for grant in stuck:
        grant.depart()
        times.append(clock.monotonic())
    assert most_in_any(times, 1.0) == 10, "all that had piled up must not leave in one burst"
    assert sum(grant.waited for grant in stuck) > 0.0


def test_a_call_that_was_not_made_gives_its_turn_back(clock: FakeClock) -> None:
    limits = limiter(clock, ip_limit=1)
    go(limits, GET_TICKERS)
    for _ in range(50):
        with pytest.raises(RateLimitTimeoutError, match="this address"):
            go(limits, GET_ORDERS, timeout=1.0)
    clock.advance(5.1)
    window = limits._window(GET_ORDERS, "")
    assert window is not None
    assert not window._turns


def test_an_interrupt_while_waiting_gives_the_turn_back(clock: FakeClock) -> None:
    limits = limiter(clock)
    for _ in range(10):
        go(limits, PLACE_ORDER, **LINEAR)
    real, clock.sleep = clock.sleep, interrupt  # type: ignore[method-assign]
    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            go(limits, PLACE_ORDER, **LINEAR)
    clock.sleep = real  # type: ignore[method-assign]
    assert go(limits, PLACE_ORDER, **LINEAR).waited == pytest.approx(1.03)


def interrupt(seconds: float) -> None:
    raise KeyboardInterrupt


# --- headers ------------------------------------------------------------------------------


def test_headers_are_read_in_any_case_and_junk_counts_as_absent() -> None:
    assert rate_limit_in(
        [
            (b"x-bapi-limit", b"50"),
            (b"X-BAPI-LIMIT-STATUS", b" 49 "),
            (b"X-Bapi-Limit-Reset-Timestamp", b"1672738134824"),
            (b"Content-Type", b"application/json"),
        ]
    ) == RateLimit(50, 49, 1672738134824)
    assert rate_limit_in([(b"X-Bapi-Limit", b"many"), (b"Date", b"x")]) is None
    assert rate_limit_in([(b"X-Bapi-Limit-Status", b"-1"), (b"X-Bapi-Limit", b"3")]) == RateLimit(
        3, None, None
    )


def learn(limits: RateLimiter, limit: int | None, left: int | None, reset: float = -1.0) -> None:
    limits.learn(PLACE_ORDER, LINEAR, RateLimit(limit, left, None), reset)


@pytest.mark.parametrize("told", [5, 40])
def test_the_limit_in_the_headers_replaces_the_tables(clock: FakeClock, told: int) -> None:
    limits = limiter(clock)
    learn(limits, told, 1)
    assert sum(go(limits, PLACE_ORDER, **LINEAR).waited for _ in range(told)) == 0.0
    assert go(limits, PLACE_ORDER, **LINEAR).waited > 0.0


@pytest.mark.parametrize("junk", [0, 10**12, None])
def test_a_limit_that_is_junk_changes_nothing(clock: FakeClock, junk: int | None) -> None:
    limits = limiter(clock)
    learn(limits, junk, 5)
    assert sum(go(limits, PLACE_ORDER, **LINEAR).waited for _ in range(10)) == 0.0
    assert go(limits, PLACE_ORDER, **LINEAR).waited > 0.0


def test_headers_do_not_lift_what_the_user_has_set(clock: FakeClock) -> None:
    limits = limiter(clock, endpoint_limits={"/v5/order/create": 2})
    learn(limits, 50, 49)
    go(limits, PLACE_ORDER, **LINEAR)
    go(limits, PLACE_ORDER, **LINEAR)
    assert go(limits, PLACE_ORDER, **LINEAR).waited > 0.0


def test_an_endpoint_without_a_limit_in_the_table_learns_one(clock: FakeClock) -> None:
    endpoint = replace(GET_ORDERS, limit=None)
    limits = limiter(clock)
    limits.learn(endpoint, {}, RateLimit(2, 1, None), -1.0)
    go(limits, endpoint)
    go(limits, endpoint)
    assert go(limits, endpoint).waited > 0.0


def test_a_budget_that_is_gone_holds_calls_back_until_it_returns(clock: FakeClock) -> None:
    limits = limiter(clock)
    learn(limits, 10, 0, reset=0.7)
    assert go(limits, PLACE_ORDER, **LINEAR).waited == pytest.approx(0.7)
    with pytest.raises(RateLimitTimeoutError):
        learn(limits, 10, 0, reset=15.0)
        go(limits, PLACE_ORDER, timeout=2.0, **LINEAR)


@pytest.mark.parametrize("reset", [-5.0, 0.0, 3600.0])
def test_a_reset_time_in_the_past_or_far_away_holds_nothing_back(
    clock: FakeClock, reset: float
) -> None:
    limits = limiter(clock)
    learn(limits, 10, 0, reset=reset)
    assert go(limits, PLACE_ORDER, **LINEAR).waited == 0.0


def test_paths_without_end_do_not_fill_memory(clock: FakeClock) -> None:
    limits = limiter(clock, ip_limit=1_000_000)
    for i in range(3000):
        endpoint = Endpoint("other", "", "GET", f"/v5/{i}")
        go(limits, endpoint)
        limits.learn(endpoint, {}, RateLimit(5, 4, None), -1.0)
    assert len(limits._windows) <= 2000


# --- bans ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["wait", "raise", "off"])
def test_a_ban_stops_everything_for_ten_minutes(clock: FakeClock, mode: str) -> None:
    limits = limiter(clock, mode=mode)
    limits.ban()
    until = clock.wall() + 600
    for seconds in (0.0, 1.0, 598.0):
        clock.advance(seconds)
        with pytest.raises(IpBannedError, match="22:23:20 UTC") as banned:
            go(limits, GET_TICKERS)
        assert banned.value.until == pytest.approx(until)
        assert not banned.value.effect_unknown
    assert clock.slept == []


def test_after_a_ban_one_call_tries_and_all_follow_once_it_is_welcome(clock: FakeClock) -> None:
    limits = limiter(clock)
    limits.ban()
    clock.advance(600.0)
    go(limits, GET_TICKERS)
    with pytest.raises(IpBannedError):
        go(limits, GET_TICKERS)
    limits.is_welcome()
    go(limits, GET_TICKERS)
    go(limits, GET_TICKERS)


def test_a_try_that_is_lost_does_not_shut_the_door_for_ever(clock: FakeClock) -> None:
    limits = limiter(clock)
    limits.ban()
    clock.advance(600.0)
    go(limits, GET_TICKERS)
    clock.advance(10.0)
    go(limits, GET_TICKERS)
    limits.ban()
    clock.advance(599.0)
    with pytest.raises(IpBannedError):
        go(limits, GET_TICKERS)

"""Never above a limit in any window, nearly all of it used, first come first served."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bybit_sync.call.grant import Grant
from bybit_sync.call.rate_limit import RateLimit, RateLimiter, _rank, rate_limit_in
from bybit_sync.call.records import Endpoint, Limit
from bybit_sync.call.shared_limits import LimitScope
from bybit_sync.call.window import Turn, Window
from bybit_sync.clock import Deadline
from bybit_sync.exceptions import IpBannedError, RateLimitTimeoutError
from bybit_sync.net.answer import Headers
from tests.conftest import FakeClock
from tests.unit.call_fakes import GET_ORDERS, GET_TICKERS, PLACE_BATCH, PLACE_ORDER

LINEAR = {"category": "linear"}


def limiter(clock: FakeClock, **settings: Any) -> RateLimiter:
    return RateLimiter(clock, **settings)


def go(limits: RateLimiter, endpoint: Endpoint, timeout: float = 60.0, **params: Any) -> Grant:
    clock = limits._clock
    grant = limits.acquire(endpoint, params, Deadline.after(timeout, clock))
    grant.depart()
    answer(limits, grant)
    return grant


def answer(limits: RateLimiter, grant: Grant) -> None:
    now = limits._clock.monotonic()
    grant.end(now)
    limits.answered(grant, now, is_welcome=True)


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
    scope = LimitScope.alone(clock)
    sizes = {"ip_limit": 2, "ip_window": 1.0, "scope": scope}
    one, two = limiter(clock, **sizes), limiter(clock, **sizes)
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
    assert len(limits._lanes) == 1


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
    times = [window.enter(Turn(), clock.monotonic(), deadline) for _ in range(5)]
    assert [b - a for a, b in pairwise(times)] == [pytest.approx(1.03)] * 4


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
        answer(limits, grant)
    assert most_in_any(times, 1.0) == 10, "all that had piled up must not leave in one burst"
    assert sum(grant.waited for grant in stuck) > 0.0


def acquainted(clock: FakeClock, trip: float) -> RateLimiter:
    """A limiter that has seen calls enough to know the quickest round trip."""
    limits = limiter(clock)
    for _ in range(20):
        grant = limits.acquire(PLACE_ORDER, LINEAR, Deadline.after(60.0, clock))
        grant.depart()
        clock.advance(trip)
        answer(limits, grant)
        clock.advance(0.2)
    clock.advance(2.0)
    return limits


def lines(clock: FakeClock, limits: RateLimiter, trips: list[float]) -> list[float]:
    """Make ten calls at once that are answered after these seconds each; the moments at which
    the ten after them may leave, seen from the departure of the first."""
    began = clock.monotonic()
    deadline = Deadline.after(60.0, clock)
    grants = [limits.acquire(PLACE_ORDER, LINEAR, deadline) for _ in trips]
    for grant in grants:
        grant.depart()
    for trip, grant in sorted(zip(trips, grants, strict=True), key=lambda pair: pair[0]):
        clock.advance(began + trip - clock.monotonic())
        answer(limits, grant)
    times = []
    for _ in trips:
        go(limits, PLACE_ORDER, **LINEAR)
        times.append(clock.monotonic() - began)
    return times


def test_a_call_that_was_answered_late_may_have_arrived_late_and_holds_its_place_for_longer(
    clock: FakeClock,
) -> None:
    times = lines(clock, acquainted(clock, 0.05), [0.05] * 8 + [0.25, 0.45])
    assert times[:8] == [pytest.approx(1.03)] * 8
    assert times[8:] == [pytest.approx(1.205), pytest.approx(1.405)]


def test_a_far_exchange_costs_nothing_as_long_as_it_is_equally_far(clock: FakeClock) -> None:
    assert lines(clock, acquainted(clock, 0.3), [0.3] * 10) == [pytest.approx(1.03)] * 10


def test_until_the_way_is_known_a_call_may_have_arrived_as_late_as_its_answer(
    clock: FakeClock,
) -> None:
    """On a busy machine all calls of a first burst may be slow, some on their way there."""
    assert lines(clock, limiter(clock), [0.3] * 10) == [pytest.approx(1.305)] * 10


def test_an_answer_that_never_comes_does_not_hold_a_place_for_ever(clock: FakeClock) -> None:
    limits = limiter(clock, endpoint_limits={"/v5/order/create": 1})
    go(limits, PLACE_ORDER, **LINEAR)
    clock.advance(2.0)
    lost = limits.acquire(PLACE_ORDER, LINEAR, Deadline.after(60.0, clock))
    lost.depart()
    began = clock.monotonic()
    go(limits, PLACE_ORDER, **LINEAR)
    assert 1.9 < clock.monotonic() - began < 2.1


def test_what_was_never_sent_costs_nothing(clock: FakeClock) -> None:
    limits = limiter(clock)
    for _ in range(100):
        grant = limits.acquire(PLACE_ORDER, LINEAR, Deadline.after(60.0, clock))
        grant.end(clock.monotonic())  # no connection could be had
        assert grant.waited == 0.0


def test_a_request_that_is_sent_anew_on_a_fresh_connection_counts_twice(clock: FakeClock) -> None:
    limits = limiter(clock)
    grant = limits.acquire(PLACE_ORDER, LINEAR, Deadline.after(60.0, clock))
    grant.depart()
    grant.depart()
    answer(limits, grant)
    assert sum(go(limits, PLACE_ORDER, **LINEAR).waited for _ in range(8)) == 0.0
    assert go(limits, PLACE_ORDER, **LINEAR).waited > 0.0


def test_an_order_goes_before_market_data_where_both_wait_for_the_address() -> None:
    ranks = [_rank(endpoint) for endpoint in (PLACE_ORDER, GET_ORDERS, GET_TICKERS)]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 3


def test_a_call_that_was_not_made_gives_its_turn_back(clock: FakeClock) -> None:
    limits = limiter(clock, ip_limit=1)
    go(limits, GET_TICKERS)
    for _ in range(50):
        with pytest.raises(RateLimitTimeoutError, match="this address"):
            go(limits, GET_ORDERS, timeout=1.0)
    clock.advance(5.2)
    assert go(limits, GET_ORDERS, timeout=1.0).waited == 0.0
    (lane,) = [lane for lane in limits._lanes.values() if lane.window is not None]
    assert lane.window is not None
    assert lane.window._used == 1, "the fifty that were refused have taken no place"


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
    def told(*raw: tuple[bytes, bytes]) -> RateLimit | None:
        lines = b"".join(b"%b: %b\r\n" % field for field in raw)
        parsed = rate_limit_in(Headers(list(raw)))
        assert rate_limit_in(Headers(head=b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")) == parsed
        return parsed

    assert told(
        (b"x-bapi-limit", b"50"),
        (b"X-BAPI-LIMIT-STATUS", b" 49 "),
        (b"X-Bapi-Limit-Reset-Timestamp", b"1672738134824"),
        (b"Content-Type", b"application/json"),
    ) == RateLimit(50, 49, 1672738134824)
    assert told((b"X-Bapi-Limit", b"many"), (b"Date", b"x")) is None
    assert told((b"X-Bapi-Limit-Status", b"-1"), (b"X-Bapi-Limit", b"3")) == RateLimit(
        3, None, None
    )
    assert told((b"X-Bapi-Limit", b"5"), (b"X-Bapi-Limit", b"6")) == RateLimit(6, None, None)
    assert told((b"A-X-Bapi-Limit", b"5"), (b"X-Bapi-Limits", b"6")) is None
    assert told((b"X-Bapi-Limit-Statuses", b"4")) is None
    in_order = (
        (b"X-Bapi-Limit", b"50"),
        (b"X-Bapi-Limit-Status", b"49"),
        (b"X-Bapi-Limit-Reset-Timestamp", b"1672738134824"),
    )
    assert told(*in_order) == RateLimit(50, 49, 1672738134824)
    assert told((b"X-Bapi-Limit", b"9"), *in_order) == RateLimit(50, 49, 1672738134824)
    named = (b"Access-Control-Expose-Headers", b"X-Bapi-Limit, X-Bapi-Limit-Status")
    assert told(named, *in_order) == told(*in_order, named) == RateLimit(50, 49, 1672738134824)
    assert told(*in_order, (b"x-bapi-limit-status", b"8")) == RateLimit(50, 8, 1672738134824)


LIMIT_LINES = (
    b"x-bapi-limit: 10",
    b"X-Bapi-Limit: 10",
    b"X-Bapi-Limit: 7",
    b"X-Bapi-Limit:10",
    b"X-Bapi-Limit-Status: 9",
    b"X-Bapi-Limit-Status: 08",
    b"X-Bapi-Limit-Status: 0",
    b"X-Bapi-Limit-Status: 10",
    b"X-Bapi-Limit-Status: 1x",
    b"X-Bapi-Limit-Status: 1234567890123456",
    b"X-Bapi-Limit-Status:",
    b"X-Bapi-Limit-Reset-Timestamp: 1672738134824",
    b"X-Bapi-Limit-Reset-Timestamp: soon",
    b"X-A: X-Bapi-Limit: 5",
    b"X-Bapi-Limit-Statuses: 4",
)
USUAL = [
    b"X-Bapi-Limit: 10",
    b"X-Bapi-Limit-Status: 9",
    b"X-Bapi-Limit-Reset-Timestamp: 1672738134824",
]


@given(st.lists(st.lists(st.sampled_from(LIMIT_LINES), max_size=6), min_size=2, max_size=4))
@example([USUAL, USUAL])
@example([USUAL, [*USUAL, b"X-Bapi-Limit-Status: 0"]])
@example([USUAL, [*USUAL[:2], b"X-Bapi-Limit-Status: 0"]])
@example([USUAL, [USUAL[0], b"X-Bapi-Limit-Status: 1x", USUAL[2]]])
@example([USUAL, [USUAL[0], b"X-Bapi-Limit-Status: 1234567890123456", USUAL[2]]])
@settings(max_examples=300, deadline=None)
def test_each_answer_is_read_as_if_it_were_the_first(answers: list[list[bytes]]) -> None:
    clock = FakeClock()
    limits, asked = limiter(clock), []
    for lines in answers:
        head = b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
        first = rate_limit_in(Headers(head=head))
        asked.clear()

        left = limits.learn(
            limits.acquire(PLACE_ORDER, LINEAR, Deadline.after(60.0, clock)),
            Headers(head=head),
            lambda reset_ms: asked.append(reset_ms) or 0.0,
        )

        assert left == (first and first.remaining)
        ends = first is not None and first.remaining == 0 and first.reset_ms is not None
        assert asked == ([first.reset_ms] if first is not None and ends else [])
        clock.advance(2.0)


def learn(
    limits: RateLimiter,
    limit: int | None,
    left: int | None,
    reset: float = -1.0,
    endpoint: Endpoint = PLACE_ORDER,
) -> None:
    """Let an answer come that says so, to a call that takes up no room itself."""
    grant = limits.acquire(endpoint, LINEAR, Deadline.after(60.0, limits._clock))
    told = ((b"", limit), (b"-Status", left), (b"-Reset-Timestamp", 0))
    lines = [b"X-Bapi-Limit%b: %d\r\n" % (name, n) for name, n in told if n is not None]
    headers = Headers(head=b"HTTP/1.1 200 OK\r\n" + b"".join(lines) + b"\r\n")
    assert limits.learn(grant, headers, lambda reset_ms: reset) == left
    grant.end(limits._clock.monotonic())


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
    learn(limits, 2, 1, endpoint=endpoint)
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
        learn(limits, 5, 4, endpoint=endpoint)
    assert len(limits._lanes) <= 2001


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
    probe = limits.acquire(GET_TICKERS, {}, Deadline.after(60.0, clock))
    probe.depart()
    for _ in range(3):
        with pytest.raises(IpBannedError):
            go(limits, GET_TICKERS)
    answer(limits, probe)
    go(limits, GET_TICKERS)
    go(limits, GET_TICKERS)


def test_an_answer_to_a_call_of_before_the_ban_does_not_lift_it(clock: FakeClock) -> None:
    limits = limiter(clock)
    early = limits.acquire(GET_TICKERS, {}, Deadline.after(60.0, clock))
    early.depart()
    limits.ban()
    answer(limits, early)
    with pytest.raises(IpBannedError):
        go(limits, GET_TICKERS)


def test_a_call_that_waits_for_its_connection_while_the_ban_begins_is_not_sent(
    clock: FakeClock,
) -> None:
    limits = limiter(clock)
    late = limits.acquire(GET_TICKERS, {}, Deadline.after(60.0, clock))
    limits.ban()
    with pytest.raises(IpBannedError):
        late.depart()


def test_a_ban_is_heard_by_every_client_that_goes_out_from_the_address(clock: FakeClock) -> None:
    scope = LimitScope.alone(clock)
    one, two = limiter(clock, scope=scope), limiter(clock, scope=scope, ip_limit=50)
    one.ban()
    with pytest.raises(IpBannedError):
        go(two, GET_TICKERS)


def test_a_try_that_is_lost_does_not_shut_the_door_for_ever(clock: FakeClock) -> None:
    limits = limiter(clock)
    limits.ban()
    clock.advance(600.0)
    for _ in range(2):
        probe = limits.acquire(GET_TICKERS, {}, Deadline.after(60.0, clock))
        probe.depart()
        probe.end(clock.monotonic())  # it failed: nothing was answered
        clock.advance(10.0)
    limits.ban()
    clock.advance(599.0)
    with pytest.raises(IpBannedError):
        go(limits, GET_TICKERS)

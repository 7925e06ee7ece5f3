"""What is repeated, what is not, and what a refusal means."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bybit_sync import (
    ApiError,
    AuthError,
    BybitClient,
    CallOptions,
    ClockConfig,
    ClockError,
    ExchangeBusyError,
    IpBannedError,
    OrderError,
    PermissionDeniedError,
    RateLimitedError,
    RetryConfig,
    TransportError,
)
from bybit_sync.simulator import LocalExchange

from .tools import (
    ORDER,
    RESTING,
    TIME,
    Seen,
    connect,
    ends_within,
    failure,
    is_at_rest,
    new_name,
    orders_named,
)

OPEN_ORDERS = "/v5/order/realtime"
QUICK = RetryConfig(base_delay=0.01, max_delay=0.02)


@pytest.fixture
def quick(exchange: LocalExchange) -> Iterator[BybitClient]:
    """A client that waits briefly between attempts."""
    pool = {"sock_read_timeout": 0.2, "total_timeout": 3.0}
    account = exchange.add_account()
    with connect(exchange, account=account, pool=pool, retry=QUICK) as client:
        yield client


def read(client: BybitClient) -> Any:
    """A signed call that changes nothing."""
    return client.trade.get_open_orders(category="spot", symbol="BTCUSDT")


def place(client: BybitClient, **changes: Any) -> Any:
    """A call that changes something."""
    return client.trade.place_order(**{**RESTING, **changes})


PASSING: dict[str, Callable[[Any, str], None]] = {
    "dropped": lambda faults, path: faults.drop_before_accept(path, times=2),
    "reset": lambda faults, path: faults.reset_after(path, times=2),
    "stalled": lambda faults, path: faults.stall(path, times=2),
    "500": lambda faults, path: faults.http_status(path, 500, times=2),
    "502": lambda faults, path: faults.http_status(path, 502, times=2),
    "503": lambda faults, path: faults.http_status(path, 503, times=2),
    "504": lambda faults, path: faults.http_status(path, 504, times=2),
    "429": lambda faults, path: faults.http_status(path, 429, times=2),
    "busy": lambda faults, path: faults.ret_code(path, 10000, "Server Timeout", times=2),
    "maintenance": lambda faults, path: faults.maintenance(path, times=2),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_read_that_fails_twice_is_tried_a_third_time(
    fault: str, exchange: LocalExchange, quick: BybitClient
) -> None:
    PASSING[fault](exchange.faults, OPEN_ORDERS)
    seen = Seen(exchange)

    assert read(quick)["retCode"] == 0

    assert sum(quick.pipeline.hooks.snapshot().retries.values()) == 2
    # A connection found dead before the answer costs a silent repeat besides.
    assert len(seen.rows(OPEN_ORDERS)) >= 3
    assert is_at_rest(quick)


@pytest.mark.parametrize("fault", set(PASSING) - {"429"})
def test_an_order_that_may_have_acted_is_not_tried_again(
    fault: str, exchange: LocalExchange, quick: BybitClient
) -> None:
    PASSING[fault](exchange.faults, ORDER)
    seen = Seen(exchange)

    error = failure(lambda: place(quick))

    assert error.effect_unknown
    assert seen.paths() == [ORDER]


def test_a_handshake_that_fails_is_tried_again_even_for_an_order(
    exchange: LocalExchange, quick: BybitClient
) -> None:
    exchange.faults.stall_handshake()
    name = new_name()

    with connect(
        exchange, pool={"connect_timeout": 0.2, "total_timeout": 3.0}, retry=QUICK
    ) as client:
        place(client, orderLinkId=name)

    assert len(orders_named(exchange, name)) == 1


def test_a_certificate_that_nobody_should_trust_is_not_tried_again(
    exchange: LocalExchange, quick: BybitClient
) -> None:
    exchange.faults.bad_certificate("expired", times=None)
    before = exchange.connections.opened

    failure(lambda: read(quick))

    assert exchange.connections.opened - before == 1


def test_a_lasting_fault_is_given_up_after_the_attempts_that_were_asked_for(
    exchange: LocalExchange, quick: BybitClient
) -> None:
    exchange.faults.http_status(OPEN_ORDERS, 503, times=None)
    for attempts in (1, 2, 5):
        seen = Seen(exchange)
        options = CallOptions(attempts=attempts)
        failure(lambda o=options: quick.trade.get_open_orders(category="spot", options=o))  # type: ignore[misc]
        assert seen.count() == attempts


def test_retries_end_with_the_call_that_has_a_deadline(exchange: LocalExchange) -> None:
    exchange.faults.http_status(TIME, 503, times=None)
    slow = RetryConfig(attempts=100, base_delay=0.2, max_delay=0.2)
    with connect(exchange, pool={"total_timeout": 0.5}, retry=slow) as client, ends_within(0.5):
        failure(client.market.get_server_time)


@pytest.mark.parametrize("header", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_server_that_wants_to_be_left_alone_for_long_does_not_hold_the_caller(
    header: str, exchange: LocalExchange, quick: BybitClient
) -> None:
    exchange.faults.http_status(OPEN_ORDERS, 503, headers={"Retry-After": header})
    seen = Seen(exchange)

    with ends_within(1.0):
        failure(lambda: read(quick))

    assert seen.count() == 1


def test_junk_in_retry_after_changes_nothing(exchange: LocalExchange, quick: BybitClient) -> None:
    exchange.faults.http_status(OPEN_ORDERS, 503, headers={"Retry-After": "soon"})

    assert read(quick)["retCode"] == 0


# --- too many visits ----------------------------------------------------------------------


@pytest.mark.parametrize("call", [read, place])
def test_too_many_visits_waits_until_the_exchange_says_and_comes_back(
    call: Callable[[BybitClient], Any], exchange: LocalExchange, quick: BybitClient
) -> None:
    path = OPEN_ORDERS if call is read else ORDER
    exchange.faults.rate_limit(path, reset_in=0.3)
    seen = Seen(exchange)
    started = time.monotonic()

    assert call(quick)["retCode"] == 0

    assert 0.25 <= time.monotonic() - started < 2.0
    assert seen.paths() == [path, path]
    assert quick.pipeline.hooks.snapshot().retries == {"rate_limited": 1}


@pytest.mark.parametrize(
    ("reset", "most"),
    [("0", 0.5), ("soon", 1.6), ("-5", 1.6)],  # what is no time is taken for a second
)
def test_a_reset_time_that_has_passed_or_is_junk_holds_nobody_for_long(
    reset: str, most: float, exchange: LocalExchange, quick: BybitClient
) -> None:
    exchange.faults.rate_limit(OPEN_ORDERS, reset_header=reset)
    started = time.monotonic()

    assert read(quick)["retCode"] == 0

    assert time.monotonic() - started <= most


def test_a_reset_time_beyond_the_deadline_is_told_at_once(
    exchange: LocalExchange, quick: BybitClient
) -> None:
    exchange.faults.rate_limit(OPEN_ORDERS, reset_in=60)

    with ends_within(0.5):
        error = failure(lambda: read(quick))

    assert isinstance(error, RateLimitedError)
    assert error.reset_ms is not None
    assert error.reset_ms / 1000 - time.time() == pytest.approx(60, abs=2)
    assert (error.transient, error.effect_unknown) == (True, False)


# --- clocks -------------------------------------------------------------------------------


@pytest.mark.parametrize("offset_ms", [-60_000, 60_000, -3_600_000, 3_600_000])
@pytest.mark.parametrize("call", [read, place])
def test_a_clock_that_is_off_is_measured_once_and_the_call_repeated_once(
    call: Callable[[BybitClient], Any],
    offset_ms: int,
    exchange: LocalExchange,
    quick: BybitClient,
) -> None:
    exchange.faults.wrong_clock(offset_ms)
    path = OPEN_ORDERS if call is read else ORDER
    seen = Seen(exchange)

    assert call(quick)["retCode"] == 0
    assert seen.paths() == [path, TIME, path]

    assert read(quick)["retCode"] == 0
    assert seen.paths() == [path, TIME, path, OPEN_ORDERS]


def test_a_clock_error_that_stays_is_told_after_one_measurement(
    exchange: LocalExchange, quick: BybitClient
) -> None:
    exchange.faults.ret_code(OPEN_ORDERS, 10002, "timestamp", times=None)
    seen = Seen(exchange)

    error = failure(lambda: read(quick))

    assert isinstance(error, ClockError)
    assert seen.paths() == [OPEN_ORDERS, TIME, OPEN_ORDERS]
    assert not error.effect_unknown


def test_with_the_clock_switched_off_nothing_is_measured(exchange: LocalExchange) -> None:
    exchange.faults.wrong_clock(-60_000)
    with connect(exchange, clock=ClockConfig(mode="off")) as client:
        seen = Seen(exchange)

        assert isinstance(failure(lambda: read(client)), ClockError)

        assert seen.paths() == [OPEN_ORDERS]


# --- refusals that stay -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10003, AuthError),
        (10004, AuthError),
        (10005, PermissionDeniedError),
        (10010, PermissionDeniedError),
        (33004, AuthError),
        (110072, OrderError),
        (170141, OrderError),
        (123_456, ApiError),
    ],
)
@pytest.mark.parametrize("call", [read, place])
def test_a_plain_refusal_costs_one_request_and_had_no_effect(
    call: Callable[[BybitClient], Any],
    code: int,
    kind: type[ApiError],
    exchange: LocalExchange,
    quick: BybitClient,
) -> None:
    exchange.faults.ret_code("*", code, "no", times=None)
    seen = Seen(exchange)

    error = failure(lambda: call(quick))

    assert type(error) is kind
    assert isinstance(error, ApiError)
    assert (error.ret_code, error.ret_msg, error.status_code) == (code, "no", code)
    assert (error.transient, error.effect_unknown) == (False, False)
    assert seen.count() == 1


def test_keys_that_are_wrong_expired_or_may_only_read_are_told_apart(
    exchange: LocalExchange,
) -> None:
    expired = exchange.add_account(expired=True)
    reader = exchange.add_account(read_only=True)
    with connect(exchange, account=expired) as client:
        assert isinstance(failure(lambda: read(client)), AuthError)
    with connect(exchange, account=reader) as client:
        assert read(client)["retCode"] == 0
        assert isinstance(failure(lambda: place(client)), PermissionDeniedError)
    with BybitClient(
        exchange.api_key, "x" * 36, base_url=exchange.url, config=client.config
    ) as client:
        error = failure(lambda: read(client))
        assert isinstance(error, AuthError)
        assert error.ret_code == 10004
        assert exchange.api_key not in str(error)
        assert exchange.api_key not in repr(error.body)
    with BybitClient(
        "unknown-key-000", "x" * 36, base_url=exchange.url, config=client.config
    ) as client:
        assert isinstance(failure(lambda: read(client)), AuthError)


@pytest.mark.parametrize("code", [10000, 10016, 170007, 170032, 170146, 170147, 170310])
def test_a_refusal_after_which_nobody_knows_is_not_a_no(
    code: int, exchange: LocalExchange, quick: BybitClient
) -> None:
    exchange.faults.ret_code(ORDER, code, after_accept=True)
    name, seen = new_name(), Seen(exchange)

    error = failure(lambda: place(quick, orderLinkId=name))

    assert error.effect_unknown
    assert seen.count() == 1
    assert len(orders_named(exchange, name)) == 1


def test_a_busy_exchange_is_busy_and_passing(exchange: LocalExchange, quick: BybitClient) -> None:
    exchange.faults.maintenance(times=None)

    error = failure(lambda: place(quick))

    assert isinstance(error, ExchangeBusyError)
    assert (error.transient, error.effect_unknown) == (True, True)


def test_an_address_that_is_shut_out_sends_nothing_more(exchange: LocalExchange) -> None:
    exchange.faults.http_status(ORDER, 403, body="<h1>403 access too frequent</h1>")
    with connect(exchange) as client:
        seen = Seen(exchange)
        error = failure(lambda: place(client))

        assert isinstance(error, IpBannedError)
        assert not error.effect_unknown
        assert error.until - time.time() == pytest.approx(600, abs=5)
        for call in (read, place, lambda c: c.market.get_server_time()):
            with ends_within(0.2):
                later = failure(lambda c=call: c(client))  # type: ignore[misc]
            assert isinstance(later, IpBannedError)
            assert not later.effect_unknown
        assert seen.paths() == [ORDER]


def test_the_retry_budget_keeps_an_outage_from_being_multiplied(exchange: LocalExchange) -> None:
    exchange.faults.http_status(TIME, 503, times=None)
    retry = RetryConfig(attempts=3, base_delay=0.001, max_delay=0.001, budget=10)
    with connect(exchange, retry=retry) as client:
        seen = Seen(exchange)
        for _ in range(30):
            failure(client.market.get_server_time)

        assert seen.count() == 30 + 10
        exchange.faults.clear()
        for _ in range(10):  # a fifth each
            client.market.get_server_time()
        exchange.faults.http_status(TIME, 503, times=None)
        again = Seen(exchange)
        failure(client.market.get_server_time)
        assert again.count() == 3


def test_an_outage_that_ends_is_survived_by_every_caller(exchange: LocalExchange) -> None:
    exchange.faults.reset_before(TIME, times=3)
    with connect(exchange, retry=RetryConfig(base_delay=0.01)) as client:
        for _ in range(5):
            try:
                client.market.get_server_time()
            except TransportError as error:
                assert error.transient  # noqa: PT017 - most calls succeed
        assert client.market.get_server_time()["retCode"] == 0
        assert is_at_rest(client)

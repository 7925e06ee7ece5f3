"""H. HTTP statuses, retCodes and limits: repeated where it is safe and in time, never in a storm.

What these do to orders is in chapter J.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from bybit_sync import (
    ApiError,
    AuthError,
    BadAnswerError,
    BybitClient,
    BybitError,
    CallOptions,
    IpBannedError,
    ParameterError,
    PermissionDeniedError,
    RateLimitConfig,
    RateLimitedError,
)
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import (
    ORDER,
    RESTING,
    TIME,
    Seen,
    connect,
    ends_within,
    eventually,
    failure,
    is_at_rest,
)

OPEN_ORDERS = "/v5/order/realtime"
ROW_86_SECONDS = float(os.environ.get("ROW_86_SECONDS", "5"))
"""60 in the matrix; a run by hand may take that long."""
UNBOUND = RateLimitConfig(ip_limit=1_000_000)

Call = Callable[[BybitClient], Any]


def read(client: BybitClient) -> Any:
    """A signed call that changes nothing."""
    return client.trade.get_open_orders(category="spot", symbol="BTCUSDT")


def place(client: BybitClient) -> Any:
    """A call that changes something."""
    return client.trade.place_order(**RESTING)


def path_of(call: Call) -> str:
    return OPEN_ORDERS if call is read else ORDER


@pytest.fixture
def hurried(exchange: LocalExchange) -> Iterator[BybitClient]:
    """A client whose calls end after 2 s."""
    with connect(exchange, account=exchange.add_account(), pool={"total_timeout": 2.0}) as client:
        client.warm_up(1)
        yield client


# --- statuses -----------------------------------------------------------------------------


@pytest.mark.row(75)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_outlives_two_gateway_faults(
    status: int, exchange: LocalExchange, hurried: BybitClient
) -> None:
    exchange.faults.http_status(OPEN_ORDERS, status, times=2)
    seen = Seen(exchange)

    with ends_within(2.0):
        assert read(hurried)["retCode"] == 0

    assert seen.count() == 3
    assert is_at_rest(hurried)


@pytest.mark.row(75)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_gateway_fault_that_lasts_is_told_in_time(
    status: int, exchange: LocalExchange, hurried: BybitClient
) -> None:
    exchange.faults.http_status(OPEN_ORDERS, status, times=None)
    seen = Seen(exchange)

    with ends_within(2.0):
        error = failure(lambda: read(hurried))

    assert isinstance(error, BadAnswerError)
    assert (error.status_code, error.transient) == (status, True)
    assert seen.count() == 3


@pytest.mark.row(77)
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wish", ["3600", "date"])
def test_a_server_that_wants_an_hour_gets_no_thread_to_sleep_for_it(
    status: int, wish: str, exchange: LocalExchange, hurried: BybitClient
) -> None:
    told = formatdate(time.time() + 3600, usegmt=True) if wish == "date" else wish
    exchange.faults.http_status(OPEN_ORDERS, status, times=None, headers={"Retry-After": told})
    seen = Seen(exchange)

    with ends_within(0.5):
        error = failure(lambda: read(hurried))

    assert isinstance(error, RateLimitedError if status == 429 else BadAnswerError)
    assert error.resp_headers is not None
    assert error.resp_headers["Retry-After"] == told
    assert seen.count() == 1


@pytest.mark.row(77)
@pytest.mark.parametrize("told", ["1", "soon", "-7", "", "99999999999999999999", "past"])
def test_any_other_wish_is_met_within_the_time_that_there_is(
    told: str, exchange: LocalExchange, hurried: BybitClient
) -> None:
    if told == "past":
        told = formatdate(time.time() - 3600, usegmt=True)
    exchange.faults.http_status(OPEN_ORDERS, 503, headers={"Retry-After": told})

    with ends_within(2.0):
        if told.startswith("999"):
            assert isinstance(failure(lambda: read(hurried)), BadAnswerError)
        else:
            assert read(hurried)["retCode"] == 0


# --- the ban ------------------------------------------------------------------------------


@pytest.mark.row(78)
def test_a_ban_silences_every_client_of_the_process_for_ten_minutes(
    exchange: LocalExchange, hurried: BybitClient
) -> None:
    exchange.faults.http_status(OPEN_ORDERS, 403, body="403, access too frequent")
    with connect(exchange, keys=False) as other:
        other.warm_up(1)
        assert isinstance(failure(lambda: read(hurried)), IpBannedError)
        seen = Seen(exchange)

        for call in (lambda: read(hurried), lambda: place(hurried), other.market.get_server_time):
            error = failure(call)
            assert isinstance(error, IpBannedError)
            assert error.until - time.time() == pytest.approx(600, abs=5)
            assert not error.effect_unknown
            assert time.strftime("%H:%M", time.gmtime(error.until)) in str(error)

        assert seen.count() == 0


@pytest.mark.row(78)
def test_after_the_ban_one_call_tries_and_then_everybody_goes_on(
    exchange: LocalExchange, hurried: BybitClient
) -> None:
    exchange.faults.http_status(OPEN_ORDERS, 403, body="403, access too frequent")
    failure(lambda: read(hurried))
    # Its last moment, ten minutes later.
    hurried.pipeline.limiter.address.breaker.open(0.1)
    time.sleep(0.15)
    exchange.faults.late(OPEN_ORDERS, 0.4)
    seen = Seen(exchange)

    with ThreadPoolExecutor(20) as threads:
        outcomes = Counter(type(each).__name__ for each in threads.map(tried, [hurried] * 20))

    assert outcomes == {"Reply": 1, "IpBannedError": 19}
    assert seen.count() == 1
    with ThreadPoolExecutor(20) as threads:
        assert {type(each).__name__ for each in threads.map(tried, [hurried] * 20)} == {"Reply"}


def tried(client: BybitClient) -> Any:
    """The reply, or the error in its place."""
    try:
        return read(client)
    except BybitError as error:
        return error


# --- too many visits ----------------------------------------------------------------------


@pytest.mark.row(79)
@pytest.mark.parametrize("call", [read, place])
@pytest.mark.parametrize("reset", ["0", "1672738134824", "soon", "-1", "9" * 30])
def test_a_reset_in_the_past_or_of_junk_costs_little_and_no_error(
    call: Call, reset: str, exchange: LocalExchange, hurried: BybitClient
) -> None:
    exchange.faults.rate_limit(path_of(call), reset_header=reset)
    seen = Seen(exchange)

    with ends_within(2.0):
        assert call(hurried)["retCode"] == 0

    assert seen.paths() == [path_of(call)] * 2


@pytest.mark.row(79)
@pytest.mark.parametrize("call", [read, place])
def test_a_reset_that_is_further_than_the_deadline_is_told_at_once(
    call: Call, exchange: LocalExchange, hurried: BybitClient
) -> None:
    exchange.faults.rate_limit(path_of(call), reset_in=15.0)

    with ends_within(0.5):
        error = failure(lambda: call(hurried))

    assert isinstance(error, RateLimitedError)
    assert error.reset_ms is not None
    assert error.reset_ms / 1000 - time.time() == pytest.approx(15, abs=3)
    assert not error.effect_unknown


def http_429(exchange: LocalExchange, path: str, reset_ms: int) -> None:
    headers = {"X-Bapi-Limit-Reset-Timestamp": str(reset_ms)}
    exchange.faults.http_status(path, 429, body="<h1>Too Many</h1>", headers=headers)


def in_the_envelope(code: int) -> Callable[[LocalExchange, str, int], None]:
    def arm(exchange: LocalExchange, path: str, reset_ms: int) -> None:
        exchange.faults.ret_code(path, code, "Too many visits!")

    return arm


@pytest.mark.row(80)
@pytest.mark.parametrize("call", [read, place])
@pytest.mark.parametrize(
    "arm",
    [http_429, in_the_envelope(429), in_the_envelope(10429)],
    ids=["HTTP 429", "429", "10429"],
)
def test_the_other_ways_to_say_too_many_are_waited_out_alike(
    arm: Callable[[LocalExchange, str, int], None],
    call: Call,
    exchange: LocalExchange,
    hurried: BybitClient,
) -> None:
    arm(exchange, path_of(call), int(time.time() * 1000) + 300)
    seen = Seen(exchange)

    with ends_within(2.0):
        assert call(hurried)["retCode"] == 0

    assert seen.paths() == [path_of(call)] * 2
    assert hurried.pipeline.hooks.snapshot().retries == {"rate_limited": 1}


@pytest.mark.row(80)
def test_429_that_lasts_is_a_rate_limit_and_had_no_effect(
    exchange: LocalExchange, hurried: BybitClient
) -> None:
    exchange.faults.http_status(ORDER, 429, times=None)

    error = failure(lambda: place(hurried))

    assert isinstance(error, RateLimitedError)
    assert (error.status_code, error.transient, error.effect_unknown) == (429, True, False)


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.row(82)
@pytest.mark.parametrize("call", [read, place])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10001, ParameterError),
        (10003, AuthError),
        (10004, AuthError),
        (10005, PermissionDeniedError),
        (10010, PermissionDeniedError),
    ],
)
def test_a_refusal_costs_one_request(
    code: int, kind: type[ApiError], call: Call, exchange: LocalExchange, hurried: BybitClient
) -> None:
    exchange.faults.ret_code(path_of(call), code, "no", times=None)
    seen = Seen(exchange)

    error = failure(lambda: call(hurried))

    assert type(error) is kind
    assert (error.transient, error.effect_unknown) == (False, False)
    assert seen.count() == 1


# --- storms -------------------------------------------------------------------------------


class Crowd:
    """Many threads that call without pause until they are told to stop."""

    def __init__(self, threads: int, call: Callable[[], Any], pause: float = 0.0) -> None:
        self.outcomes: Counter[str] = Counter()
        self.by_thread: Counter[int] = Counter()
        self.first_success = 0.0
        self._call = call
        self._pause = pause
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(i,)) for i in range(threads)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    def end(self) -> None:
        """Let every thread finish its call; twice is fine."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def forget_turns(self) -> None:
        """Count anew how often each thread was served."""
        with self._lock:
            self.by_thread.clear()

    @property
    def calls(self) -> int:
        return sum(self.outcomes.values())

    def _work(self, me: int) -> None:
        while not self._stop.wait(self._pause):
            try:
                self._call()
                outcome = "done"
            except BybitError as error:
                outcome = str(getattr(error, "ret_code", type(error).__name__))
            with self._lock:
                self.outcomes[outcome] += 1
                self.by_thread[me] += 1
                if outcome == "done" and not self.first_success:
                    self.first_success = time.monotonic()


@pytest.mark.row(85)
@pytest.mark.parametrize("kind", ["reset", "503"])
def test_an_outage_is_not_multiplied_by_a_hundred_threads(
    kind: str, exchange: LocalExchange
) -> None:
    if kind == "reset":
        exchange.faults.reset_before(TIME, times=None)
    else:
        exchange.faults.http_status(TIME, 503, times=None)
    with connect(exchange, keys=False, rate_limit=UNBOUND) as client:
        seen = Seen(exchange)
        with Crowd(100, client.market.get_server_time) as crowd:
            eventually(lambda: crowd.calls >= 700, within=60.0)
        sent = seen.count()

        assert crowd.outcomes["done"] == 0
        assert sent <= crowd.calls * 1.2

        exchange.faults.clear()
        assert client.market.get_server_time()["retCode"] == 0
        assert is_at_rest(client)


AWAY_SECONDS = float(os.environ.get("AWAY_SECONDS", "2"))
"""How long the server is gone; 10 by hand."""


def most_in_any_second(exchange: LocalExchange, path: str) -> int:
    """How many requests arrived within one second, by the server's clock."""
    times = sorted(row["time"] for row in exchange.requests if row["path"] == path)
    return max(bisect_left(times, at + 1000) - i for i, at in enumerate(times))


@pytest.mark.row(85)
def test_a_server_that_was_away_is_in_use_again_within_a_second_and_without_a_burst(
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {
        "limits": {OPEN_ORDERS: 50},
        "tls": False,
        "state": str(tmp_path / "exchange.json"),
    }
    with LocalExchange(**settings) as exchange, connect(exchange) as client:
        port = int(exchange.url.rpartition(":")[2])
        with Crowd(20, lambda: read(client), pause=0.02) as crowd:
            eventually(lambda: crowd.outcomes["done"] >= 20)
            exchange.stop()
            time.sleep(AWAY_SECONDS)
            crowd.first_success = 0.0
            with LocalExchange(**settings, port=port) as back:
                came_back = time.monotonic()
                eventually(lambda: crowd.first_success, within=10.0)
                time.sleep(2.5)
                busiest = most_in_any_second(back, OPEN_ORDERS)
                crowd.end()

    assert crowd.first_success - came_back <= 1.0
    assert busiest <= 50
    assert crowd.outcomes["10006"] == 0


@pytest.mark.row(86)
@pytest.mark.timeout(240)
def test_a_hundred_threads_use_a_limit_up_and_never_pass_it() -> None:
    limits = {OPEN_ORDERS: 10}
    options = CallOptions(attempts=1, timeout=60.0)
    own = RateLimitConfig(endpoint_limits={OPEN_ORDERS: 10.0})
    with LocalExchange(limits=limits) as exchange, connect(exchange, rate_limit=own) as client:
        client.warm_up(30)
        call = client.trade.get_open_orders
        with Crowd(100, lambda: call(category="spot", options=options)) as crowd:
            time.sleep(1.0)
            crowd.forget_turns()  # of those who were the first to start
            time.sleep(ROW_86_SECONDS - 1.0)
            used = crowd.outcomes["done"]
        arrived = exchange.requests.count(path=OPEN_ORDERS)

    assert set(crowd.outcomes) == {"done"}, "none was answered 10006"
    assert used >= 0.95 * 10 * ROW_86_SECONDS
    assert arrived == crowd.calls
    served = [crowd.by_thread[i] for i in range(100)]
    assert max(served) - min(served) <= 2, "first come, first served"

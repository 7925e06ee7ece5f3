"""Whatever goes wrong: one of our errors, which knows whether the exchange may have acted."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bybit_sync import (
    AnswerTooLargeError,
    BadAnswerError,
    BybitClient,
    BybitError,
    CallOptions,
    ClockError,
    ConnectError,
    ConnectionLostError,
    DnsError,
    ExchangeBusyError,
    PoolFullError,
    PoolTimeoutError,
    RateLimitConfig,
    RateLimitedError,
    RateLimitTimeoutError,
    ReadTimeoutError,
    TlsError,
    TooManyRequestsError,
    TotalTimeoutError,
    TransportError,
)
from bybit_sync.simulator import LocalAccount, LocalExchange
from tests.net.tools import Crew, latest

from .hidden import Hidden
from .tools import (
    ORDER,
    RESTING,
    TIME,
    Seen,
    connect,
    eventually,
    failure,
    is_at_rest,
    new_name,
    orders_named,
)

TOTAL = 0.6
HASTY = {"connect_timeout": 0.25, "sock_read_timeout": 0.3, "total_timeout": TOTAL}
ONCE = CallOptions(attempts=1)


@dataclass(frozen=True)
class Case:
    """A fault, and what the caller of an order hears."""

    name: str
    arm: Callable[[Any], None]
    error: type[BybitError]
    effect_unknown: bool
    phase: str | None = None
    heard: bool = True
    """Whether the request reached the exchange, as the exchange counts."""

    def __str__(self) -> str:
        return self.name


def redirect(status: int) -> Callable[[Any], None]:
    headers = {"Location": "https://elsewhere.invalid/"}
    return lambda faults: faults.http_status(ORDER, status, headers=headers)


ON_THE_WIRE = [
    Case(
        "dropped before", lambda f: f.drop_before_accept(ORDER), ConnectionLostError, True, "read"
    ),
    Case("dropped after", lambda f: f.drop_after_accept(ORDER), ConnectionLostError, True, "read"),
    Case("reset before", lambda f: f.reset_before(ORDER), ConnectionLostError, True, "read"),
    Case("reset after", lambda f: f.reset_after(ORDER), ConnectionLostError, True, "read"),
    Case("stalled", lambda f: f.stall(ORDER), ReadTimeoutError, True, "read"),
    Case(
        "stalled after",
        lambda f: f.stall(ORDER, after_accept=True),
        ReadTimeoutError,
        True,
        "read",
    ),
    Case("late", lambda f: f.late(ORDER, seconds=1.0), ReadTimeoutError, True, "read"),
    Case("headers drip", lambda f: f.drip_headers(ORDER), TotalTimeoutError, True, "read"),
    Case("body drips", lambda f: f.drip_body(ORDER), TotalTimeoutError, True, "read"),
    Case("silent", lambda f: f.silent(), ReadTimeoutError, True, "read", heard=False),
]
IN_THE_ANSWER = [
    Case("cut", lambda f: f.cut_body(ORDER), BadAnswerError, True),
    Case("cut and reset", lambda f: f.cut_body(ORDER, reset=True), BadAnswerError, True),
    Case("endless", lambda f: f.endless_body(ORDER), AnswerTooLargeError, True),
    Case("HTML", lambda f: f.html(ORDER), BadAnswerError, True),
    Case("HTML after", lambda f: f.html(ORDER, after_accept=True), BadAnswerError, True),
    Case("garbage", lambda f: f.garbage(ORDER), BadAnswerError, True),
    Case("500", lambda f: f.http_status(ORDER, 500), BadAnswerError, True),
    Case("502", lambda f: f.http_status(ORDER, 502, after_accept=True), BadAnswerError, True),
    Case("503", lambda f: f.http_status(ORDER, 503), BadAnswerError, True),
    Case("504", lambda f: f.http_status(ORDER, 504), BadAnswerError, True),
    Case("307", redirect(307), BadAnswerError, True),
    Case("308", redirect(308), BadAnswerError, True),
    Case("400", lambda f: f.http_status(ORDER, 400), BadAnswerError, False),
    Case("401", lambda f: f.http_status(ORDER, 401), BadAnswerError, False),
    Case("404", lambda f: f.http_status(ORDER, 404), BadAnswerError, False),
    Case("408", lambda f: f.http_status(ORDER, 408), BadAnswerError, True),
    Case("429", lambda f: f.http_status(ORDER, 429), TooManyRequestsError, False),
]
IN_THE_ENVELOPE = [
    Case("rate limit", lambda f: f.rate_limit(ORDER), RateLimitedError, False),
    Case("maintenance", lambda f: f.maintenance(), ExchangeBusyError, True),
    Case("clock", lambda f: f.wrong_clock(-60_000), ClockError, False),
    Case("10000", lambda f: f.ret_code(ORDER, 10000), ExchangeBusyError, True),
]
IN_THE_HANDSHAKE = [
    Case(name, arm, error, False, "tls", heard=False)
    for name, arm, error in (
        ("handshake stalls", lambda f: f.stall_handshake(), ConnectError),
        ("handshake drips", lambda f: f.drip_handshake(), ConnectError),
        ("TLS refused", lambda f: f.refuse_tls(), TlsError),
        ("expired", lambda f: f.bad_certificate("expired"), TlsError),
        ("wrong host", lambda f: f.bad_certificate("wrong_host"), TlsError),
        ("unknown CA", lambda f: f.bad_certificate("unknown_ca"), TlsError),
    )
]
EVERY_CASE = [*ON_THE_WIRE, *IN_THE_ANSWER, *IN_THE_ENVELOPE, *IN_THE_HANDSHAKE]


@pytest.fixture
def account(exchange: LocalExchange) -> LocalAccount:
    """An account that nobody else trades on."""
    return exchange.add_account()


@pytest.fixture
def hasty(exchange: LocalExchange, account: LocalAccount) -> Iterator[BybitClient]:
    """A client whose calls end soon, on one connection."""
    with connect(exchange, account=account, pool={**HASTY, "limit_per_host": 1}) as client:
        yield client


@dataclass(frozen=True)
class Outcome:
    """What came of an order that met a fault, on both sides."""

    case: Case
    error: BybitError
    seconds: float
    address: str
    arrivals: int
    booked: int
    client_is_at_rest: bool
    later_answer: Any
    hidden: Hidden


@pytest.fixture(scope="module", params=EVERY_CASE, ids=str)
def outcome(request: pytest.FixtureRequest, local_exchange: LocalExchange) -> Iterator[Outcome]:
    """An order is placed once, meets the fault, and is looked at by several tests."""
    case, exchange = request.param, local_exchange
    account, name, seen = exchange.add_account(), new_name(), Seen(exchange)
    # A call that may have acted is left to the client's own settings: it must not repeat it.
    options = None if case.effect_unknown else ONCE
    pool = {**HASTY, "limit_per_host": 1}
    with (
        pytest.MonkeyPatch.context() as patch,
        connect(exchange, account=account, pool=pool) as client,
    ):
        hidden = Hidden(account, patch)
        case.arm(exchange.faults)
        started = time.monotonic()
        error = failure(
            lambda: client.trade.place_order(**RESTING, orderLinkId=name, options=options)
        )
        seconds = time.monotonic() - started
        arrivals, rests = len(seen.rows(ORDER)), is_at_rest(client)
        exchange.faults.clear()
        yield Outcome(
            case,
            error,
            seconds,
            exchange.url.removeprefix("https://"),
            arrivals,
            len(orders_named(exchange, name)),
            rests,
            client.market.get_server_time(),
            hidden,
        )


def test_the_error_says_what_is_known(outcome: Outcome) -> None:
    case, error = outcome.case, outcome.error

    assert type(error) is case.error
    assert error.effect_unknown is case.effect_unknown
    assert getattr(error, "phase", None) == case.phase
    assert str(error.request) == f"POST {ORDER}"


def test_the_order_was_sent_once_at_most_and_the_exchange_agrees(outcome: Outcome) -> None:
    assert outcome.arrivals == outcome.case.heard
    assert outcome.booked <= outcome.error.effect_unknown


def test_the_call_ended_in_time_and_gave_its_connection_back(outcome: Outcome) -> None:
    assert outcome.seconds <= latest(TOTAL)
    assert outcome.client_is_at_rest
    assert outcome.later_answer["retCode"] == 0


def test_the_message_tells_what_was_tried_and_how_it_went(outcome: Outcome) -> None:
    error = outcome.error

    assert str(error).startswith(f"POST {ORDER}: ")
    if isinstance(error, TransportError):
        assert outcome.address in error.message
        assert f"{error.phase} phase" in error.message
        assert re.search(r"after \d+\.\d+ s", error.message)
    else:
        assert str(error.status_code or outcome.address) in error.message


@pytest.mark.row(122, 124)
def test_the_error_shows_neither_key_nor_signature_however_closely_one_looks(
    outcome: Outcome,
) -> None:
    assert outcome.hidden.signatures == (outcome.case.phase != "tls")
    outcome.hidden.check_error(outcome.error)


@pytest.mark.parametrize("kind", ["drop_after_accept", "reset_after", "cut_body", "endless_body"])
def test_a_lost_answer_is_told_and_the_order_is_there_once(
    kind: str, exchange: LocalExchange, hasty: BybitClient
) -> None:
    getattr(exchange.faults, kind)(ORDER)
    name = new_name()

    error = failure(lambda: hasty.trade.place_order(**RESTING, orderLinkId=name))

    assert error.effect_unknown
    assert len(orders_named(exchange, name)) == 1
    found = hasty.trade.get_open_orders(category="spot", orderLinkId=name).result["list"]
    assert [order["orderLinkId"] for order in found] == [name]


@pytest.mark.parametrize(
    "kind", ["drop_before_accept", "drop_after_accept", "reset_before", "reset_after"]
)
def test_an_order_on_a_kept_connection_that_dies_is_not_sent_again_but_a_read_is(
    kind: str, exchange: LocalExchange, hasty: BybitClient
) -> None:
    hasty.market.get_server_time()
    getattr(exchange.faults, kind)(TIME)
    assert hasty.market.get_server_time(options=ONCE)["retCode"] == 0
    getattr(exchange.faults, kind)(ORDER)
    seen = Seen(exchange)

    error = failure(lambda: hasty.trade.place_order(**RESTING))

    assert type(error) is ConnectionLostError
    assert error.effect_unknown
    assert seen.paths() == [ORDER]
    assert hasty.pool_stats().created == 2


# --- nothing was sent ---------------------------------------------------------------------


def test_a_name_that_does_not_exist_is_a_dns_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with BybitClient("k" * 18, "s" * 36, base_url="https://nowhere.invalid") as client:
        error = failure(lambda: client.trade.place_order(**RESTING, options=ONCE))

        assert type(error) is DnsError
        assert (error.phase, error.effect_unknown) == ("dns", False)
        assert "nowhere.invalid" in error.message
        assert is_at_rest(client)


def test_a_port_on_which_nobody_listens_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with BybitClient("k" * 18, "s" * 36, base_url=f"https://127.0.0.1:{port}") as client:
        error = failure(lambda: client.trade.place_order(**RESTING, options=ONCE))

        assert type(error) is ConnectError
        assert (error.phase, error.effect_unknown) == ("connect", False)
        assert f"127.0.0.1:{port}" in error.message
        assert is_at_rest(client)


def test_a_full_pool_is_told_before_anything_is_sent(exchange: LocalExchange) -> None:
    pool = {"limit": 1, "limit_per_host": 1, "max_waiting": 1}
    exchange.faults.late(TIME, seconds=0.7)
    with connect(exchange, pool=pool) as client, Crew() as crew:
        seen = Seen(exchange)
        crew.start(client.market.get_server_time)
        eventually(lambda: seen.count() == 1)
        waiter = CallOptions(timeout=0.2, attempts=1)
        crew.start(lambda: failure(lambda: client.trade.place_order(**RESTING, options=waiter)))
        eventually(lambda: client.pool_stats().waiting == 1)

        full = failure(lambda: client.trade.place_order(**RESTING, options=ONCE))
        crew.join()

        assert type(full) is PoolFullError
        assert (full.phase, full.effect_unknown) == ("pool", False)
        (timed_out,) = [each for each in crew.results if isinstance(each, BybitError)]
        assert type(timed_out) is PoolTimeoutError
        assert (timed_out.phase, timed_out.effect_unknown) == ("pool", False)
        assert seen.paths() == [TIME]
        assert is_at_rest(client)


def test_a_rate_limit_of_our_own_is_told_before_anything_is_sent(exchange: LocalExchange) -> None:
    with connect(exchange, rate_limit=RateLimitConfig(mode="raise", ip_limit=2)) as client:
        seen = Seen(exchange)
        for _ in range(2):
            client.market.get_server_time()

        error = failure(client.market.get_server_time)

        assert type(error) is RateLimitTimeoutError
        assert (error.phase, error.effect_unknown) == ("rate_limit", False)
        assert seen.count() == 2
        assert is_at_rest(client)


def test_no_time_is_left_while_the_handshake_stalls(exchange: LocalExchange) -> None:
    exchange.faults.stall_handshake()
    with connect(exchange, pool={"connect_timeout": 5.0}) as client:
        options = CallOptions(timeout=0.2)
        error = failure(lambda: client.trade.place_order(**RESTING, options=options))

        assert type(error) is TotalTimeoutError
        assert (error.phase, error.effect_unknown) == ("tls", False)


def test_a_warm_up_that_fails_raises_one_of_our_errors(exchange: LocalExchange) -> None:
    with connect(exchange) as client:
        exchange.faults.bad_certificate(times=None)
        assert isinstance(failure(lambda: client.warm_up(2)), TlsError)
        exchange.faults.clear()
        assert client.warm_up(2) == 2


# --- faults that nobody needs to hear of ---------------------------------------------------


def test_bytes_after_the_answer_are_not_taken_for_the_next_one(
    exchange: LocalExchange, hasty: BybitClient
) -> None:
    stale = '{"retCode":0,"result":{"timeSecond":"1"}}'
    exchange.faults.stray_bytes(
        TIME, data=f"HTTP/1.1 200 OK\r\nContent-Length: {len(stale)}\r\n\r\n{stale}"
    )
    before = exchange.connections.opened

    for _ in range(2):
        assert hasty.market.get_server_time().result["timeSecond"] != "1"

    assert exchange.connections.opened - before == 2


@pytest.mark.parametrize("announce", [True, False])
def test_a_server_that_closes_after_its_answer_costs_one_connection_and_no_error(
    announce: bool, exchange: LocalExchange, hasty: BybitClient
) -> None:
    exchange.faults.close_after_answer(TIME, announce=announce)
    name, seen = new_name(), Seen(exchange)

    hasty.market.get_server_time()
    eventually(lambda: announce or exchange.faults.count("close_after_answer"))
    hasty.trade.place_order(**RESTING, orderLinkId=name)

    assert len(orders_named(exchange, name)) == 1
    assert hasty.pool_stats().created == 2
    assert seen.count() == 2


def test_a_connection_that_was_closed_while_idle_is_not_used_for_an_order(
    exchange: LocalExchange, hasty: BybitClient
) -> None:
    hasty.market.get_server_time()
    exchange.faults.close_idle(after=0.05)
    eventually(lambda: exchange.connections.open == 0)
    exchange.faults.clear()
    name = new_name()

    hasty.trade.place_order(**RESTING, orderLinkId=name)

    assert len(orders_named(exchange, name)) == 1
    assert hasty.pool_stats().created == 2

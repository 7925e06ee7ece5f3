"""Chaos: threads that trade through a proxy which breaks their connections at random bytes."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import (
    BybitClient,
    BybitError,
    CallOptions,
    Config,
    ConnectionPoolConfig,
    OrderNotPlacedError,
    OrdersConfig,
    OrderUnknownError,
    RateLimitConfig,
    RetryConfig,
    TlsConfig,
)
from bybit_sync.simulator import LocalAccount, LocalExchange
from tests.exchange.tools import ORDER, RESTING, Seen, eventually, new_name, orders_named
from tests.net.tools import Crew, latest, open_sockets

from .breaking_proxy import BreakingProxy

THREADS, ORDERS_EACH = 16, 30  # an account may have 500 open orders
TOTAL = 1.0


@pytest.fixture
def seed() -> int:
    """A new one each time, printed: pytest shows it where a test fails."""
    found = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**9)))
    print(f"CHAOS_SEED={found}")  # noqa: T201  # whoever meets a failure has to repeat it
    return found


@pytest.fixture
def proxy(exchange: LocalExchange, seed: int) -> Iterator[BreakingProxy]:
    """In front of the exchange."""
    place = urlsplit(exchange.url)
    made = BreakingProxy((place.hostname or "", place.port or 0), seed)
    yield made
    made.close()


@pytest.fixture
def account(exchange: LocalExchange) -> LocalAccount:
    """An account that nobody else trades on, and rich enough."""
    return exchange.add_account(balances={"USDT": "100000000", "BTC": "100"})


def through(
    proxy: BreakingProxy, exchange: LocalExchange, account: LocalAccount, **tables: Any
) -> BybitClient:
    """A client whose calls go through the proxy and end soon."""
    return BybitClient(
        account.api_key,
        account.api_secret,
        base_url=f"https://127.0.0.1:{proxy.port}",
        config=Config(
            tls=TlsConfig(ca_file=exchange.ca_file or ""),
            connection_pool=ConnectionPoolConfig(
                limit_per_host=12, total_timeout=TOTAL, sock_read_timeout=0.5, connect_timeout=0.5
            ),
            rate_limit=RateLimitConfig(mode="off"),
            retry=RetryConfig(base_delay=0.005, max_delay=0.02),
            **tables,
        ),
        registry=CollectorRegistry(),
    )


class Trader:
    """Places orders and remembers what it was told of each. The lock guards what it remembers."""

    def __init__(self, client: BybitClient) -> None:
        self.placed: set[str] = set()
        self.not_sent: set[str] = set()
        self.unknown: set[str] = set()
        self.seconds: list[float] = []
        self.errors: Counter[str] = Counter()
        self._client = client
        self._lock = threading.Lock()

    def trade(self) -> None:
        """Place some orders, one after another, each once."""
        for _ in range(ORDERS_EACH):
            name = new_name()
            started = time.monotonic()
            told, error = self._place(name)
            with self._lock:
                told.add(name)
                self.errors[error] += 1
                self.seconds.append(time.monotonic() - started)

    def _place(self, name: str) -> tuple[set[str], str]:
        try:
            reply = self._client.trade.place_order(**RESTING, orderLinkId=name)
        except BybitError as error:
            told = self.unknown if error.effect_unknown else self.not_sent
            return told, type(error).__name__
        assert reply.result["orderLinkId"] == name
        return self.placed, ""


@pytest.mark.stress
def test_orders_through_a_proxy_that_breaks_connections_are_what_their_callers_were_told(
    exchange: LocalExchange, proxy: BreakingProxy, account: LocalAccount
) -> None:
    seen = Seen(exchange)
    with through(proxy, exchange, account) as client:
        sockets, trader = open_sockets(), Trader(client)
        with Crew() as crew:
            crew.start(trader.trade, times=THREADS)
            crew.join(90)

        booked = Counter(o["orderLinkId"] for o in exchange.orders if o["uid"] == account.uid)
        arrived = Counter(orjson.loads(row["body"])["orderLinkId"] for row in seen.rows(ORDER))
        assert sum(proxy.broken.values()) > THREADS
        assert len(proxy.broken) >= 3
        assert len(trader.errors) >= 3
        # Each was placed, not sent, or is one to ask about; and none is there twice.
        every = trader.placed | trader.not_sent | trader.unknown
        assert len(every) == THREADS * ORDERS_EACH
        assert max(booked.values()) == max(arrived.values()) == 1
        assert trader.placed <= booked.keys() <= trader.placed | trader.unknown
        assert arrived.keys() <= trader.placed | trader.unknown
        assert max(trader.seconds) <= latest(TOTAL)

        # Those to ask about can be asked about, by name, and the answer is the book's.
        proxy.is_breaking = False
        for name in trader.unknown:
            asked = client.trade.get_open_orders(category="spot", orderLinkId=name)
            assert bool(asked.result["list"]) == (name in booked)
        stats = client.pool_stats()
        assert (stats.active, stats.waiting) == (0, 0)
        assert stats.created - sum(stats.closed.values()) == stats.idle
        assert client.market.get_server_time()["retCode"] == 0
    eventually(lambda: open_sockets() <= sockets)


@pytest.mark.row(104)
@pytest.mark.stress
def test_client_orders_through_the_same_proxy_leaves_no_fate_open(
    exchange: LocalExchange, proxy: BreakingProxy, account: LocalAccount
) -> None:
    told: dict[str, str] = {}
    open_ones: list[OrderUnknownError] = []
    options = CallOptions(timeout=12.0)

    def trade() -> None:
        for _ in range(15):
            name = new_name()
            try:
                placed = client.orders.place(**RESTING, orderLinkId=name, options=options)
                assert placed.orderLinkId == name
                told[name] = "placed"
            except OrderUnknownError as error:
                open_ones.append(error)
            except BybitError as error:
                told[name] = "never told" if error.effect_unknown else "not placed"

    settings = OrdersConfig(recv_window_ms=1000, query_lag=0.3)
    with through(proxy, exchange, account, orders=settings) as client:
        with Crew() as crew:
            crew.start(trade, times=THREADS)
            crew.join(100)
        proxy.is_breaking = False
        for error in open_ones:
            try:
                told[error.orderLinkId] = "placed" if error.resolve(10.0) else ""
            except OrderNotPlacedError:
                told[error.orderLinkId] = "not placed"

        booked = Counter(o["orderLinkId"] for o in exchange.orders if o["uid"] == account.uid)
        assert sum(proxy.broken.values()) > THREADS
        assert len(told) == THREADS * 15
        assert set(booked.values()) == {1}
        assert "never told" not in told.values()
        assert booked.keys() == {name for name, fate in told.items() if fate == "placed"}
        stats = client.pool_stats()
        assert (stats.active, stats.waiting) == (0, 0)


@pytest.mark.stress
def test_reads_through_the_same_proxy_nearly_all_succeed(
    exchange: LocalExchange, proxy: BreakingProxy, account: LocalAccount
) -> None:
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()

    def read() -> None:
        for _ in range(ORDERS_EACH):
            try:
                client.trade.get_open_orders(category="spot")
                outcome = "ok"
            except BybitError as error:
                outcome = type(error).__name__
            with lock:
                outcomes[outcome] += 1

    with through(proxy, exchange, account) as client:
        with Crew() as crew:
            crew.start(read, times=THREADS)
            crew.join(90)

        assert sum(outcomes.values()) == THREADS * ORDERS_EACH
        assert sum(proxy.broken.values()) > THREADS
        assert outcomes["ok"] > 0.9 * sum(outcomes.values()), outcomes
        stats = client.pool_stats()
        assert (stats.active, stats.waiting) == (0, 0)


def test_the_proxy_lets_everything_pass_that_it_does_not_break(
    exchange: LocalExchange, proxy: BreakingProxy, account: LocalAccount
) -> None:
    proxy.is_breaking = False
    name = new_name()

    with through(proxy, exchange, account) as client:
        for _ in range(50):
            client.market.get_server_time()
        client.trade.place_order(**RESTING, orderLinkId=name)

    assert not proxy.broken
    assert len(orders_named(exchange, name)) == 1

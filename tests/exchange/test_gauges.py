"""What gauges and counters say is what the server and the kernel count."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bybit_sync import (
    BybitClient,
    BybitError,
    ClientConfig,
    IpBannedError,
    MetricsConfig,
    RateLimitConfig,
    RetryConfig,
)
from bybit_sync.simulator import LocalExchange
from tests.net.servers import connections_in_kernel
from tests.net.tools import Crew, open_sockets

from .tools import ORDER, RESTING, TIME, Seen, connect, eventually, failure

LIMITER_OFF = RateLimitConfig(mode="off")
Scrape = Callable[..., float | None]


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the clients of a test report."""
    return CollectorRegistry()


@pytest.fixture
def scraped(registry: CollectorRegistry) -> Scrape:
    """A value as a scraper reads it, from the text of one scrape."""

    def read(name: str, **labels: str) -> float | None:
        wanted = {"exchange": "bybit", **labels}
        text = generate_latest(registry).decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and sample.labels == wanted:
                    return float(sample.value)
        return None

    return read


def test_with_n_in_flight_and_m_waiting_all_four_witnesses_agree(
    exchange: LocalExchange, registry: CollectorRegistry, scraped: Scrape
) -> None:
    port = urlsplit(exchange.url).port
    assert port is not None
    exchange.faults.late(TIME, seconds=0.8, times=4)
    pool = {"limit": 20, "limit_per_host": 4}
    with connect(exchange, registry=registry, pool=pool) as client, Crew() as crew:
        before, sockets = exchange.connections, open_sockets()
        seen = Seen(exchange)
        crew.start(client.market.get_server_time, times=11)
        eventually(lambda: client.pool_stats().waiting == 7 and seen.count() == 4)

        stats, server = client.pool_stats(), exchange.connections
        assert (stats.active, stats.idle, stats.waiting) == (4, 0, 7)
        assert server.open - before.open == 4
        assert server.opened - before.opened == stats.created == 4
        assert server.tls_handshakes - before.tls_handshakes == stats.tls_handshakes == 4
        assert connections_in_kernel(port) == server.open
        assert open_sockets() - sockets == 4
        assert scraped("http_pool_connections_active") == 4
        assert scraped("http_pool_connections_idle") == 0
        assert scraped("http_pool_connections_limit") == 20
        assert scraped("http_pool_requests_waiting") == 7
        (host,) = stats.hosts.values()
        assert list(stats.hosts) == [f"127.0.0.1:{port}"]
        assert (host.active, host.waiting, host.limit) == (4, 7, 4)

        crew.join()
        stats = client.pool_stats()
        assert (stats.active, stats.idle, stats.waiting) == (0, 4, 0)
        assert scraped("http_pool_connections_active") == 0
        assert scraped("http_pool_connections_idle") == 4
        assert scraped("http_pool_requests_waiting") == 0
        assert stats.reused == 7
        assert stats.waits.count == 7
        assert stats.wait_seconds_max >= 0.3
        assert scraped("http_pool_wait_seconds_count") == 7
        assert exchange.connections.open - before.open == 4


@pytest.mark.row(133)
def test_after_a_run_of_thirty_threads_the_counters_are_the_servers(
    exchange: LocalExchange, registry: CollectorRegistry, scraped: Scrape
) -> None:
    exchange.faults.close_after_answer(TIME, times=20, skip=50)
    exchange.faults.http_status(TIME, 503, times=10, skip=100)
    exchange.faults.ret_code(TIME, 10001, times=10, skip=100)
    with connect(
        exchange,
        registry=registry,
        pool={"limit_per_host": 8},
        rate_limit=LIMITER_OFF,
        retry=RetryConfig(base_delay=0.001, max_delay=0.002),
    ) as client:
        before, seen = exchange.connections, Seen(exchange)
        refused = 0
        with ThreadPoolExecutor(30) as threads:
            for answer in threads.map(lambda _: _ask(client), range(600)):
                refused += answer is not None
        stats, server = client.pool_stats(), exchange.connections
        calls = client.pipeline.hooks.snapshot()

        assert server.opened - before.opened == stats.created
        assert server.tls_handshakes - before.tls_handshakes == stats.tls_handshakes
        assert server.peak <= before.peak or server.peak - before.open <= 8
        # A request that was written to a connection which the server had just closed never
        # arrived; its connection ended in error.
        assert stats.created + stats.reused == seen.count() + stats.closed.get("error", 0)
        assert stats.created - sum(stats.closed.values()) == stats.idle
        eventually(lambda: exchange.connections.open - before.open == stats.idle)
        retries = sum(calls.retries.values())
        assert sum(calls.attempts.values()) == 600 + retries == seen.count()
        for name, value in (
            ("http_pool_connections_created_total", stats.created),
            ("http_pool_connections_reused_total", stats.reused),
            ("http_pool_tls_handshakes_total", stats.tls_handshakes),
        ):
            assert scraped(name) == value
        name, labels = "http_request_duration_seconds_count", {"endpoint": "market.get_server_time"}
        assert scraped(name, outcome="ok", **labels) == 600 - refused
        assert (scraped(name, outcome="api_error", **labels) or 0) == refused == 10
        assert scraped("http_request_retries_total", reason="http_5xx") == 10 == retries


def _ask(client: BybitClient) -> str | None:
    try:
        client.market.get_server_time()
    except BybitError as error:
        return type(error).__name__
    return None


def test_outcomes_retries_limits_and_clock_are_scraped_per_endpoint(
    exchange: LocalExchange, registry: CollectorRegistry, scraped: Scrape
) -> None:
    retry = RetryConfig(base_delay=0.001, max_delay=0.002)
    pool = {"sock_read_timeout": 0.2}
    with connect(exchange, registry=registry, retry=retry, pool=pool) as client:
        client.trade.place_order(**RESTING)
        exchange.faults.stall(TIME)
        client.market.get_server_time()
        exchange.faults.drop_after_accept(ORDER)
        failure(lambda: client.trade.place_order(**RESTING))
        exchange.faults.html(ORDER)
        failure(lambda: client.trade.place_order(**RESTING))
        exchange.faults.ret_code(ORDER, 10001)
        failure(lambda: client.trade.place_order(**RESTING))
        failure(lambda: client.request("GET", "/v5/nothing/here"))

        count = "http_request_duration_seconds_count"
        for outcome in ("ok", "transport_error", "bad_answer", "api_error"):
            assert scraped(count, endpoint="trade.place_order", outcome=outcome) == 1
        assert scraped(count, endpoint="market.get_server_time", outcome="ok") == 1
        assert scraped(count, endpoint="other", outcome="bad_answer") == 1
        assert scraped("http_request_retries_total", reason="read") == 1
        seconds = "http_request_duration_seconds_sum"
        assert (scraped(seconds, endpoint="market.get_server_time", outcome="ok") or 0) >= 0.2
        assert abs(scraped("bybit_clock_offset_seconds") or 0) < 0.5
        assert scraped("http_dns_lookups_total", result="miss") is not None
        assert scraped("http_pool_connections_closed_total", reason="error") >= 1  # type: ignore[operator]


@pytest.mark.row(134)
def test_series_do_not_grow_with_orders_and_symbols(
    exchange: LocalExchange, registry: CollectorRegistry
) -> None:
    with connect(exchange, registry=registry, rate_limit=LIMITER_OFF) as client:
        for symbol in ("BTCUSDT", "ETHUSDT", "XRPUSDT"):
            client.market.get_tickers(category="spot", symbol=symbol)
            client.request("GET", "/v5/market/tickers", {"category": "spot", "symbol": symbol})
            failure(lambda s=symbol: client.request("GET", f"/v5/unknown/{s}"))  # type: ignore[misc]
        text = generate_latest(registry).decode()

    endpoints = {part.split('"')[1] for part in text.split("endpoint=")[1:] for part in [part]}
    assert endpoints == {"market.get_tickers", "other"}


def test_a_ban_is_a_gauge_until_the_call_that_tries_is_answered(
    registry: CollectorRegistry, scraped: Scrape, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalExchange(ip_limit=None) as banning, connect(banning, registry=registry) as client:
        client.market.get_server_time()
        assert scraped("bybit_ip_banned") == 0
        assert scraped("bybit_ip_ban_remaining_seconds") == 0

        banning.faults.http_status(TIME, 403)
        assert isinstance(failure(client.market.get_server_time), IpBannedError)
        assert scraped("bybit_ip_banned") == 1
        assert 590 < (scraped("bybit_ip_ban_remaining_seconds") or 0) <= 600

        later = client.clock.monotonic() + 601.0
        monkeypatch.setattr(client.clock, "monotonic", lambda: later)
        assert (scraped("bybit_ip_banned"), scraped("bybit_ip_ban_remaining_seconds")) == (1, 0)


def test_what_the_exchange_says_is_left_of_a_limit_is_a_gauge(
    registry: CollectorRegistry, scraped: Scrape
) -> None:
    with LocalExchange() as limited, connect(limited, registry=registry) as client:
        reply = client.trade.get_open_orders(category="spot")

        assert reply.rate_limit is not None
        assert reply.rate_limit.remaining == reply.rate_limit.limit - 1  # type: ignore[operator]
        assert reply.rate_limit.reset_ms is not None
        left = scraped("bybit_rate_limit_remaining", endpoint="trade.get_open_orders")
        assert left == reply.rate_limit.remaining
        assert client.market.get_server_time().rate_limit is None


def test_our_own_limiter_keeps_below_the_limit_and_says_what_it_cost(
    registry: CollectorRegistry, scraped: Scrape
) -> None:
    # On a machine that is busy with other things, a call may arrive so much later than it left
    # that the exchange counts it into the next second: then it is made again.
    patient = RetryConfig(attempts=10)
    with LocalExchange() as limited, connect(limited, registry=registry, retry=patient) as client:
        seen = Seen(limited)
        with ThreadPoolExecutor(8) as threads:
            order = {**RESTING, "category": "linear"}  # ten a second
            list(threads.map(lambda _: client.trade.place_order(**order), range(15)))

        codes = [row["ret_code"] for row in seen.rows(ORDER)]
        assert codes.count(0) == 15
        assert codes.count(10006) <= 5
        assert len(codes) - 15 == client.pipeline.hooks.snapshot().retries.get("rate_limited", 0)
        assert (scraped("bybit_rate_limit_wait_seconds_sum") or 0) > 0.5


# --- clients that come and go -------------------------------------------------------------


@pytest.mark.row(136)
def test_clients_that_share_a_label_add_up_and_what_was_counted_stays(
    exchange: LocalExchange, registry: CollectorRegistry, scraped: Scrape
) -> None:
    with connect(exchange, registry=registry) as one, connect(exchange, registry=registry) as two:
        one.market.get_server_time()
        two.market.get_server_time()
        assert scraped("http_pool_connections_idle") == 2
        assert scraped("http_pool_connections_limit") == 200

    for _ in range(5):
        with connect(exchange, registry=registry) as client:
            client.market.get_server_time()

    assert scraped("http_pool_connections_created_total") == 7
    labels = {"endpoint": "market.get_server_time", "outcome": "ok"}
    assert scraped("http_request_duration_seconds_count", **labels) == 7


def test_what_a_client_closes_at_its_end_is_counted_too(
    exchange: LocalExchange, registry: CollectorRegistry, scraped: Scrape
) -> None:
    with connect(exchange, registry=registry) as client:
        client.warm_up(3)

    assert scraped("http_pool_connections_created_total") == 3
    assert scraped("http_pool_connections_closed_total", reason="shutdown") == 3


def test_a_client_that_is_dropped_without_close_keeps_its_counts(
    exchange: LocalExchange, registry: CollectorRegistry, scraped: Scrape
) -> None:
    client = connect(exchange, registry=registry)
    client.market.get_server_time()
    before = exchange.connections.open
    del client

    assert scraped("http_pool_connections_active") is None
    assert scraped("http_pool_connections_created_total") == 1
    eventually(lambda: exchange.connections.open == before - 1)


def test_two_labels_stand_side_by_side(
    exchange: LocalExchange, registry: CollectorRegistry
) -> None:
    other = ClientConfig(exchange_label="sub-1")
    with (
        connect(exchange, registry=registry) as client,
        connect(exchange, registry=registry, client=other),
    ):
        client.market.get_server_time()
        name = "http_pool_connections_idle"
        assert registry.get_sample_value(name, {"exchange": "bybit"}) == 1
        assert registry.get_sample_value(name, {"exchange": "sub-1"}) == 0


def test_metrics_can_be_switched_off(exchange: LocalExchange, registry: CollectorRegistry) -> None:
    off = MetricsConfig(enabled=False)
    with connect(exchange, registry=registry, metrics=off) as client:
        client.market.get_server_time()
        client.update_pool_metrics()

    assert generate_latest(registry) == b""


def test_pushing_logs_the_pool_and_never_raises(
    exchange: LocalExchange, client: BybitClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bybit_sync.metrics")
    client.market.get_server_time()

    for _ in range(101):
        client.update_pool_metrics()

    lines = [r.getMessage() for r in caplog.records if "active 0, idle 1" in r.getMessage()]
    assert len(lines) == 2
    client.close()
    client.update_pool_metrics()

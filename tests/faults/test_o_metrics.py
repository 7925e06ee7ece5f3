"""O. Metrics: what is counted is what the server counts, and counting costs nobody a call.

Smaller runs are in tests/exchange/test_gauges.py and tests/unit/test_metrics.py.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bybit_sync import BybitClient, BybitError, MetricsConfig, RateLimitConfig, RetryConfig
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import TIME, Seen, connect, eventually, failure, is_at_rest
from tests.net.tools import Crew

LIMITER_OFF = RateLimitConfig(mode="off")
DONE = "http_request_duration_seconds_count"


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the clients of a test report."""
    return CollectorRegistry()


@pytest.fixture
def port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        found: int = sock.getsockname()[1]
        return found


def fetch(port: int) -> str:
    """What a scraper gets."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text: str = page.read().decode()
        return text


def scraped(registry: CollectorRegistry) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every series by its name and the values of its labels but for the exchange's."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = tuple(v for k, v in sorted(sample.labels.items()) if k != "exchange")
            found[sample.name, labels] = sample.value
    return found


# --- 133: ten thousand calls, every third of them in trouble ------------------------------

THREADS, WAVES, PER_WAVE, PER_KIND = 30, 10, 1_000, 60


@pytest.mark.row(133)
@pytest.mark.stress
def test_after_ten_thousand_calls_with_faults_every_count_is_the_servers(
    exchange: LocalExchange, registry: CollectorRegistry
) -> None:
    with connect(
        exchange,
        registry=registry,
        pool={"limit_per_host": 20},
        rate_limit=LIMITER_OFF,
        retry=RetryConfig(attempts=2, base_delay=0.001, max_delay=0.002, budget=0),
    ) as client:
        before, seen = exchange.connections, Seen(exchange)
        known = _faults_of(exchange)
        told = Counter[str]()
        for _ in range(WAVES):
            _arm(exchange)
            told += _wave(client)
        exchange.faults.clear()
        happened = _faults_of(exchange) - known
        stats, server, arrived = client.pool_stats(), exchange.connections, seen.count()
        calls, series = client.pipeline.hooks.snapshot(), scraped(registry)
        retries, attempts = calls.retries, sum(calls.attempts.values())

        assert sum(told.values()) == THREADS * (PER_WAVE // THREADS) * WAVES
        assert sum(happened.values()) == 5 * PER_KIND * WAVES
        # Connections, as the server has counted them.
        assert server.opened - before.opened == stats.created
        assert server.tls_handshakes - before.tls_handshakes == stats.tls_handshakes
        assert stats.created - sum(stats.closed.values()) == stats.idle <= 20
        eventually(lambda: exchange.connections.open - before.open == stats.idle)
        # Requests: every use of a connection arrived.
        assert stats.created + stats.reused == arrived
        # Attempts; a read whose kept connection was closed is repeated below them.
        assert attempts == sum(told.values()) + sum(retries.values())
        dropped = happened["drop_after_accept"]
        assert arrived - attempts == dropped - retries.get("read", 0) - told["ConnectionLostError"]
        # Errors and retries, each by what caused it.
        assert retries.get("http_5xx", 0) + told["BadAnswerError 503"] == happened["http_status"]
        assert told["ParameterError"] == happened["ret_code"]
        assert told["BadAnswerError 200"] + told["BadAnswerError None"] == (
            happened["html"] + happened["cut_body"]
        )
        # And what a scraper reads is the same.
        outcomes = Counter(
            {labels[1]: n for (name, labels), n in series.items() if name == DONE and n}
        )
        bad = sum(count for name, count in told.items() if name.startswith("BadAnswer"))
        assert outcomes["ok"] == told["ok"]
        assert outcomes["api_error"] == told["ParameterError"]
        assert outcomes["bad_answer"] == bad
        assert outcomes["transport_error"] == told["ConnectionLostError"]
        for reason, count in retries.items():
            assert series["http_request_retries_total", (reason,)] == count
        for reason, count in stats.closed.items():
            assert series["http_pool_connections_closed_total", (reason,)] == count
        assert series["http_pool_connections_created_total", ()] == stats.created
        assert series["http_pool_connections_reused_total", ()] == stats.reused
        assert series["http_pool_connections_active", ()] == 0
        assert series["http_pool_requests_waiting", ()] == 0


def _faults_of(exchange: LocalExchange) -> Counter[str]:
    """How often each kind came true on the path of the calls."""
    rows = exchange.faults.counts()
    return Counter({row["kind"]: row["count"] for row in rows if row["path"] == TIME})


def _arm(exchange: LocalExchange) -> None:
    faults = exchange.faults
    faults.http_status(TIME, 503, times=PER_KIND)
    faults.ret_code(TIME, 10001, times=PER_KIND, skip=40)
    faults.drop_after_accept(TIME, times=PER_KIND, skip=80)
    faults.html(TIME, times=PER_KIND, skip=120)
    faults.cut_body(TIME, times=PER_KIND, skip=160)


def _wave(client: BybitClient) -> Counter[str]:
    """What the callers of one wave were told."""
    told: Counter[str] = Counter()
    lock = threading.Lock()

    def work() -> None:
        own: Counter[str] = Counter()
        for _ in range(PER_WAVE // THREADS):
            try:
                client.market.get_server_time()
                own["ok"] += 1
            except BybitError as error:
                own[_name(error)] += 1
        with lock:
            told.update(own)

    with Crew() as crew:
        crew.start(work, times=THREADS)
        crew.join(60)
    return told


def _name(error: BybitError) -> str:
    name = type(error).__name__
    return f"{name} {error.status_code}" if name == "BadAnswerError" else name


# --- 134: series --------------------------------------------------------------------------


@pytest.mark.row(134)
def test_a_thousand_ids_symbols_and_paths_make_no_series(
    exchange: LocalExchange, registry: CollectorRegistry
) -> None:
    with connect(exchange, registry=registry, rate_limit=LIMITER_OFF) as client:

        def ask(number: int) -> None:
            failure(lambda: client.market.get_tickers(category="spot", symbol=f"S{number}"))
            failure(lambda: client.request("GET", f"/v5/nothing/{number}"))
            client.trade.get_open_orders(category="spot", orderLinkId=f"id-{number}")

        ask(0)
        before = set(scraped(registry))
        for number in range(1, 1_000):
            ask(number)

        assert set(scraped(registry)) == before


# --- 135: scrapers ------------------------------------------------------------------------

SCRAPER = """
import sys, urllib.request
while True:
    with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics", timeout=60) as page:
        page.read()
    print("scraped", flush=True)
"""


@pytest.fixture
def scraper(port: int) -> Iterator[subprocess.Popen[str]]:
    """A scraper in a process of its own, not started until the exporter is there."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.readline()\n" + SCRAPER, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        yield process
        process.kill()
        process.send_signal(signal.SIGCONT)


@pytest.mark.row(135)
@pytest.mark.stress
def test_scrapes_and_a_scraper_that_is_stopped_cost_no_call(
    exchange: LocalExchange,
    registry: CollectorRegistry,
    port: int,
    scraper: subprocess.Popen[str],
) -> None:
    settings = MetricsConfig(port=port)
    with connect(exchange, registry=registry, metrics=settings, rate_limit=LIMITER_OFF) as client:
        assert scraper.stdin is not None
        assert scraper.stdout is not None
        scraper.stdin.write("go\n")
        scraper.stdin.flush()
        assert scraper.stdout.readline() == "scraped\n"
        with Crew() as crew:
            crew.start(lambda: [client.market.get_server_time() for _ in range(20)], times=100)
            eventually(lambda: client.pool_stats().active > 0)
            scraper.send_signal(signal.SIGSTOP)
            for _ in range(5):
                assert "http_pool_connections_active" in fetch(port)
            crew.join(60)

        assert sum(len(done) for done in crew.results) == 2_000
        assert scraped(registry)[DONE, ("market.get_server_time", "ok")] == 2_000
        assert is_at_rest(client)
        started = time.monotonic()
    assert time.monotonic() - started < 5.0  # the stopped one is not waited for


@pytest.mark.row(135)
def test_a_port_that_another_process_has_costs_one_warning(
    exchange: LocalExchange,
    registry: CollectorRegistry,
    port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", port)):
        settings = MetricsConfig(port=port)
        with connect(exchange, registry=registry, metrics=settings) as client, Crew() as crew:
            crew.start(client.market.get_server_time, times=100)
            crew.join(60)
            client.update_pool_metrics()

    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [str(port) in record.getMessage() for record in told] == [True]


# --- 136: many clients, one registry ------------------------------------------------------


@pytest.mark.row(136)
def test_clients_made_again_a_hundred_times_lose_no_count(
    exchange: LocalExchange, registry: CollectorRegistry
) -> None:
    for number in range(100):
        with connect(exchange, registry=registry) as client:
            client.market.get_server_time()
            if number % 10 == 0:
                with connect(exchange, registry=registry) as second:
                    second.market.get_server_time()

    series = scraped(registry)
    assert series[DONE, ("market.get_server_time", "ok")] == 110
    assert series["http_pool_connections_created_total", ()] == 110
    assert series["http_pool_connections_closed_total", ("shutdown",)] == 110


@pytest.mark.row(136)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_clients_go_on_counting_on_both_sides_of_a_fork(
    exchange: LocalExchange, registry: CollectorRegistry
) -> None:
    with connect(exchange, registry=registry) as one, connect(exchange, registry=registry) as two:
        one.market.get_server_time()
        two.market.get_server_time()
        child = os.fork()
        if child == 0:
            os._exit(_count_in_the_child(one, two, exchange, registry))
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        one.market.get_server_time()
        assert scraped(registry)[DONE, ("market.get_server_time", "ok")] == 3


def _count_in_the_child(
    one: BybitClient, two: BybitClient, exchange: LocalExchange, registry: CollectorRegistry
) -> int:
    """What the forked process does; its exit code."""
    signal.alarm(20)  # a child that hangs must end
    try:
        one.market.get_server_time()
        two.market.get_server_time()
        with connect(exchange, registry=registry) as third:
            third.market.get_server_time()
        counted: Any = scraped(registry)[DONE, ("market.get_server_time", "ok")]
    except BaseException:
        return 1
    return 0 if counted == 2 + 3 else 2

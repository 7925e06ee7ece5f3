"""The exporter: its three pages, who shares it, and that nobody who reads can hold anybody up."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from wsgiref.simple_server import WSGIServer, demo_app

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.parser import text_string_to_metric_families

from bybit_sync import ClientConfig, MetricsConfig
from bybit_sync.metrics import server
from bybit_sync.simulator import LocalExchange
from tests.conftest import FakeClock

from .tools import RESTING, connect, eventually


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the clients of a test report."""
    return CollectorRegistry()


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else has."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def fetch(port: int, path: str = "/metrics") -> str:
    """What a scraper gets, or another reader."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as page:
        text: str = page.read().decode()
        return text


def test_an_exporter_serves_the_metrics_until_the_client_is_closed(
    exchange: LocalExchange, registry: CollectorRegistry, free_port: int
) -> None:
    settings = MetricsConfig(port=free_port)
    with connect(exchange, registry=registry, metrics=settings) as client:
        client.market.get_server_time()
        assert 'http_pool_connections_idle{exchange="bybit"} 1.0' in fetch(free_port)
    with pytest.raises(OSError, match="refused"):
        fetch(free_port)


@pytest.mark.row(135)
def test_a_port_that_is_taken_costs_one_warning_and_no_call(
    exchange: LocalExchange,
    registry: CollectorRegistry,
    taken_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = MetricsConfig(port=taken_port)
    with connect(exchange, registry=registry, metrics=settings) as client:
        for _ in range(3):
            client.market.get_server_time()
            client.update_pool_metrics()

    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert str(taken_port) in warnings[0].getMessage()


def test_a_second_client_with_the_same_port_is_served_there_too(
    exchange: LocalExchange, registry: CollectorRegistry, free_port: int
) -> None:
    settings = MetricsConfig(port=free_port)
    with (
        connect(exchange, registry=registry, metrics=settings),
        connect(exchange, registry=registry, metrics=settings) as second,
    ):
        second.market.get_server_time()
        assert 'http_pool_connections_idle{exchange="bybit"} 1.0' in fetch(free_port)


def test_what_is_served_goes_on_when_the_first_client_is_closed_and_ends_with_the_last(
    exchange: LocalExchange,
    registry: CollectorRegistry,
    free_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = MetricsConfig(port=free_port)
    first = connect(exchange, registry=registry, metrics=settings)
    with connect(exchange, registry=registry, metrics=settings) as second:
        first.close()
        first.close()
        second.market.get_server_time()
        assert 'http_pool_connections_idle{exchange="bybit"} 1.0' in fetch(free_port)
    with pytest.raises(OSError, match="refused"):
        fetch(free_port)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_clients_one_after_another_have_the_port_each(
    exchange: LocalExchange,
    registry: CollectorRegistry,
    free_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(5):
        with connect(exchange, registry=registry, metrics=MetricsConfig(port=free_port)):
            fetch(free_port)

    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_clients_of_two_registries_on_one_port_are_shown_together(
    exchange: LocalExchange, registry: CollectorRegistry, free_port: int
) -> None:
    settings, other = MetricsConfig(port=free_port), CollectorRegistry()
    Gauge("mine", "One registry's own.", registry=registry).set(1)
    Gauge("mine", "The other's, of the same name.", registry=other).set(2)
    Counter("theirs", "The other's alone.", registry=other).inc(3)
    with (
        connect(exchange, registry=registry, metrics=settings) as one,
        connect(exchange, registry=other, metrics=settings) as two,
        connect(exchange, registry=other, client=ClientConfig(exchange_label="sub")) as three,
    ):
        for client in (one, two, three):
            client.market.get_server_time()
        text = fetch(free_port)
        samples = [
            ((each.name, *sorted(each.labels.items())), each.value)
            for family in text_string_to_metric_families(text)
            for each in family.samples
        ]
        values = dict(samples)
        assert len(values) == len(samples)
        assert values["http_pool_connections_idle", ("exchange", "bybit")] == 2
        assert values["http_pool_connections_idle", ("exchange", "sub")] == 1
        assert values[("mine",)] == 1
        assert values[("theirs_total",)] == 3
        status = json.loads(fetch(free_port, "/status.json"))
        idle = {each["exchange"]: each["pool"]["idle"] for each in status["exchanges"]}
        assert idle == {"bybit": 2, "sub": 1}
        chosen = fetch(free_port, "/metrics?name[]=http_pool_connections_idle&name[]=mine")
        assert [line for line in chosen.splitlines() if not line.startswith("#")] == [
            'http_pool_connections_idle{exchange="bybit"} 2.0',
            'http_pool_connections_idle{exchange="sub"} 1.0',
            "mine 1.0",
        ]


def test_the_status_says_what_the_pool_and_the_calls_say(
    exchange: LocalExchange, registry: CollectorRegistry, free_port: int
) -> None:
    settings = MetricsConfig(port=free_port)
    with connect(exchange, registry=registry, metrics=settings) as client:
        client.trade.place_order(**RESTING)
        client.market.get_server_time()
        (status,) = json.loads(fetch(free_port, "/status.json"))["exchanges"]
        stats = client.pool_stats()

    (host,) = status["hosts"]
    assert [host["host"]] == list(stats.hosts)
    assert (host["active"], host["idle"], host["limit"]) == (0, 1, 30)
    assert (status["pool"]["created"], status["pool"]["reused"]) == (1, 1)
    ends = {each["endpoint"]: each["outcomes"] for each in status["endpoints"]}
    assert ends == {"market.get_server_time": {"ok": 1}, "trade.place_order": {"ok": 1}}
    assert abs(status["clock_offset_seconds"]) < 0.5
    assert status["ban"] == {"is_banned": False, "remaining_seconds": 0.0}


def test_nothing_that_is_served_holds_a_key(
    exchange: LocalExchange, registry: CollectorRegistry, free_port: int
) -> None:
    settings = MetricsConfig(port=free_port)
    with connect(exchange, registry=registry, metrics=settings) as client:
        client.trade.place_order(**RESTING)
        served = "".join(fetch(free_port, path) for path in ("/", "/status.json", "/metrics"))

    assert "trade.place_order" in served
    assert exchange.api_key not in served
    assert exchange.api_secret not in served


# --- readers that are slow, rude or many --------------------------------------------------


def test_readers_that_ask_nothing_keep_neither_scraper_nor_calls_nor_the_end_waiting(
    exchange: LocalExchange, registry: CollectorRegistry, free_port: int
) -> None:
    settings = MetricsConfig(port=free_port)
    slow = []
    try:
        with connect(exchange, registry=registry, metrics=settings) as client:
            for start in (b"", b"GET /metrics HTTP/1.1\r\nHos"):
                for _ in range(10):
                    reader = socket.create_connection(("127.0.0.1", free_port), timeout=5)
                    slow.append(reader)
                    reader.sendall(start)
            client.market.get_server_time()
            assert "http_pool" in fetch(free_port)
            began = time.monotonic()
        assert time.monotonic() - began < server.PATIENCE / 2  # it does not wait for them
        for reader in slow:
            assert _is_ended(reader)
    finally:
        for reader in slow:
            reader.close()


def test_of_too_many_readers_the_oldest_are_cut_off_and_a_scraper_gets_in(
    exchange: LocalExchange, registry: CollectorRegistry, free_port: int
) -> None:
    settings = MetricsConfig(port=free_port)
    slow = []
    try:
        with connect(exchange, registry=registry, metrics=settings):
            for _ in range(server.MOST_READERS + 5):
                slow.append(socket.create_connection(("127.0.0.1", free_port), timeout=5))
            assert "http_pool" in fetch(free_port)
            assert all(_is_ended(reader) for reader in slow[:5])
    finally:
        for reader in slow:
            reader.close()


def test_a_reader_that_leaves_in_the_middle_is_no_news(
    exchange: LocalExchange,
    registry: CollectorRegistry,
    free_port: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings = MetricsConfig(port=free_port)
    with connect(exchange, registry=registry, metrics=settings):
        for ask in (b"GET / HTTP/1.1\r\n\r\n", b"GET /metr", b"\x00\xff\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", free_port), timeout=5) as reader:
                reader.sendall(ask)
                reader.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                )  # leaves with a reset
        assert "http_pool" in fetch(free_port)

    assert not [
        r for r in caplog.records if r.levelno > logging.DEBUG and "metrics on" not in r.msg
    ]
    assert capfd.readouterr().err == ""


def test_without_descriptors_it_pauses_and_serves_once_there_are_some(
    clock: FakeClock, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    serving = server.Server(("127.0.0.1", free_port), demo_app, clock)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(WSGIServer, "get_request", none_left)
            with socket.create_connection(("127.0.0.1", free_port), timeout=5):
                eventually(lambda: len(clock.slept) > 2)
        assert set(clock.slept) == {0.1}
        assert "Hello world!" in fetch(free_port)
    finally:
        serving.close()


def _is_ended(reader: socket.socket) -> bool:
    try:
        return reader.recv(1) == b""
    except ConnectionError:
        return True


# --- forks --------------------------------------------------------------------------------


@pytest.mark.row(136)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_of_a_client_with_an_exporter_can_be_closed(
    exchange: LocalExchange, registry: CollectorRegistry, free_port: int
) -> None:
    settings = MetricsConfig(port=free_port)
    with connect(exchange, registry=registry, metrics=settings) as client:
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # a child that hangs must end
            client.close()
            os._exit(0)
        _ends(child)
        assert "http_pool" in fetch(free_port)


def _ends(child: int) -> None:
    """Wait for a forked process; one that hangs is ended and fails the test."""
    try:
        eventually(lambda: os.waitpid(child, os.WNOHANG)[0] == child)
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_that_lives_on_does_not_hold_the_port(
    exchange: LocalExchange, registry: CollectorRegistry, free_port: int
) -> None:
    settings = MetricsConfig(port=free_port)
    release, hold = os.pipe()
    with connect(exchange, registry=registry, metrics=settings):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os.close(hold)
            os.read(release, 1)
            os._exit(0)
    try:
        eventually(lambda: _refuses(free_port))
    finally:
        os.close(hold)
        os.close(release)
        _ends(child)


def _refuses(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED

"""What the project was asked for first: six promises about the pool, each in one test."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry
from requests.adapters import HTTPAdapter

from bybit_sync import (
    BybitClient,
    Config,
    ConfigError,
    ConnectionPoolConfig,
    TlsConfig,
    TransportError,
)
from bybit_sync.simulator import LocalExchange

SEED_DEFAULTS = {
    "limit": 100,
    "limit_per_host": 30,
    "connect_timeout": 10.0,
    "sock_read_timeout": 30.0,
    "total_timeout": 60.0,
    "ttl_dns_cache": 300,
    "keepalive_timeout": 30.0,
    "enable_cleanup_closed": True,
    "force_close": False,
}


def test_connection_pool_config_defaults():
    pool = ConnectionPoolConfig()

    assert {name: getattr(pool, name) for name in SEED_DEFAULTS} == SEED_DEFAULTS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", 0),
        ("limit", -1),
        ("limit", True),
        ("limit", "100"),
        ("limit_per_host", 0),
        ("connect_timeout", -1.0),
        ("sock_read_timeout", 0),
        ("total_timeout", float("nan")),
        ("total_timeout", float("inf")),
        ("keepalive_timeout", -0.1),
        ("ttl_dns_cache", -1),
        ("force_close", "yes"),
        ("enable_cleanup_closed", 1),
    ],
)
def test_connection_pool_config_validation(field, value):
    with pytest.raises(ConfigError, match=field):
        ConnectionPoolConfig(**{field: value})


def test_connector_uses_pool_config(exchange):
    pool = ConnectionPoolConfig(limit=7, limit_per_host=3)
    with client_on(exchange, pool) as client:
        opened_before = exchange.connections.opened
        with ThreadPoolExecutor(12) as threads:
            for _ in range(4):
                list(threads.map(lambda _: client.market.get_server_time(), range(12)))
        stats = client.pool_stats()

        assert exchange.connections.opened - opened_before == stats.created <= 3
        assert stats.reused >= 4 * 12 - 3
        adapter = client.session.get_adapter(exchange.url)
        assert adapter is client.adapter
        assert isinstance(adapter, HTTPAdapter)
        assert (adapter._pool_connections, adapter._pool_maxsize, adapter._pool_block) == (
            7,
            3,
            True,
        )
        assert (stats.limit, stats.limit_per_host) == (7, 3)


def test_timeouts_are_applied():
    pool = ConnectionPoolConfig(connect_timeout=0.3, sock_read_timeout=0.2, total_timeout=0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config = Config(connection_pool=pool)
        with BybitClient(base_url=base_url, config=config) as client:
            started = time.monotonic()
            with pytest.raises(TransportError) as failure:
                client.market.get_server_time()
            elapsed = time.monotonic() - started

            assert elapsed <= pool.total_timeout * 1.1 + 0.05
            assert failure.value.phase in ("read", "backoff")
            assert client.pool_stats().active == 0


def test_update_pool_metrics(exchange):
    registry = CollectorRegistry()

    def gauge(name):
        return registry.get_sample_value(name, {"exchange": "bybit"})

    with client_on(exchange, ConnectionPoolConfig(limit=9, limit_per_host=2), registry) as client:
        exchange.faults.late("/v5/market/time", seconds=0.6, times=2)
        callers = [threading.Thread(target=client.market.get_server_time) for _ in range(5)]
        for caller in callers:
            caller.start()
        wait_until(lambda: client.pool_stats().waiting == 3)
        client.update_pool_metrics()

        assert gauge("http_pool_connections_active") == 2
        assert gauge("http_pool_requests_waiting") == 3
        assert gauge("http_pool_connections_limit") == 9
        for caller in callers:
            caller.join()
        client.update_pool_metrics()
        assert gauge("http_pool_connections_active") == 0
        assert gauge("http_pool_requests_waiting") == 0
        assert gauge("http_pool_connections_idle") == 2


def test_works_without_config(exchange):
    with BybitClient() as client:
        assert client.base_url == "https://api.bybit.com"
        assert client.config == Config()
    with BybitClient(base_url=exchange.url) as client, pytest.raises(TransportError):
        client.market.get_server_time()  # the exchange's certificate is its own: not trusted
    with BybitClient.local() as client:
        assert int(client.market.get_server_time().result["timeSecond"]) > 0


def client_on(
    exchange: LocalExchange,
    pool: ConnectionPoolConfig,
    registry: CollectorRegistry | None = None,
) -> BybitClient:
    config = Config(connection_pool=pool, tls=TlsConfig(ca_file=exchange.ca_file))
    return BybitClient(
        exchange.api_key,
        exchange.api_secret,
        base_url=exchange.url,
        config=config,
        registry=registry,
    )


def wait_until(condition, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)

"""Clients that name a store share it, and let it go."""

from __future__ import annotations

import multiprocessing
import socket
import sys
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry

from bybit_sync import (
    BybitClient,
    Config,
    ConfigError,
    ConnectionPoolConfig,
    RateLimitConfig,
    TlsConfig,
)
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import eventually

from .conftest import RedisServer

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def asked(redis_server: RedisServer) -> Any:
    """A connection of the test's own."""
    with redis.Redis(port=redis_server.port) as own:
        yield own


def connect(exchange: LocalExchange, store: str, source: str = "") -> BybitClient:
    config = Config(
        tls=TlsConfig(ca_file=exchange.ca_file or ""),
        rate_limit=RateLimitConfig(store=store),
        connection_pool=ConnectionPoolConfig(source_address=source),
    )
    return BybitClient(
        exchange.api_key,
        exchange.api_secret,
        base_url=exchange.url,
        config=config,
        registry=CollectorRegistry(),
    )


def ask(client: BybitClient) -> None:
    client.trade.get_open_orders(category="linear", symbol="BTCUSDT")


def test_the_account_is_counted_for_all_and_the_address_for_this_machine(
    exchange: LocalExchange, redis_server: RedisServer, asked: Any
) -> None:
    with connect(exchange, redis_server.url, "127.0.0.1") as client:
        ask(client)

    names = {name.decode() for name in asked.keys("*:standing")}
    (own,) = [name for name in names if "get_open_orders" in name]
    (address,) = [name for name in names if "get_open_orders" not in name]
    assert socket.gethostname() not in own
    assert f"from 127.0.0.1 on {socket.gethostname()}" in address
    assert exchange.api_key not in "".join(names)
    assert all(asked.zcard(name) == 1 for name in names)


def test_clients_of_a_process_share_one_store_and_the_last_one_lets_it_go(
    exchange: LocalExchange, redis_server: RedisServer, asked: Any
) -> None:
    one, other = connect(exchange, redis_server.url), connect(exchange, redis_server.url)
    ask(one)
    ask(other)
    assert one._store.windows is other._store.windows
    assert len(asked.client_list()) == 2

    one.close()
    one.close()
    ask(other)
    assert len(asked.client_list()) == 2
    other.close()
    eventually(lambda: len(asked.client_list()) == 1)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_is_a_process_of_its_own(
    exchange: LocalExchange, redis_server: RedisServer, asked: Any
) -> None:
    with connect(exchange, redis_server.url) as client:
        ask(client)
        child = multiprocessing.get_context("fork").Process(target=ask, args=(client,))
        child.start()
        child.join(30)
        ask(client)

    assert child.exitcode == 0
    (members,) = asked.keys("*get_open_orders*:members")
    assert asked.zcard(members) == 2


def test_without_the_package_the_setting_says_what_to_install(
    exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(ConfigError, match=r'pip install "bybit-sync\[cluster\]"'):
        connect(exchange, "redis://127.0.0.1:1/0")

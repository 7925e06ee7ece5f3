"""Idle connections that are kept warm with small requests."""

from __future__ import annotations

import threading

import pytest

from bybit_sync import ConfigError, ConnectionPoolConfig
from bybit_sync.net.pinger import ping_idle
from bybit_sync.net.session import PooledSession
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import connect

from . import servers
from .conftest import MakeSession, Serve
from .tools import Crew, eventually, is_at_rest, send

HEAD = b"GET /time HTTP/1.1\r\nHost: here\r\n"


def ping(session: PooledSession, url: str) -> int:
    adapter = session.adapter
    pool = adapter.pool_for(url)
    return ping_idle(pool, adapter._slots, HEAD, adapter.pool_config, adapter._clock)


def test_every_connection_that_was_idle_for_long_enough_is_pinged_once(
    make_session: MakeSession, serve: Serve
) -> None:
    server = serve(servers.answering())
    session = make_session(ping_interval=0.05)
    session.warm_up(server.url, 3)
    threading.Event().wait(0.06)

    assert ping(session, server.url) == 3
    assert ping(session, server.url) == 0  # they have just been heard

    assert server.targets() == ["/time"] * 3
    assert is_at_rest(session)
    assert session.adapter.stats().idle == 3


def test_a_connection_that_does_not_answer_is_closed_and_its_slot_is_back(
    make_session: MakeSession, serve: Serve
) -> None:
    server = serve(servers.answering_then(servers.silent))
    session = make_session(ping_interval=0.01, sock_read_timeout=0.1)
    send(session, server.url)
    threading.Event().wait(0.02)

    assert ping(session, server.url) == 0

    stats = session.adapter.stats()
    assert (stats.active, stats.idle, stats.closed) == (0, 0, {"error": 1})


def test_a_caller_who_waits_comes_before_a_ping(make_session: MakeSession, serve: Serve) -> None:
    server = serve(servers.answering(after=0.1))
    session = make_session(limit_per_host=1, ping_interval=0.01)
    with Crew() as crew:
        crew.start(lambda: send(session, server.url), times=3)
        eventually(lambda: session.adapter.stats().waiting >= 1)
        assert ping(session, server.url) == 0

    assert server.targets() == ["/"] * 3


def test_a_client_that_asks_for_pings_keeps_its_connections_past_the_servers_patience(
    exchange: LocalExchange,
) -> None:
    with connect(exchange, pool={"ping_interval": 0.1, "keepalive_timeout": 0.4}) as client:
        client.market.get_server_time()
        threading.Event().wait(1.0)
        stats = client.pool_stats()

        assert (stats.idle, stats.created) == (1, 1)
    assert "bybit_sync-pinger" not in {thread.name for thread in threading.enumerate()}


def test_pings_rarer_than_the_keep_alive_are_refused() -> None:
    with pytest.raises(ConfigError, match="ping_interval: 30 is not below"):
        ConnectionPoolConfig(ping_interval=30.0)

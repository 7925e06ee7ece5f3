"""Connections that are open before they are needed."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from bybit_sync.exceptions import ClientClosedError, ConfigError, ConnectError, DnsError
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve
from .servers import Peer
from .tools import Crew, eventually, is_at_rest, send


def test_warm_up_opens_as_many_connections_as_asked(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering())

    assert session.warm_up(server.url, 7) == 7

    stats = session.adapter.stats()
    assert (stats.idle, stats.created, stats.active) == (7, 7, 0)
    eventually(lambda: server.handshakes == 7)
    assert server.requests == []


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_the_first_calls_after_it_open_nothing(
    tls: bool, session: PooledSession, serve: Serve
) -> None:
    """TLS 1.3 sends session tickets behind the handshake: they must not look like a close."""
    server = serve(servers.answering(), tls=tls)
    session.warm_up(server.url, 4)
    meet = threading.Barrier(4)
    threading.Event().wait(0.05)  # the tickets are there

    def sign() -> dict[str, str]:
        meet.wait(5)  # all four hold a connection at once
        return {}

    with Crew() as crew:
        crew.start(lambda: send(session, server.url, "POST", sign=sign), times=4)

    assert server.accepted == 4
    assert session.adapter.stats().reused == 4
    if tls:
        assert server.tls is not None
        [conn, *_] = session.adapter._slots.idle_connections()
        assert conn.sock.version() == "TLSv1.3"


def test_the_keeper_does_not_take_session_tickets_for_a_close(
    make_session: MakeSession, serve: Serve
) -> None:
    from bybit_sync.net.keeper import sweep

    session = make_session()
    server = serve(servers.answering())
    session.warm_up(server.url, 3)
    adapter = session.adapter
    for _ in range(10):
        threading.Event().wait(0.01)
        assert sweep(adapter._slots, adapter.pool_config, adapter._clock) == 0

    assert adapter.stats().idle == 3


def test_warm_up_stops_at_the_caps(make_session: MakeSession, serve: Serve) -> None:
    server = serve(servers.answering())

    assert make_session(limit_per_host=3).warm_up(server.url, 50) == 3
    assert make_session(limit=2, limit_per_host=2).warm_up(server.url, 50) == 2


def test_warm_up_counts_connections_that_are_open_already(
    session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering())

    assert session.warm_up(server.url, 3) == 3
    assert session.warm_up(server.url, 2) == 2
    assert session.warm_up(server.url, 5) == 5

    assert session.adapter.stats().created == 5


def test_warm_up_takes_no_connection_from_callers(make_session: MakeSession, serve: Serve) -> None:
    session = make_session(limit_per_host=2)
    release = threading.Event()

    def answering_late(peer: Peer) -> None:
        while peer.read_request() is not None:
            release.wait(10)
            peer.answer()

    server = serve(answering_late)
    with Crew() as crew:
        crew.start(lambda: send(session, server.url))
        eventually(lambda: server.requests)
        assert session.warm_up(server.url, 2) == 1
        crew.start(lambda: send(session, server.url), times=2)
        eventually(lambda: session.adapter.stats().waiting == 1)
        assert session.warm_up(server.url, 2) == 0
        release.set()

    assert is_at_rest(session)


def test_warm_up_replaces_what_the_server_has_closed(session: PooledSession, serve: Serve) -> None:
    server = serve(lambda peer: peer.handshake() if peer.index < 3 else servers.answering()(peer))
    session.warm_up(server.url, 3)
    eventually(lambda: server.open == 0)

    assert session.warm_up(server.url, 3) == 3

    stats = session.adapter.stats()
    assert (stats.created, stats.idle) == (6, 3)
    assert sum(stats.closed.values()) == 3
    assert send(session, server.url).status == 200


def test_warm_up_tells_how_many_could_be_opened(session: PooledSession, serve: Serve) -> None:
    server = serve(
        lambda peer: (servers.answering() if peer.index % 2 else servers.closing_at_accept)(peer)
    )

    assert session.warm_up(server.url, 6) == 3

    assert is_at_rest(session)


def test_warm_up_that_opens_nothing_raises(session: PooledSession, plain: Any) -> None:
    with pytest.raises(ConnectError):
        session.warm_up(servers.refused_url("https"), 3)
    with pytest.raises(DnsError):
        session.warm_up("https://does-not-exist.invalid", 3)
    adapter = plain.get_adapter("https://")
    with pytest.raises(requests.exceptions.ConnectionError):
        adapter.warm_up(servers.refused_url("https"), 3)

    assert is_at_rest(session)


def test_warm_up_without_pooling_opens_nothing(make_session: MakeSession, serve: Serve) -> None:
    server = serve(servers.answering())

    assert make_session(force_close=True).warm_up(server.url, 3) == 0
    assert server.accepted == 0


@pytest.mark.parametrize("number", [-1, True, 1.5, "3", None])
def test_a_number_that_is_none_is_refused(number: Any, session: PooledSession) -> None:
    with pytest.raises(ConfigError, match="warm_up"):
        session.warm_up("https://127.0.0.1", number)


@pytest.mark.parametrize(
    "url", ["", "ftp://host", "https://", "host:443", "https://[x", "http://a:b"]
)
def test_an_url_that_is_none_is_refused(url: str, session: PooledSession) -> None:
    with pytest.raises(ConfigError):
        session.adapter.warm_up(url, 1)


def test_warm_up_of_nothing_is_nothing(session: PooledSession, serve: Serve) -> None:
    assert session.warm_up(serve(servers.answering()).url, 0) == 0


def test_warm_up_after_close_is_refused(session: PooledSession) -> None:
    session.close()

    with pytest.raises(ClientClosedError):
        session.warm_up("https://127.0.0.1", 1)
    with pytest.raises(ClientClosedError):
        session.adapter.warm_up("https://127.0.0.1", 1)


def test_a_plain_session_uses_what_was_warmed(plain: requests.Session, serve: Serve) -> None:
    server = serve(servers.answering())
    adapter: Any = plain.get_adapter(server.url)

    assert adapter.warm_up(server.url + "/any/path", 2) == 2
    plain.get(server.url)

    assert server.accepted == 2

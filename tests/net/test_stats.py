"""What ``stats()`` says is what the server and the kernel count."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
import requests

from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve
from .servers import Peer, connections_in_kernel
from .tools import Crew, eventually, failure, open_sockets, send


def test_in_flight_idle_and_waiting_are_what_server_and_kernel_count(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit_per_host=5)
    stats = session.adapter.stats
    release = threading.Event()

    def answering_late(peer: Peer) -> None:
        while peer.read_request() is not None:
            release.wait(10)
            peer.answer()

    server = serve(answering_late)
    before = open_sockets()
    with Crew() as crew:
        for flying in (1, 3, 5):
            crew.start(lambda: send(session, server.url), times=flying - stats().active)
            eventually(lambda flying=flying: len(server.requests) == flying)
            now = stats()
            assert (now.active, now.idle, now.waiting) == (flying, 0, 0)
            assert connections_in_kernel(server.port) == server.open == flying
            assert open_sockets() - before == 2 * flying  # both ends are ours
        crew.start(lambda: send(session, server.url), times=7)
        eventually(lambda: stats().waiting == 7)
        assert stats().active == 5
        assert connections_in_kernel(server.port) == 5
        release.set()

    now = stats()
    assert (now.active, now.idle, now.waiting) == (0, 5, 0)
    assert connections_in_kernel(server.port) == server.open == 5
    assert now.created == now.tls_handshakes == server.accepted == server.handshakes == 5
    assert now.created + now.reused == len(server.requests) == 12
    assert now.waits.count == 7
    assert 0 < now.wait_seconds_max <= now.waits.sum
    assert now.connect_seconds > 0


def test_every_host_is_shown_by_itself_and_the_whole_is_their_sum(
    session: PooledSession, serve: Serve
) -> None:
    first, second = serve(servers.answering()), serve(servers.answering(), tls=False)
    for url in (first.url, first.url, second.url, second.named_url):
        send(session, url)

    stats = session.adapter.stats()

    assert set(stats.hosts) == {
        f"127.0.0.1:{first.port}",
        f"127.0.0.1:{second.port}",
        f"localhost:{second.port}",
    }
    hosts = stats.hosts.values()
    assert stats.created == sum(host.created for host in hosts) == 3
    assert stats.reused == sum(host.reused for host in hosts) == 1
    assert stats.idle == sum(host.idle for host in hosts) == 3
    assert stats.tls_handshakes == 1
    assert {host.limit for host in hosts} == {stats.limit_per_host}
    assert stats.limit == session.adapter.pool_config.limit


def test_a_connection_that_is_being_opened_counts_as_active(
    session: PooledSession, serve: Serve
) -> None:
    shake = threading.Event()

    def shaking_late(peer: Peer) -> None:
        shake.wait(10)
        servers.answering()(peer)

    server = serve(shaking_late)
    with Crew() as crew:
        crew.start(lambda: send(session, server.url))
        eventually(lambda: server.accepted)
        stats = session.adapter.stats()
        shake.set()

    assert (stats.active, stats.idle, stats.created) == (1, 0, 0)


def test_opened_less_closed_is_what_is_open(make_session: MakeSession, serve: Serve) -> None:
    """The books balance after every kind of end."""
    session = make_session(limit=6, limit_per_host=3)
    fine = serve(servers.answering())
    fickle = serve(
        lambda peer: (
            servers.closing_when_asked,
            servers.answering(headers="Connection: close\r\n"),
            servers.sending(servers.OK + b"Content-Length: 9\r\n\r\nx"),
            servers.answering(),
        )[peer.index % 4](peer),
        tls=False,
    )
    outcomes: Counter[str] = Counter()

    def work() -> None:
        for _ in range(10):
            send(session, fine.url)
            try:
                send(session, fickle.url, "POST")
                outcomes["good"] += 1
            except Exception as error:
                outcomes[type(error).__name__] += 1

    with Crew() as crew:
        crew.start(work, times=8)

    stats = session.adapter.stats()
    assert sum(outcomes.values()) == 80
    assert (stats.active, stats.waiting) == (0, 0)
    assert stats.created - sum(stats.closed.values()) == stats.idle
    assert stats.created == fine.accepted + fickle.accepted
    eventually(lambda: fine.open + fickle.open == stats.idle)


def test_a_streamed_answer_is_active_until_it_is_read(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering(b"x" * 200_000))

    with session.session.get(server.url, stream=True) as response:
        assert (session.adapter.stats().active, session.adapter.stats().idle) == (1, 0)
        assert len(response.content) == 200_000
        assert (session.adapter.stats().active, session.adapter.stats().idle) == (0, 1)


@pytest.mark.parametrize("script", [servers.closing_at_accept, servers.stalling])
def test_a_connection_whose_handshake_failed_was_opened_and_closed(
    script: servers.Script, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(connect_timeout=0.1)

    server = serve(script)
    failure(session, server.url)
    failure(session, servers.refused_url())

    stats = session.adapter.stats()
    assert stats.created == server.accepted == 1
    assert (stats.tls_handshakes, dict(stats.closed)) == (0, {"handshake": 1})


def test_look_ups_of_names_are_counted(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering(headers="Connection: close\r\n"), tls=False)

    for _ in range(4):
        send(session, server.named_url)
    send(session, server.url)  # an address: nobody is asked

    stats = session.adapter.stats()
    assert (stats.dns_misses, stats.dns_hits) == (1, 3)


def test_the_snapshot_does_not_change(plain: requests.Session, serve: Serve) -> None:
    server = serve(servers.answering())
    adapter = plain.get_adapter(server.url)
    before = adapter.stats()

    plain.get(server.url)

    assert (before.created, before.idle, dict(before.hosts)) == (0, 0, {})
    assert adapter.stats().created == 1

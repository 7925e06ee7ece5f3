"""Never more connections than allowed, and nobody waits longer than those who came before."""

from __future__ import annotations

import functools
import threading
import warnings
from collections import Counter

import pytest
import urllib3

from bybit_sync.exceptions import PoolFullError
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve, SocketTally, Trust
from .servers import Peer, connections_in_kernel
from .tools import Crew, eventually, failure, send


def test_a_hundred_threads_share_ten_connections_evenly(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit_per_host=10)
    server = serve(servers.answering(after=0.002))
    done: Counter[int] = Counter()
    stop, start = threading.Event(), threading.Barrier(100)

    def work() -> None:
        start.wait(10)
        while not stop.is_set():
            send(session, server.url)
            done[threading.get_ident()] += 1

    with Crew() as crew:
        crew.start(work, times=100)
        eventually(lambda: len(done) == 100 and sum(done.values()) >= 5000, within=15)
        assert connections_in_kernel(server.port) <= 10
        stop.set()

    assert server.peak <= 10
    assert server.accepted == 10
    assert max(done.values()) <= 1.1 * min(done.values())


class Gate:
    """Holds every request at the server until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()

    def script(self, peer: Peer) -> None:
        while peer.read_request() is not None:
            self._open.wait(10)
            peer.answer()

    def open(self) -> None:
        self._open.set()


def test_the_limit_holds_over_all_hosts(make_session: MakeSession, serve: Serve) -> None:
    session = make_session(limit=10, limit_per_host=8)
    gate = Gate()
    hosts = [serve(gate.script), serve(gate.script, tls=False)]
    urls = [url for server in hosts for url in (server.url, server.named_url)]

    with Crew() as crew:
        for url in urls:
            crew.start(functools.partial(send, session, url), times=8)
        eventually(lambda: session.adapter.stats().waiting == 22)
        eventually(lambda: sum(server.open for server in hosts) == 10)
        stats = session.adapter.stats()
        gate.open()

    assert stats.active == 10
    assert len(stats.hosts) == 4
    assert session.adapter.stats().idle <= 10
    assert sum(len(server.requests) for server in hosts) == 32


def test_at_the_limit_the_idlest_connection_of_another_host_makes_room(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit=3, limit_per_host=2)
    first, second, third = (serve(servers.answering()) for _ in range(3))
    for server in (first, second, first, second):  # all are reused, the first is idlest at the end
        send(session, server.url)
    session.warm_up(second.url, 2)
    assert session.adapter.stats().idle == 3

    send(session, third.url)

    eventually(lambda: first.open == 0)
    assert second.open == 2
    stats = session.adapter.stats()
    assert stats.closed == {"evicted": 1}
    assert stats.hosts[f"127.0.0.1:{first.port}"].closed == {"evicted": 1}
    assert stats.idle == 3


def test_a_caller_that_waits_for_room_gets_what_another_host_gives_back(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit=1, limit_per_host=1)
    gate = Gate()
    busy, wanted = serve(gate.script), serve(servers.answering())

    with Crew() as crew:
        crew.start(lambda: send(session, busy.url))
        eventually(lambda: session.adapter.stats().active == 1)
        crew.start(lambda: send(session, wanted.url))
        eventually(lambda: session.adapter.stats().waiting == 1)
        gate.open()

    assert wanted.targets() == ["/"]
    eventually(lambda: busy.open == 0)


@pytest.mark.row(39)
def test_one_hung_host_leaves_the_other_its_full_share(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit=4, limit_per_host=2)
    gate = Gate()
    hung, healthy = serve(gate.script), serve(servers.answering())

    with Crew() as crew:
        crew.start(lambda: send(session, hung.url), times=5)
        eventually(lambda: session.adapter.stats().waiting == 3)
        assert session.warm_up(healthy.url, 2) == 2
        for _ in range(5):
            send(session, healthy.url)
        gate.open()

    assert healthy.accepted == 2
    assert hung.peak == 2


def test_a_host_is_counted_once_whatever_verify_says(
    make_session: MakeSession, serve: Serve, trust: Trust, tally: SocketTally
) -> None:
    session = make_session(limit_per_host=2)
    server = serve(servers.answering(after=0.005))

    def get(verify: bool | str) -> None:
        for _ in range(5):
            assert session.session.get(server.url, verify=verify).ok

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        with Crew() as crew:
            for verify in (True, False, trust.ca_file):
                crew.start(functools.partial(get, verify), times=3)

    assert tally.peak == 2
    stats = session.adapter.stats()
    assert list(stats.hosts) == [f"127.0.0.1:{server.port}"]
    assert stats.idle == tally.now <= 2


def test_many_callers_of_many_hosts_never_open_a_socket_too_many(
    make_session: MakeSession, serve: Serve, tally: SocketTally
) -> None:
    session = make_session(limit=4, limit_per_host=2, total_timeout=20.0)
    urls = [serve(servers.answering(), tls=False).url for _ in range(5)]

    def work(first: int) -> None:
        for turn in range(40):
            send(session, urls[(first + turn) % 5])

    with Crew() as crew:
        for first in range(12):
            crew.start(functools.partial(work, first))

    assert tally.peak == 4
    assert session.adapter.stats().idle == tally.now <= 4


def test_waiting_callers_are_served_in_the_order_in_which_they_came(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit_per_host=1)
    gate = Gate()
    server = serve(gate.script)
    names = [f"/{index}" for index in range(12)]

    with Crew() as crew:
        for index, name in enumerate(names):
            crew.start(functools.partial(send, session, server.url, target=name))
            eventually(lambda index=index: session.adapter.stats().waiting == index)
        gate.open()

    assert server.targets() == names


def test_more_waiting_callers_than_max_waiting_are_turned_away_at_once(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit_per_host=1, max_waiting=2)
    gate = Gate()
    server = serve(gate.script)

    with Crew() as crew:
        crew.start(lambda: send(session, server.url), times=3)
        eventually(lambda: session.adapter.stats().waiting == 2)
        error = failure(session, server.url, "POST")
        with pytest.raises(Exception, match="waiting for a connection") as plain_error:
            session.session.get(server.url)
        gate.open()

    assert type(error) is PoolFullError
    assert error.phase == "pool"
    assert not error.effect_unknown
    assert type(plain_error.value).__module__ == "requests.exceptions"
    assert len(server.requests) == 3


def test_the_newest_connection_is_used_first(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering())
    session.warm_up(server.url, 5)

    for _ in range(20):
        send(session, server.url)

    assert len({request.connection for request in server.requests}) == 1


def test_the_base_class_is_told_the_true_sizes(make_session: MakeSession) -> None:
    adapter = make_session(limit=7, limit_per_host=3).adapter

    assert adapter._pool_connections == 7
    assert adapter._pool_maxsize == 3
    assert adapter._pool_block is True

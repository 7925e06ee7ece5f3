"""The adapter from its copy to its end: fork, pickle, close, and being forgotten."""

from __future__ import annotations

import copy
import gc
import os
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import requests

from bybit_sync.config import ConnectionPoolConfig, TcpKeepaliveConfig, TlsConfig
from bybit_sync.exceptions import BybitError, ClientClosedError
from bybit_sync.net.adapter import PooledAdapter
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve, Trust
from .servers import Peer
from .tools import (
    Crew,
    ends_within,
    eventually,
    failure,
    is_at_rest,
    open_sockets,
    send,
    through_pickle,
)


def keepers() -> int:
    return sum("bybit_sync-keeper" in thread.name for thread in threading.enumerate())


# --- close --------------------------------------------------------------------------------


def test_close_closes_every_connection_and_ends_every_thread(
    make_session: MakeSession, serve: Serve
) -> None:
    before = open_sockets()
    session = make_session()
    fine, plain = serve(servers.answering()), serve(servers.answering(), tls=False)
    ours = open_sockets() - before
    session.warm_up(fine.url, 4)
    send(session, plain.url)
    assert keepers() == 1

    session.close()

    assert keepers() == 0
    eventually(lambda: fine.open == plain.open == 0)
    assert open_sockets() == before + ours
    stats = session.adapter.stats()
    assert stats.closed == {"shutdown": 5}
    assert (stats.active, stats.idle) == (0, 0)


def test_closing_twice_is_fine(session: PooledSession, serve: Serve) -> None:
    send(session, serve(servers.answering()).url)

    session.close()
    session.close()
    session.adapter.close()


def test_after_close_every_use_is_refused(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering())
    send(session, server.url)
    session.close()

    assert type(failure(session, server.url)) is ClientClosedError
    assert type(failure(session, servers.refused_url())) is ClientClosedError
    for stream in (False, True):
        with pytest.raises(requests.exceptions.ConnectionError, match="closed"):
            session.session.get(server.url, stream=stream)
    assert len(server.requests) == 1
    assert keepers() == 0


def test_close_lets_calls_finish_and_keeps_none_of_their_connections(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session()
    release = threading.Event()

    def answering_late(peer: Peer) -> None:
        while peer.read_request() is not None:
            release.wait(10)
            peer.answer()

    server = serve(answering_late)
    with Crew() as crew:
        crew.start(lambda: send(session, server.url), times=5)
        eventually(lambda: len(server.requests) == 5)
        session.close()
        release.set()

    assert [answer.status for answer in crew.results] == [200] * 5
    eventually(lambda: server.open == 0)
    assert is_at_rest(session)
    assert session.adapter.stats().idle == 0
    assert keepers() == 0


def test_close_turns_away_who_waits(make_session: MakeSession, serve: Serve) -> None:
    session = make_session(limit_per_host=1, total_timeout=30.0)
    release = threading.Event()

    def answering_late(peer: Peer) -> None:
        peer.read_request()
        release.wait(10)
        peer.answer()

    server = serve(answering_late)
    with Crew() as crew:
        crew.start(lambda: send(session, server.url))
        eventually(lambda: server.requests)
        with Crew() as waiting:
            waiting.start(lambda: failure(session, server.url, "POST"), times=4)
            eventually(lambda: session.adapter.stats().waiting == 4)
            with ends_within(1.0):
                session.close()
                waiting.join()
        release.set()

    assert {type(error) for error in waiting.results} == {ClientClosedError}
    assert is_at_rest(session)


def test_close_while_others_call_leaves_nothing_open(
    make_session: MakeSession, serve: Serve
) -> None:
    before = open_sockets()
    for _ in range(5):
        session = make_session(limit_per_host=4, total_timeout=5.0)
        server = serve(servers.answering(), tls=False)

        def work(session: PooledSession = session, url: str = server.url) -> None:
            with pytest.raises(ClientClosedError):
                while True:
                    send(session, url)

        with Crew() as crew:
            crew.start(work, times=8)
            eventually(lambda server=server: len(server.requests) > 30)
            session.close()
        assert session.adapter.stats().idle == 0
        server.close()

    eventually(lambda: open_sockets() == before)
    assert keepers() == 0


def test_leaving_a_requests_session_closes_the_adapter(trust: Trust, serve: Serve) -> None:
    adapter = PooledAdapter(tls=TlsConfig(ca_file=trust.ca_file))
    server = serve(servers.answering())
    with requests.Session() as plain:
        plain.trust_env = False
        plain.mount("https://", adapter)
        plain.get(server.url)

    eventually(lambda: server.open == 0)
    assert keepers() == 0


# --- being forgotten ----------------------------------------------------------------------


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_an_adapter_that_is_forgotten_takes_sockets_and_threads_with_it(
    tls: bool, trust: Trust, serve: Serve
) -> None:
    server = serve(servers.answering(), tls=tls)
    adapter = PooledAdapter(tls=TlsConfig(ca_file=trust.ca_file))
    session = PooledSession(adapter)
    session.warm_up(server.url, 3)
    session.session.get(server.url, stream=True)  # never read
    ghost = weakref.ref(adapter)
    assert keepers() == 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del adapter, session
        gc.collect()

    assert ghost() is None
    eventually(lambda: keepers() == 0)
    eventually(lambda: server.open == 0)


def test_adapters_made_and_closed_by_the_hundred_leave_nothing(trust: Trust, serve: Serve) -> None:
    server = serve(servers.answering(), tls=False)
    gc.collect()
    sockets, threads = open_sockets(), threading.active_count()

    for _ in range(100):
        session = PooledSession(PooledAdapter())
        send(session, server.url)
        session.close()

    eventually(lambda: server.open == 0)
    eventually(lambda: threading.active_count() == threads)
    assert open_sockets() == sockets


# --- copies -------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, through_pickle])
def test_a_copy_has_the_same_settings_and_a_pool_of_its_own(
    copied: Callable[[PooledAdapter], PooledAdapter],
    make_adapter: Callable[..., PooledAdapter],
    serve: Serve,
) -> None:
    adapter = make_adapter(limit=9, limit_per_host=4, keepalive=TcpKeepaliveConfig(idle=44))
    server = serve(servers.answering())
    send(PooledSession(adapter), server.url)

    twin = copied(adapter)
    try:
        assert twin.pool_config == adapter.pool_config
        assert twin.stats().created == 0
        assert send(PooledSession(twin), server.url).status == 200
        twin.close()
        assert send(PooledSession(adapter), server.url).status == 200
    finally:
        twin.close()

    assert server.accepted == 2


def test_a_session_with_the_adapter_can_be_pickled(plain: requests.Session, serve: Serve) -> None:
    server = serve(servers.answering())
    plain.get(server.url)

    with through_pickle(plain) as twin:
        assert twin.get(server.url).ok


def test_a_pickle_holds_no_socket_and_no_lock(make_adapter: Callable[..., PooledAdapter]) -> None:
    state = make_adapter().__getstate__()

    assert {type(value) for value in state.values()} == {
        ConnectionPoolConfig,
        TlsConfig,
        TcpKeepaliveConfig,
    }


# --- fork ---------------------------------------------------------------------------------


def in_a_child(work: Callable[[], Any]) -> None:
    """Run something in a forked child; what it raises fails the test."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forks beside threads
        child = os.fork()
    if child == 0:
        report = b"ok"
        try:
            work()
        except BaseException as error:
            report = repr(error).encode()[:4000]
        os.write(writer, report)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        report = pipe.read()
    os.waitpid(child, 0)
    assert report == b"ok"


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@needs_fork
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_parent_and_child_go_on_after_a_fork_over_sockets_of_their_own(
    tls: bool, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit_per_host=3, total_timeout=5.0)
    server = serve(servers.answering(), tls=tls)
    plain = session.session
    session.warm_up(server.url, 3)

    def child() -> None:
        for number in range(20):
            assert send(session, server.url, target=f"/child/{number}").status == 200
            assert plain.get(f"{server.url}/child/plain").ok
        stats = session.adapter.stats()
        assert (stats.active, stats.idle) == (0, 1)
        assert keepers() == 1
        session.close()

    in_a_child(child)
    for number in range(20):
        assert send(session, server.url, target=f"/parent/{number}").status == 200

    families = {
        who: {r.connection for r in server.requests if r.target.startswith(who)}
        for who in ("/child", "/parent")
    }
    assert families["/child"].isdisjoint(families["/parent"])
    assert len(server.requests) == 60
    assert server.accepted == 4


@pytest.mark.row(105)
@needs_fork
def test_a_fork_while_others_call_harms_neither_side(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit_per_host=2, total_timeout=5.0)
    server = serve(servers.answering(after=0.001))
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            send(session, server.url, "POST")

    def child() -> None:
        assert is_at_rest(session)  # the parent's calls are not ours
        for _ in range(3):
            assert send(session, server.url, "POST", target="/child").status == 200
        session.close()

    with Crew() as crew:
        crew.start(work, times=6)
        eventually(lambda: session.adapter.stats().waiting == 4)
        for _ in range(5):
            in_a_child(child)
        stop.set()

    assert is_at_rest(session)
    assert server.targets().count("/child") == 15


@needs_fork
def test_a_child_may_use_a_proxy_after_the_fork(make_session: MakeSession, serve: Serve) -> None:
    server, proxy = serve(servers.answering()), serve(servers.relaying, tls=False)
    session = make_session(proxy=proxy.url)
    send(session, server.url)

    in_a_child(lambda: (send(session, server.url), session.close()))

    assert send(session, server.url).status == 200
    assert proxy.accepted == 2


@needs_fork
def test_a_streamed_answer_may_be_open_across_a_fork(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering(b"x" * 1_000_000))
    response = session.session.get(server.url, stream=True)

    def child() -> None:
        response.close()
        assert is_at_rest(session)
        assert len(send(session, server.url).body) == 1_000_000

    in_a_child(child)

    assert len(response.content) == 1_000_000
    assert is_at_rest(session)


def test_errors_travel_between_processes(session: PooledSession) -> None:
    error = failure(session, servers.refused_url(), "POST")

    twin = through_pickle(error)

    assert isinstance(twin, BybitError)
    assert (type(twin), str(twin), twin.__dict__) == (type(error), str(error), error.__dict__)

"""Whatever a call ends with, its slot is free again: the next call goes through."""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from bybit_sync.exceptions import BybitError, MissingCredentialsError
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve
from .servers import Peer
from .tools import Crew, eventually, failure, is_at_rest, open_sockets, send


@pytest.fixture
def single(make_session: MakeSession) -> PooledSession:
    """A session with one slot per host."""
    return make_session(limit_per_host=1, total_timeout=5.0, connect_timeout=2.0)


def assert_free(session: PooledSession, url: str) -> None:
    """Nobody holds or awaits a slot, and the only slot can be had."""
    assert is_at_rest(session), session.adapter.stats()
    assert send(session, url, timeout=2.0).status == 200


def broken_then_fine(script: servers.Script) -> servers.Script:
    return servers.in_turn(script, servers.answering())


@pytest.mark.parametrize(
    "script",
    [
        servers.closing_at_accept,
        servers.closing_when_asked,
        servers.resetting_when_asked,
        servers.sending(b"garbage\r\n\r\n"),
        servers.sending(servers.OK + b"Content-Length: 99\r\n\r\ncut"),
        servers.sending(servers.OK + b"Content-Length: 99\r\n\r\ncut", then="reset"),
    ],
    ids=["closed at accept", "closed", "reset", "garbage", "cut", "reset in the body"],
)
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_a_failed_call_gives_its_slot_back(
    script: servers.Script, tls: bool, single: PooledSession, serve: Serve
) -> None:
    server = serve(broken_then_fine(script), tls=tls)

    assert isinstance(failure(single, server.url, "POST"), BybitError)

    assert_free(single, server.url)


def test_a_refused_connection_gives_its_slot_back(single: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering())
    server.stop_listening()

    for _ in range(3):
        failure(single, server.url)

    assert is_at_rest(single)
    assert single.adapter.stats().created == 0


def test_an_unknown_host_gives_its_slot_back(single: PooledSession, serve: Serve) -> None:
    failure(single, "https://does-not-exist.invalid")

    assert is_at_rest(single)


def test_a_certificate_that_is_not_trusted_gives_its_slot_back(
    make_plain: Callable[..., requests.Session], serve: Serve
) -> None:
    plain = make_plain(limit_per_host=1)
    server = serve(servers.answering())

    with pytest.raises(requests.exceptions.SSLError):
        plain.get(server.url, verify=True and requests.certs.where())

    adapter: Any = plain.get_adapter(server.url)
    assert adapter.stats().active == 0
    assert plain.get(server.url).ok


@pytest.mark.parametrize(
    "error", [ValueError("no"), MissingCredentialsError("no key"), OSError("disk full")], ids=repr
)
def test_an_error_in_sign_comes_out_as_it_is_and_gives_the_slot_back(
    error: Exception, single: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering())
    send(single, server.url)

    def sign() -> dict[str, str]:
        raise error

    with pytest.raises(type(error)) as caught:
        send(single, server.url, "POST", sign=sign)

    assert caught.value is error
    assert_free(single, server.url)
    assert len(server.requests) == 2


def test_the_end_of_a_thread_in_sign_gives_the_slot_back(
    single: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering())

    def sign() -> dict[str, str]:
        raise SystemExit

    crew = Crew()
    crew.start(lambda: send(single, server.url, sign=sign))
    crew.join()

    assert [type(error) for error in crew.errors] == [SystemExit]
    assert_free(single, server.url)


@pytest.mark.row(108)
def test_a_hook_that_raises_gives_the_slot_back(single: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering())

    def hook(response: requests.Response, **kwargs: Any) -> None:
        raise RuntimeError("hook")

    for stream in (False, True):
        with pytest.raises(RuntimeError, match="hook"):
            single.session.get(server.url, hooks={"response": hook}, stream=stream)
        gc.collect()
        assert_free(single, server.url)


BIG = b"x" * 2_000_000


@pytest.mark.row(33)
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_an_unread_streamed_answer_gives_its_slot_back_when_it_is_closed(
    tls: bool, single: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering(BIG), tls=tls)

    response = single.session.get(server.url, stream=True)
    assert single.adapter.stats().active == 1
    response.close()

    assert_free(single, server.url)


@pytest.mark.row(33)
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_an_unread_streamed_answer_gives_its_slot_back_when_it_is_dropped(
    tls: bool, single: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering(BIG), tls=tls)
    before = open_sockets()

    response = single.session.get(server.url, stream=True)
    del response
    gc.collect()

    assert is_at_rest(single)
    assert single.adapter.stats().closed == {"abandoned": 1}
    eventually(lambda: server.open == 0)
    assert open_sockets() == before
    assert_free(single, server.url)


def test_an_unread_streamed_answer_over_a_connection_of_former_calls_gives_its_slot_back(
    single: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering(BIG))
    for _ in range(2):
        send(single, server.url)

    response = single.session.get(server.url, stream=True)
    assert server.accepted == 1
    del response
    gc.collect()

    assert is_at_rest(single)
    assert single.adapter.stats().closed == {"abandoned": 1}
    assert_free(single, server.url)


def test_a_call_that_has_ended_cannot_take_the_slot_of_the_next_one_away(
    single: PooledSession, serve: Serve
) -> None:
    """The next call takes up the same lease: who still holds it must have no power over it."""
    server = serve(servers.answering(BIG))
    send(single, server.url)
    former = single.adapter.pool_for(server.url).idle[-1].last_lease

    response = single.session.get(server.url, stream=True)
    del former
    gc.collect()

    assert single.adapter.stats().active == 1
    assert len(response.content) == len(BIG)
    assert_free(single, server.url)


def test_a_half_read_answer_gives_its_slot_back(single: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering(BIG))

    with single.session.get(server.url, stream=True) as response:
        assert len(next(response.iter_content(1000))) == 1000

    assert_free(single, server.url)


def test_a_streamed_answer_that_is_read_to_its_end_leaves_a_warm_connection(
    single: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering(BIG))

    for _ in range(3):
        response = single.session.get(server.url, stream=True)
        assert sum(len(part) for part in response.iter_content(65_536)) == len(BIG)
        assert single.adapter.stats().idle == 1
        # Who watches for answers that are left unread watches this lease: nobody may take it up.
        assert single.adapter.pool_for(server.url).idle[-1].last_lease is None

    assert server.accepted == 1


def test_a_body_that_breaks_off_under_a_streaming_reader_gives_the_slot_back(
    single: PooledSession, serve: Serve
) -> None:
    server = serve(broken_then_fine(servers.sending(servers.OK + b"Content-Length: 99\r\n\r\ncut")))

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        assert single.session.get(server.url, stream=True).content

    assert_free(single, server.url)


def test_a_thread_that_ends_with_a_response_in_hand_gives_its_slot_back(
    single: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering(BIG))
    mine = threading.local()

    def work() -> None:
        mine.response = single.session.get(server.url, stream=True)

    with Crew() as crew:
        crew.start(work)
    gc.collect()

    assert_free(single, server.url)


def test_a_generator_that_raises_while_it_is_uploaded_gives_the_slot_back(
    single: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering())

    def parts() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        single.session.post(server.url, data=parts())

    assert_free(single, server.url)


@contextlib.contextmanager
def ctrl_c(when: Callable[[], Any]) -> Iterator[None]:
    """Interrupts the block, which must be in the main thread, once `when` holds."""
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        eventually(when)
        threading.Event().wait(0.03)  # from having been seen to being asleep in the system call
        signal.pthread_kill(main, signal.SIGINT)

    with Crew() as crew, pytest.raises(KeyboardInterrupt):
        crew.start(press)
        yield
        pytest.fail("the call was not interrupted")


@pytest.mark.row(106)
def test_ctrl_c_while_reading_gives_the_slot_back(single: PooledSession, serve: Serve) -> None:
    server = serve(broken_then_fine(servers.silent))

    with ctrl_c(lambda: server.requests):
        send(single, server.url)

    assert single.adapter.stats().closed == {"error": 1}
    assert_free(single, server.url)


def test_ctrl_c_while_a_streamed_body_is_read_gives_the_slot_back(
    single: PooledSession, serve: Serve
) -> None:
    stalled = servers.sending(servers.OK + b"Content-Length: 99\r\n\r\nx", then="hang")
    server = serve(broken_then_fine(stalled))

    response = single.session.get(server.url, stream=True)
    with ctrl_c(lambda: True):
        assert response.content
    del response
    gc.collect()

    assert_free(single, server.url)


def test_ctrl_c_in_the_handshake_gives_the_slot_back(single: PooledSession, serve: Serve) -> None:
    server = serve(broken_then_fine(servers.stalling))

    with ctrl_c(lambda: server.accepted):
        send(single, server.url)

    assert_free(single, server.url)


def test_ctrl_c_while_connecting_gives_the_slot_back(single: PooledSession, serve: Serve) -> None:
    address = servers.SilentAddress()
    try:
        before = open_sockets()
        with ctrl_c(lambda: single.adapter.stats().active):
            send(single, address.url)
        assert is_at_rest(single)
        assert open_sockets() == before
    finally:
        address.close()


def test_ctrl_c_while_waiting_for_a_connection_leaves_the_queue(
    single: PooledSession, serve: Serve
) -> None:
    release = threading.Event()

    def answering_late(peer: Peer) -> None:
        while peer.read_request() is not None:
            release.wait(10)
            peer.answer()

    server = serve(answering_late)
    with Crew() as crew:
        crew.start(lambda: send(single, server.url))
        eventually(lambda: server.requests)
        with ctrl_c(lambda: single.adapter.stats().waiting):
            send(single, server.url)
        assert single.adapter.stats().waiting == 0
        release.set()

    assert_free(single, server.url)


def test_a_hundred_failing_callers_leave_nothing_behind(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit_per_host=3, total_timeout=10.0)
    server = serve(
        lambda peer: (
            servers.resetting_when_asked if peer.index % 2 else servers.closing_at_accept
        )(peer)
    )
    before = open_sockets() - server.open

    with Crew() as crew:
        crew.start(lambda: failure(session, server.url, "POST"), times=100)

    assert is_at_rest(session)
    assert session.adapter.stats().idle == 0
    eventually(lambda: server.open == 0)
    assert open_sockets() == before

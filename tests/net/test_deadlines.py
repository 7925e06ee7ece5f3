"""A call ends within its total timeout, whatever the server does, on every way through."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from bybit_sync.clock import Deadline
from bybit_sync.exceptions import (
    ConnectError,
    DnsError,
    PoolTimeoutError,
    ReadTimeoutError,
    TlsError,
    TotalTimeoutError,
)
from bybit_sync.net import sockets
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve
from .servers import Peer
from .tools import TOTAL, Crew, ends_within, eventually, failure, is_at_rest, send


def flooding_with_continue(peer: Peer) -> None:
    peer.read_request()
    while True:
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.pause(0.01)


def never_reading(peer: Peer) -> None:
    peer.handshake()
    peer.hang()


@dataclass(frozen=True)
class Case:
    """A server that takes too long, and the phase in which a call to it runs out of time."""

    script: servers.Script
    phase: str
    tls: bool = True
    from_body: bool = False
    """True where the headers have come, so that a streaming caller meets it while reading."""


HEAD = servers.OK + b"Content-Length: 1000\r\n\r\n"
CLOSING_HEAD = servers.OK + b"Content-Length: 1000\r\nConnection: close\r\n\r\n"
CHUNKED_HEAD = servers.OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"1\r\nx\r\n" * 500

CASES = {
    "a dripped body": Case(servers.dripping(HEAD, b"x" * 999), "read", from_body=True),
    "a dripped body, plain": Case(
        servers.dripping(HEAD, b"x" * 999), "read", tls=False, from_body=True
    ),
    "a dripped last body": Case(servers.dripping(CLOSING_HEAD, b"x" * 999), "read", from_body=True),
    "dripped chunks": Case(servers.dripping(CHUNKED_HEAD, CHUNKS), "read", from_body=True),
    "a dripped body without an end": Case(
        servers.dripping(servers.OK + b"\r\n", b"x" * 999), "read", from_body=True
    ),
    "dripped headers": Case(servers.dripping(b"", servers.OK + b"X-A: " + b"b" * 999), "read"),
    "dripped headers, plain": Case(
        servers.dripping(b"", servers.OK + b"X-A: " + b"b" * 999), "read", tls=False
    ),
    "silence": Case(servers.silent, "read"),
    "silence, plain": Case(servers.silent, "read", tls=False),
    "a flood of 100 Continue": Case(flooding_with_continue, "read"),
    "a stalled handshake": Case(servers.stalling, "tls"),
    "a dripped handshake": Case(servers.dripping_handshake, "tls"),
}


@pytest.mark.row(10)
@pytest.mark.row(11)
@pytest.mark.row(49)
@pytest.mark.row(50)
@pytest.mark.row(51)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_call_of_the_client_ends_in_time(case: Case, hasty: PooledSession, serve: Serve) -> None:
    server = serve(case.script, tls=case.tls)

    with ends_within(TOTAL):
        error = failure(hasty, server.url, "POST", body=b"{}")

    assert type(error) is TotalTimeoutError
    assert error.phase == case.phase
    assert error.effect_unknown is (case.phase == "read")
    assert error.transient
    assert is_at_rest(hasty)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_call_of_a_plain_session_ends_in_time(
    case: Case, stream: bool, make_plain: Callable[..., requests.Session], serve: Serve
) -> None:
    plain = make_plain(total_timeout=TOTAL)
    server = serve(case.script, tls=case.tls)

    with ends_within(TOTAL), pytest.raises(requests.RequestException) as caught:
        assert plain.get(server.url, stream=stream).content

    if case.phase == "tls":
        assert isinstance(caught.value, requests.ConnectTimeout)
    elif stream and case.from_body:  # requests' own class for it
        assert isinstance(caught.value, requests.ConnectionError)
        assert "timed out" in str(caught.value)
    else:
        assert isinstance(caught.value, requests.ReadTimeout)
    adapter: Any = plain.get_adapter(server.url)
    eventually(lambda: adapter.stats().active == 0)


@pytest.fixture
def silent_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Name servers that do not answer."""
    stuck = threading.Event()

    def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
        stuck.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "nobody answered")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    stuck.set()
    eventually(lambda: not [t for t in threading.enumerate() if "bybit_sync-dns" in t.name])


@pytest.mark.usefixtures("silent_resolver")
def test_a_silent_resolver_holds_no_call_beyond_its_time(hasty: PooledSession) -> None:
    with ends_within(TOTAL):
        error = failure(hasty, "https://nowhere.test", "POST")

    assert type(error) is TotalTimeoutError
    assert error.phase == "dns"
    assert not error.effect_unknown
    assert is_at_rest(hasty)


@pytest.mark.usefixtures("silent_resolver")
def test_a_silent_resolver_holds_no_plain_session_beyond_its_time(
    make_plain: Callable[..., requests.Session],
) -> None:
    plain = make_plain(total_timeout=TOTAL)

    with ends_within(TOTAL), pytest.raises(requests.ConnectTimeout):
        plain.get("https://nowhere.test", stream=True)


@pytest.mark.usefixtures("silent_resolver")
def test_a_silent_resolver_counts_against_the_connect_timeout(make_session: MakeSession) -> None:
    session = make_session(connect_timeout=0.2, total_timeout=5.0)

    with ends_within(0.2):
        error = failure(session, "https://nowhere.test")

    assert type(error) is DnsError
    assert error.phase == "dns"


@pytest.fixture
def silent_address() -> Iterator[servers.SilentAddress]:
    """An address that swallows every SYN."""
    address = servers.SilentAddress()
    yield address
    address.close()


def test_silent_addresses_hold_no_call_beyond_its_time(
    hasty: PooledSession,
    silent_address: servers.SilentAddress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    three = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (silent_address.host, silent_address.port))
    ] * 3
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: three)

    with ends_within(TOTAL):
        error = failure(hasty, f"http://three.test:{silent_address.port}", "POST")

    assert type(error) is TotalTimeoutError
    assert error.phase == "connect"
    assert not error.effect_unknown
    assert is_at_rest(hasty)


def test_a_silent_address_holds_no_plain_session_beyond_its_time(
    make_plain: Callable[..., requests.Session], silent_address: servers.SilentAddress
) -> None:
    plain = make_plain(total_timeout=TOTAL)

    with ends_within(TOTAL), pytest.raises(requests.ConnectTimeout):
        plain.get(silent_address.url)


def test_connecting_ends_at_the_connect_timeout(
    make_session: MakeSession, silent_address: servers.SilentAddress
) -> None:
    session = make_session(connect_timeout=0.2, total_timeout=5.0)

    with ends_within(0.2):
        error = failure(session, silent_address.url)

    assert type(error) is ConnectError
    assert error.phase == "connect"
    assert not error.effect_unknown


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_a_socket_that_connects_as_the_time_runs_out_is_closed(
    tls: bool, hasty: PooledSession, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(servers.answering(), tls=tls)
    made: list[socket.socket] = []
    connect = sockets.connect

    def connecting_late(addresses: Any, deadline: Deadline, *how: Any) -> sockets.ConnectResult:
        result = connect(addresses, deadline, *how)
        made.append(result.sock)
        time.sleep(deadline.remaining())
        return result

    monkeypatch.setattr(sockets, "connect", connecting_late)
    error = failure(hasty, server.url)

    assert type(error) is TotalTimeoutError
    assert (error.phase, error.effect_unknown) == ("connect", False)
    assert [sock.fileno() for sock in made] == [-1]
    assert is_at_rest(hasty)


def test_a_stalled_handshake_ends_at_the_connect_timeout_and_blames_no_certificate(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(connect_timeout=0.2, total_timeout=5.0)

    with ends_within(0.2):
        error = failure(session, serve(servers.stalling).url)

    assert isinstance(error, ConnectError)
    assert not isinstance(error, TlsError)
    assert error.phase == "tls"
    assert error.transient


def test_a_handshake_may_take_longer_than_a_read(make_session: MakeSession, serve: Serve) -> None:
    def slow_to_shake_hands(peer: Peer) -> None:
        peer.pause(0.3)
        servers.answering()(peer)

    session = make_session(sock_read_timeout=0.15, connect_timeout=3.0)

    assert send(session, serve(slow_to_shake_hands).url).status == 200


def test_a_silent_server_is_given_up_after_the_read_timeout(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(sock_read_timeout=0.2, total_timeout=5.0)

    with ends_within(0.2):
        error = failure(session, serve(servers.silent).url, "POST")

    assert type(error) is ReadTimeoutError
    assert error.phase == "read"
    assert error.effect_unknown


@pytest.mark.row(53)
def test_a_stalled_body_is_the_same_error_as_a_silent_server(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(sock_read_timeout=0.2, total_timeout=5.0)

    error = failure(session, serve(servers.sending(HEAD + b"x", then="hang")).url, "POST")

    assert type(error) is ReadTimeoutError
    assert error.effect_unknown


@pytest.mark.row(62)
def test_a_server_that_does_not_read_is_given_up_while_writing(
    hasty: PooledSession, serve: Serve
) -> None:
    server = serve(never_reading)

    with ends_within(TOTAL):
        error = failure(hasty, server.url, "POST", body=b"x" * 16_000_000)

    assert type(error) is TotalTimeoutError
    assert error.phase == "write"
    assert error.effect_unknown


def test_a_signature_that_takes_too_long_is_not_sent(hasty: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering())
    stuck = threading.Event()

    def sign() -> dict[str, str]:
        stuck.wait(TOTAL + 0.05)
        return {}

    error = failure(hasty, server.url, "POST", sign=sign)

    assert type(error) is TotalTimeoutError
    assert not error.effect_unknown
    assert server.requests == []


@contextlib.contextmanager
def held_slot(session: PooledSession, serve: Serve) -> Iterator[str]:
    """The URL of a host whose only slot is taken by a call that gets no answer."""
    release = threading.Event()

    def answering_late(peer: Peer) -> None:
        while peer.read_request() is not None:
            release.wait(10)
            peer.answer()

    server = serve(answering_late)
    with Crew() as crew:
        crew.start(lambda: send(session, server.url, timeout=10.0))
        eventually(lambda: server.requests)
        try:
            yield server.url
        finally:
            release.set()


@pytest.mark.row(30)
def test_waiting_for_a_connection_ends_in_time(make_session: MakeSession, serve: Serve) -> None:
    session = make_session(limit_per_host=1, total_timeout=TOTAL)

    with held_slot(session, serve) as url:
        with ends_within(TOTAL):
            error = failure(session, url, "POST")
        assert session.adapter.stats().waiting == 0

    assert type(error) is PoolTimeoutError
    assert error.phase == "pool"
    assert not error.effect_unknown


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_plain_session_that_waits_for_a_connection_ends_in_time(
    stream: bool, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit_per_host=1, total_timeout=TOTAL)

    with (
        held_slot(session, serve) as url,
        ends_within(TOTAL),
        pytest.raises(requests.ConnectTimeout),
    ):
        session.session.get(url, stream=stream)


def test_a_proxy_that_never_answers_connect_is_a_connect_error_in_time(
    make_session: MakeSession, serve: Serve
) -> None:
    proxy = serve(servers.silent, tls=False)
    session = make_session(proxy=proxy.url, total_timeout=TOTAL)

    with ends_within(TOTAL):
        error = failure(session, "https://127.0.0.1:1", "POST")

    assert type(error) is TotalTimeoutError
    assert error.phase == "connect"
    assert not error.effect_unknown
    assert is_at_rest(session)


def test_a_proxy_that_drips_its_answer_to_connect_ends_in_time(
    make_session: MakeSession, serve: Serve
) -> None:
    proxy = serve(servers.dripping(b"", servers.OK + b"X-A: " + b"b" * 999), tls=False)
    session = make_session(proxy=proxy.url, total_timeout=TOTAL)

    with ends_within(TOTAL):
        error = failure(session, "https://127.0.0.1:1", "POST")

    assert error.phase == "connect"
    assert not error.effect_unknown


def test_a_timeout_given_to_requests_narrows_the_configured_one(
    plain: requests.Session, serve: Serve
) -> None:
    server = serve(servers.silent)

    with ends_within(0.2), pytest.raises(requests.ReadTimeout):
        plain.get(server.url, timeout=0.2)
    with ends_within(0.2), pytest.raises(requests.ReadTimeout):
        plain.get(server.url, timeout=(3, 0.2), stream=True)
    with ends_within(0.2), pytest.raises(requests.ConnectTimeout):
        plain.get(serve(servers.stalling).url, timeout=(0.2, 3))


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), (1, 2, 3)])
def test_a_timeout_that_makes_no_sense_is_refused(timeout: Any, plain: requests.Session) -> None:
    with pytest.raises(ValueError, match="timeout"):
        plain.get(servers.refused_url(), timeout=timeout)

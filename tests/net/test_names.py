"""Names are looked up rarely, together, and never by a call that could do without."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bybit_sync.exceptions import ConnectError, DnsError
from bybit_sync.net.session import PooledSession
from bybit_sync.net.sockets import TimedSocket

from . import servers
from .conftest import MakeSession, Serve
from .tools import Crew, ends_within, eventually, failure, send

CLOSING = servers.answering(headers="Connection: close\r\n")
"""Every call needs a new connection, and so the name's addresses."""


class Names:
    """A resolver in the place of the system's: answers, counts, can be told to fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.addresses: list[tuple[str, int]] = []
        self.answer_now = threading.Event()
        self.answer_now.set()
        self.fault: Exception | None = None

    def getaddrinfo(self, host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        self.asked.append(host)
        self.answer_now.wait(10)
        if self.fault is not None:
            raise self.fault
        family, kind = socket.AF_INET, socket.SOCK_STREAM
        return [(family, kind, 6, "", (ip, other or port)) for ip, other in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """Every name leads to 127.0.0.1, until the test says otherwise."""
    names = Names()
    names.addresses = [("127.0.0.1", 0)]
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    yield names
    names.answer_now.set()
    eventually(lambda: not [t for t in threading.enumerate() if "bybit_sync-dns" in t.name])


@pytest.fixture
def age(session: PooledSession) -> Callable[[str, int, float], None]:
    """Makes what the session knows of a name older, as if that much time had passed."""

    def make_older(host: str, port: int, seconds: float) -> None:
        entry = session.adapter._dialer.resolver._entries[(host, port)]
        entry.refresh_at -= seconds
        entry.expires_at -= seconds

    return make_older


def test_fifty_threads_ask_once(names: Names, make_session: MakeSession, serve: Serve) -> None:
    session = make_session(limit_per_host=50)
    server = serve(servers.answering(after=0.05), tls=False)
    names.answer_now.clear()

    with Crew() as crew:
        crew.start(lambda: send(session, f"http://one.test:{server.port}"), times=50)
        eventually(lambda: session.adapter.stats().active == 50)
        names.answer_now.set()

    assert names.asked == ["one.test"]
    stats = session.adapter.stats()
    assert (stats.dns_misses, stats.dns_hits) == (1, 49)


def test_an_answer_is_kept_for_its_time_and_then_asked_for_anew(
    names: Names, session: PooledSession, serve: Serve, age: Any
) -> None:
    url = f"http://one.test:{serve(CLOSING, tls=False).port}"
    port = int(url.rpartition(":")[2])

    for _ in range(5):
        send(session, url)
    assert len(names.asked) == 1

    age("one.test", port, 301.0)
    send(session, url)
    assert len(names.asked) == 2


def test_without_a_time_to_live_every_connection_asks(
    names: Names, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(ttl_dns_cache=0)
    url = f"http://one.test:{serve(CLOSING, tls=False).port}"

    for _ in range(3):
        send(session, url)

    assert len(names.asked) == 3


def test_an_answer_is_refreshed_in_the_background_before_it_expires(
    names: Names, session: PooledSession, serve: Serve, age: Any
) -> None:
    server = serve(CLOSING, tls=False)
    url = f"http://one.test:{server.port}"
    send(session, url)
    age("one.test", server.port, 250.0)
    names.answer_now.clear()

    for _ in range(3):  # none of them waits for the resolver
        send(session, url)
    eventually(lambda: len(names.asked) == 2)
    names.answer_now.set()
    eventually(lambda: session.adapter._dialer.resolver._flights == {})
    send(session, url)

    assert len(names.asked) == 2


@pytest.mark.parametrize(
    "fault", [socket.gaierror(socket.EAI_AGAIN, "down"), socket.gaierror(socket.EAI_NONAME, "?")]
)
def test_an_old_answer_serves_when_the_resolver_fails(
    fault: Exception, names: Names, session: PooledSession, serve: Serve, age: Any
) -> None:
    server = serve(CLOSING, tls=False)
    url = f"http://one.test:{server.port}"
    send(session, url)
    age("one.test", server.port, 301.0)
    names.fault = fault

    assert send(session, url).status == 200
    assert len(names.asked) == 2


def test_an_old_answer_serves_when_the_resolver_is_silent(
    names: Names, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(total_timeout=1.0, connect_timeout=0.6)
    server = serve(CLOSING, tls=False)
    url = f"http://one.test:{server.port}"
    send(session, url)
    entry = session.adapter._dialer.resolver._entries[("one.test", server.port)]
    entry.refresh_at = entry.expires_at = 0.0
    names.answer_now.clear()

    with ends_within(1.0):
        assert send(session, url).status == 200


def test_a_name_is_looked_up_early_when_none_of_its_addresses_connects(
    names: Names, session: PooledSession, serve: Serve
) -> None:
    old, new = serve(CLOSING, tls=False), serve(CLOSING, tls=False)
    url = f"http://moving.test:{old.port}"
    send(session, url)
    old.stop_listening()
    names.addresses = [("127.0.0.1", new.port)]

    assert isinstance(failure(session, url, "POST"), ConnectError)
    assert send(session, url, "POST").status == 200
    assert send(session, url, "POST").status == 200

    assert len(names.asked) == 2
    assert len(new.requests) == 2


def test_a_refused_address_costs_nothing_and_is_tried_last_afterwards(
    names: Names, session: PooledSession, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(CLOSING, tls=False)
    dead = int(servers.refused_url().rpartition(":")[2])
    names.addresses = [("127.0.0.1", dead), ("127.0.0.1", server.port)]
    tried: list[int] = []
    connect = socket.socket.connect_ex

    def connect_ex(self: socket.socket, address: Any) -> int:
        tried.append(address[1])
        return connect(self, address)

    monkeypatch.setattr(TimedSocket, "connect_ex", connect_ex, raising=False)
    for _ in range(3):
        assert send(session, f"http://two.test:{server.port}").status == 200

    assert tried == [dead, server.port, server.port, server.port]


def test_a_silent_address_costs_a_moment_once(
    names: Names, session: PooledSession, serve: Serve
) -> None:
    server, silent = serve(CLOSING, tls=False), servers.SilentAddress()
    names.addresses = [(silent.host, silent.port), ("127.0.0.1", server.port)]
    url = f"http://two.test:{server.port}"
    try:
        started = time.monotonic()
        assert send(session, url).status == 200
        first = time.monotonic() - started
        with ends_within(0.2):  # well below the quarter second that the first one took
            assert send(session, url).status == 200
    finally:
        silent.close()

    assert 0.25 <= first < 1.0


def test_a_family_without_a_route_costs_no_call_its_time(
    names: Names, session: PooledSession, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(CLOSING, tls=False)

    def both(*args: Any, **kwargs: Any) -> list[Any]:
        six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("100::1", server.port, 0, 0))
        four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        return [six, six, four]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with ends_within(0.5):
        assert send(session, f"http://dual.test:{server.port}").status == 200


def test_a_name_that_does_not_exist_is_told_at_once_and_asked_for_again(
    names: Names, session: PooledSession, serve: Serve
) -> None:
    server = serve(CLOSING, tls=False)
    url = f"http://soon.test:{server.port}"
    names.fault = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    error = failure(session, url, "POST")
    assert type(error) is DnsError
    assert "Name or service not known" in error.message

    names.fault = None  # no failure is remembered
    assert send(session, url).status == 200


def test_a_name_that_is_none_is_a_dns_error(session: PooledSession) -> None:
    error = failure(session, f"https://{'a' * 64}.test")

    assert type(error) is DnsError


@pytest.mark.parametrize("fault", [RuntimeError("broken"), MemoryError("none left")], ids=repr)
def test_a_look_up_that_dies_leaves_nobody_waiting(
    fault: Exception, names: Names, session: PooledSession, serve: Serve
) -> None:
    names.fault = fault
    server = serve(CLOSING, tls=False)
    url = f"http://one.test:{server.port}"

    with ends_within(1.0):
        error = failure(session, url)
    assert isinstance(error, DnsError | ConnectError)

    names.fault = None
    assert send(session, url).status == 200


def test_an_address_asks_nobody(names: Names, session: PooledSession, serve: Serve) -> None:
    send(session, serve(servers.answering(), tls=False).url)

    assert names.asked == []


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_address_of_ipv6_goes_as_it_stands(names: Names, session: PooledSession) -> None:
    error = failure(session, "http://[::1]:9")

    assert isinstance(error, ConnectError)
    assert names.asked == []

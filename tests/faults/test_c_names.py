"""Section C: names that do not resolve, and names whose host moves."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.clock import Clock
from bybit_sync.config import ConnectionPoolConfig
from bybit_sync.exceptions import BybitError, DnsError, TotalTimeoutError, TransportError
from bybit_sync.net.adapter import PooledAdapter
from bybit_sync.net.dns import Resolver
from bybit_sync.net.session import PooledSession
from tests.net import servers
from tests.net.conftest import MakeSession, Serve
from tests.net.tools import TOTAL, ends_within, eventually, failure, is_at_rest, latest, send

from .network import Filter, NameServer, run
from .tools import seconds_of

CLOSING = servers.answering(headers="Connection: close\r\n")
"""Every call needs a new connection, and so the name's addresses."""
pytestmark = pytest.mark.usefixtures("no_look_up_left")


@pytest.fixture
def no_look_up_left() -> Iterator[None]:
    """The thread of a look-up ends when the system's resolver does."""
    yield
    eventually(
        lambda: not [t for t in threading.enumerate() if "bybit_sync-dns" in t.name], within=20
    )


@pytest.mark.row(21)
@pytest.mark.alone("dnsmasq")
def test_a_silent_resolver_holds_no_call_and_no_connection_to_a_known_host(
    make_session: MakeSession, serve: Serve, tmp_path: Path
) -> None:
    session = make_session(total_timeout=TOTAL, ttl_dns_cache=0.2)
    server = serve(CLOSING, tls=False)
    known = f"http://known.lab.test:{server.port}"
    with NameServer(tmp_path).running() as names:
        names.lead("known.lab.test", "127.0.0.1")
        assert send(session, known).status == 200
        names.fall_silent()
        with ends_within(TOTAL):
            error = failure(session, f"http://unknown.lab.test:{server.port}", "POST")
        times = [seconds_of(lambda: send(session, known)) for _ in range(10)]
        stats = session.adapter.stats()
        names.speak()
        eventually(lambda: session.adapter.stats().dns_age_seconds < 0.2)

    assert type(error) is TotalTimeoutError
    assert (error.phase, error.effect_unknown) == ("dns", False)
    assert max(times) <= TOTAL / 2 + 0.1  # the first one waited for news, and it alone
    assert sorted(times)[-2] < 0.1
    assert stats.dns_stale == 10
    assert stats.dns_age_seconds >= 0.2
    assert is_at_rest(session)


@pytest.mark.row(23)
@pytest.mark.alone("dnsmasq")
@pytest.mark.parametrize(
    ("name", "said"), [("nobody.lab.test", "not known"), ("elsewhere.test", "failure")]
)
def test_a_name_that_is_denied_or_refused_is_told_at_once(
    name: str, said: str, session: PooledSession, tmp_path: Path
) -> None:
    with NameServer(tmp_path).running():
        error = failure(session, f"http://{name}", "POST")
        took = min(seconds_of(lambda: failure(session, f"http://{name}")) for _ in range(3))

    assert (type(error), error.phase, error.effect_unknown) == (DnsError, "dns", False)
    assert error.transient
    assert said in error.message
    assert took < 0.05


@pytest.mark.row(24)
@pytest.mark.alone("dnsmasq")
def test_all_calls_follow_a_moved_record_within_the_age_of_a_connection(
    make_session: MakeSession, serve: Serve, tmp_path: Path
) -> None:
    session = make_session(max_age=1.2, ttl_dns_cache=0.6, total_timeout=2.0)
    old = serve(servers.answering(b'"old"'), tls=False, host="127.0.0.2")
    new = serve(servers.answering(b'"new"'), tls=False, host="127.0.0.3", port=old.port)
    url = f"http://moving.lab.test:{old.port}"
    with NameServer(tmp_path).running() as names:
        names.lead("moving.lab.test", "127.0.0.2")
        assert session.warm_up(url, 4) == 4
        assert send(session, url).body == b'"old"'
        names.lead("moving.lab.test", "127.0.0.3")
        moved = time.monotonic()
        answers = []
        while time.monotonic() < moved + 2.5:
            answers.append((time.monotonic() - moved, send(session, url).body))
            time.sleep(0.01)

    late = [answer for moment, answer in answers if moment >= 2.0]
    assert set(late) == {b'"new"'}
    assert len(late) > 10
    assert new.requests


@pytest.mark.row(25)
@pytest.mark.alone("dnsmasq", "nft")
def test_a_moved_record_is_followed_after_one_time_out_when_the_old_server_is_dead(
    make_session: MakeSession, serve: Serve, tmp_path: Path
) -> None:
    session = make_session(total_timeout=0.5)
    old = serve(servers.answering(b'"old"'), tls=False, host="127.0.0.2")
    serve(servers.answering(b'"new"'), tls=False, host="127.0.0.3", port=old.port)
    url = f"http://moving.lab.test:{old.port}"
    packets = Filter()
    with NameServer(tmp_path).running() as names:
        names.lead("moving.lab.test", "127.0.0.2")
        assert session.warm_up(url, 4) == 4
        assert send(session, url).body == b'"old"'
        packets.add("ip daddr 127.0.0.2 tcp flags syn counter drop")
        packets.add("ip daddr 127.0.0.2 drop")
        names.lead("moving.lab.test", "127.0.0.3")
        died = time.monotonic()
        failed: list[BybitError] = []
        while True:
            try:
                assert send(session, url).body == b'"new"'
                break
            except TransportError as error:
                failed.append(error)
        first_success = time.monotonic() - died
        for _ in range(10):
            assert send(session, url).body == b'"new"'

    assert len(failed) == 1, failed
    assert first_success <= latest(0.5)
    assert packets.counted() == [0]  # nobody has tried to connect to the old one
    assert is_at_rest(session)


class Stepping(Clock):
    """A clock that goes only as far as it is pushed; what waits for an event really waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:  # type: ignore[override]
        return self.now


@pytest.mark.row(26)
def test_a_short_lived_name_is_looked_up_in_the_background(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand calls in ten seconds, each on a new connection, at a time to live of one."""
    clock, server = Stepping(), serve(CLOSING, tls=False)
    asked_at: list[int] = []
    pondered = threading.Event()
    calls = 0
    waited: list[int] = []

    def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
        asked_at.append(calls)
        if calls:
            pondered.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

    wait = Resolver._wait

    def noting(self: Resolver, *args: Any) -> Any:
        waited.append(calls)
        return wait(self, *args)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(Resolver, "_wait", noting)
    session = PooledSession(PooledAdapter(ConnectionPoolConfig(ttl_dns_cache=1.0), clock=clock))
    resolver = session.adapter._dialer.resolver
    for _ in range(1000):
        assert send(session, f"http://brief.test:{server.port}").status == 200
        calls += 1
        clock.now += 0.01
        if len(asked_at) > 1 and calls == asked_at[-1] + 5:  # calls go on while it ponders
            pondered.set()
            eventually(lambda: not resolver._flights)
            pondered.clear()
    pondered.set()
    session.close()

    assert waited == [0]
    assert 8 <= len(asked_at) <= 12


@pytest.mark.row(27)
@pytest.mark.alone("dnsmasq", "nft")
def test_an_ipv6_address_that_leads_nowhere_costs_a_moment(
    session: PooledSession, serve: Serve, tmp_path: Path
) -> None:
    server = serve(CLOSING, tls=False)
    packets = Filter()
    with NameServer(tmp_path).running() as names:
        names.lead("dual.lab.test", "127.0.0.1")
        url = f"http://dual.lab.test:{server.port}"
        best = min(seconds_of(lambda: send(session, url)) for _ in range(3))
        # A global address of its own makes IPv6 look fine, and first; nothing comes back from it.
        run("ip", "-6", "addr", "add", "2001:db8::1/128", "dev", "lo", "nodad")
        packets.add("ip6 daddr 2001:db8::1 tcp flags syn counter drop")
        names.lead("six.lab.test", "2001:db8::1", "127.0.0.1")
        eventually(lambda: socket.getaddrinfo("six.lab.test", 1)[0][0] == socket.AF_INET6)
        times = [seconds_of(lambda: send(session, url.replace("dual", "six"))) for _ in range(4)]

    assert max(times) < best + 0.3
    assert max(times[1:]) < 0.2  # it was tried once
    assert packets.counted()[0] >= 1

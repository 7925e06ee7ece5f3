"""Section A: connecting to a server that is not there, or only half of it."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.exceptions import BybitError, ConnectError, TotalTimeoutError, TransportError
from bybit_sync.net.session import PooledSession
from bybit_sync.net.sockets import TimedSocket
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import connect
from tests.net import servers
from tests.net.conftest import MakeSession, Serve
from tests.net.tools import TOTAL, Crew, ends_within, eventually, failure, is_at_rest, latest, send

from .network import Filter, NameServer, run
from .tools import ENVELOPE, client_on, seconds_of

CLOSING = servers.answering(headers="Connection: close\r\n")
"""Every call needs a new connection."""


@pytest.fixture
def silent_address() -> Iterator[servers.SilentAddress]:
    """An address that swallows every SYN."""
    address = servers.SilentAddress()
    yield address
    address.close()


@pytest.mark.row(1)
def test_an_unanswered_syn_holds_no_call_beyond_its_time(
    hasty: PooledSession, silent_address: servers.SilentAddress
) -> None:
    with ends_within(TOTAL):
        error = failure(hasty, silent_address.url, "POST")

    assert type(error) is TotalTimeoutError
    assert (error.phase, error.effect_unknown) == ("connect", False)
    assert is_at_rest(hasty)


@pytest.mark.row(2)
@pytest.mark.alone("nft", "dnsmasq")
def test_three_silent_addresses_take_no_longer_than_one(
    hasty: PooledSession, tmp_path: Path
) -> None:
    packets = Filter()
    packets.add("ip daddr { 127.0.0.2, 127.0.0.3, 127.0.0.4 } tcp dport 9 counter drop")
    with NameServer(tmp_path).running() as names:
        names.lead("three.lab.test", "127.0.0.2", "127.0.0.3", "127.0.0.4")
        with ends_within(TOTAL):
            error = failure(hasty, "http://three.lab.test:9", "POST")

    assert type(error) is TotalTimeoutError
    assert (error.phase, error.effect_unknown) == ("connect", False)
    assert packets.counted()[0] >= 2  # they were tried side by side


@pytest.mark.row(3)
@pytest.mark.alone("nft", "dnsmasq")
def test_a_silent_first_address_costs_a_moment_and_is_left_alone_then(
    make_session: MakeSession, serve: Serve, tmp_path: Path
) -> None:
    session = make_session(total_timeout=2.0)
    server = serve(CLOSING, tls=False, host="0.0.0.0")
    packets = Filter()
    with NameServer(tmp_path).running() as names:
        names.lead("two.lab.test", "127.0.0.2", "127.0.0.3")
        first = socket.getaddrinfo("two.lab.test", 1)[0][4][0]
        packets.add(f"ip daddr {first} tcp dport {server.port} tcp flags syn counter drop")
        url = f"http://two.lab.test:{server.port}"
        with ends_within(1.0):
            assert send(session, url).status == 200
        tried = packets.counted()[0]
        for _ in range(5):
            assert seconds_of(lambda: send(session, url)) < 0.2

    assert tried >= 1
    assert packets.counted()[0] == tried


@pytest.mark.row(4)
@pytest.mark.alone("nft")
def test_a_refused_connection_is_told_at_once_and_tried_again_under_the_same_name() -> None:
    packets = Filter()
    packets.add("tcp dport 9 tcp flags syn counter reject with tcp reset")
    with client_on("http://127.0.0.1:9", attempts=1) as client:
        took = min(seconds_of(lambda: refused(client)) for _ in range(3))
    assert took < 0.05
    assert packets.counted() == [3]

    with client_on("http://127.0.0.1:9", attempts=3) as client:
        error = refused(client)

    assert (type(error), error.effect_unknown, error.transient) == (ConnectError, False, True)
    assert "ECONNREFUSED" in error.message
    assert packets.counted() == [6]


def refused(client: Any) -> BybitError:
    with pytest.raises(BybitError) as caught:
        client.market.get_server_time()
    return caught.value


class Callers:
    """Threads that call until they are served, and when that was."""

    def __init__(self, call: Any, number: int) -> None:
        self.served: list[float] = []
        self.failed: list[BybitError] = []
        self._call = call
        self._crew = Crew()
        self._crew.start(self._until_served, times=number)

    def _until_served(self) -> None:
        while True:
            try:
                self._call()
            except TransportError as error:
                self.failed.append(error)
                time.sleep(0.02)
            else:
                self.served.append(time.monotonic())
                return

    def join(self) -> None:
        self._crew.join()
        assert not self._crew.errors


@pytest.mark.row(5)
@pytest.mark.alone
def test_after_a_dead_link_everybody_is_served_within_a_second(
    make_session: MakeSession, serve: Serve
) -> None:
    session, server = make_session(total_timeout=5.0), serve(servers.answering())
    assert session.warm_up(server.url, 10) == 10
    run("ip", "link", "set", "lo", "down")
    callers = Callers(lambda: send(session, server.url), 30)
    time.sleep(3.0)
    assert not callers.served

    run("ip", "link", "set", "lo", "up")
    up = time.monotonic()
    callers.join()

    # A SYN that was lost just before is sent again after a second, as the kernel's timers have it.
    assert max(callers.served) - up <= 1.05
    assert not [error for error in callers.failed if not isinstance(error, ConnectError)]


@pytest.mark.row(6)
@pytest.mark.alone("nft")
def test_a_link_that_loses_15_percent_each_way_loses_hardly_a_call(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(total_timeout=5.0, limit_per_host=10)
    server = serve(servers.answering())
    packets = Filter()
    for side in ("dport", "sport"):
        packets.add(f"tcp {side} {server.port} numgen random mod 100 < 15 counter drop")
    lost: list[BybitError] = []
    times: list[float] = []

    def work() -> None:
        for _ in range(15):
            started = time.monotonic()
            try:
                send(session, server.url)
            except BybitError as error:
                lost.append(error)
            times.append(time.monotonic() - started)

    with Crew() as crew:
        crew.start(work, times=20)

    assert min(packets.counted()) > 20
    packets.clear()
    assert len(times) == 300
    assert len(lost) <= 3, lost
    assert max(times) <= latest(5.0)


@pytest.mark.row(7)
@pytest.mark.alone("sysctl")
def test_without_local_ports_the_cause_is_named_and_the_others_are_served(
    session: PooledSession, serve: Serve
) -> None:
    held = threading.Event()

    def answering_late(peer: servers.Peer) -> None:
        while peer.read_request() is not None:
            held.wait(10)
            peer.answer()

    server = serve(answering_late, tls=False)
    run("sysctl", "-w", "net.ipv4.ip_local_port_range=40000 40003")
    errors: list[BybitError] = []

    def work() -> None:
        try:
            send(session, server.url)
        except BybitError as error:
            errors.append(error)

    with Crew() as crew:
        crew.start(work, times=8)
        eventually(lambda: len(errors) == 4)
        held.set()

    assert len(server.requests) == 4
    for error in errors:
        assert (type(error), error.effect_unknown) == (ConnectError, False)
        assert "EADDRNOTAVAIL" in error.message
    assert is_at_rest(session)
    run("sysctl", "-w", "net.ipv4.ip_local_port_range=40000 60000")
    with Crew() as crew:
        crew.start(lambda: send(session, server.url), times=8)


@pytest.mark.row(8)
def test_without_descriptors_nothing_is_sent_and_it_works_again_with_them(
    exchange: LocalExchange,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with connect(exchange, pool={"force_close": True}) as client:
        client.market.get_server_time()  # what is loaded late is loaded
        lowest = os.open("/dev/null", os.O_RDONLY)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            error = refused(client)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (type(error), error.effect_unknown) == (ConnectError, False)
        assert "Too many open files" in error.message
        assert client.market.get_server_time()["retCode"] == 0


@pytest.mark.row(9)
@pytest.mark.alone("nft")
def test_a_server_that_comes_back_is_used_at_once_and_not_overrun(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(servers.answering(ENVELOPE), tls=False)
    packets = Filter()
    tried: list[float] = []
    connect_ex = socket.socket.connect_ex

    def noting(self: socket.socket, address: Any) -> int:
        tried.append(time.monotonic())
        return connect_ex(self, address)

    monkeypatch.setattr(TimedSocket, "connect_ex", noting, raising=False)
    with client_on(server.url) as client:
        packets.add(f"tcp dport {server.port} reject with tcp reset")
        callers = Callers(client.market.get_server_time, 100)
        time.sleep(3.0)
        assert not callers.served
        packets.clear()
        back = time.monotonic()
        callers.join()

    assert max(callers.served) - back <= 1.0
    assert most_in(tried, 0.1) <= 20
    assert len([moment for moment in tried if moment >= back]) <= 50


def most_in(moments: list[float], seconds: float) -> int:
    """The most of these that lie within one span of so many seconds."""
    ordered = sorted(moments)
    return max(bisect_left(ordered, first + seconds) - i for i, first in enumerate(ordered))

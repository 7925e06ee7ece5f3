"""Section F: answers that stall, break off, never end or say too much."""

from __future__ import annotations

import resource
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bybit_sync.exceptions import AnswerTooLargeError, BybitError, TotalTimeoutError
from bybit_sync.net.session import PooledSession
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import connect
from tests.net import servers
from tests.net.conftest import MakeSession, Serve
from tests.net.servers import OK, Peer
from tests.net.tools import Crew, failure, is_at_rest, latest, send

from .tools import seconds_of

MIB = 1024 * 1024
CAP = 8 * MIB


def endless(peer: Peer) -> None:
    """One TLS record after the other, for as long as somebody reads."""
    peer.read_request()
    peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        peer.send(b"4000\r\n" + b" " * 16_384 + b"\r\n")


def endless_without_framing(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK + b"\r\n")
    while True:
        peer.send(b" " * 16_384)


def gzip_of_nothing() -> bytes:
    """Half a megabyte of gzip that holds 512 MiB of zeros."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03"
    first = engine.compress(bytes(MIB)) + engine.flush(zlib.Z_FULL_FLUSH)
    again = engine.compress(bytes(MIB)) + engine.flush(zlib.Z_FULL_FLUSH)
    return head + first + again * 511


BOMB = gzip_of_nothing()


def bomb(peer: Peer) -> None:
    peer.read_request()
    peer.answer(BOMB, headers="Content-Encoding: gzip\r\n")
    peer.wait_for_close()


def resident() -> int:
    """Most memory, in bytes, that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.row(49)
def test_a_hundred_callers_of_a_silent_server_are_all_told_in_time(
    make_session: MakeSession, serve: Serve
) -> None:
    """Seventy of them wait for a connection. The best of three runs counts: others use this
    machine too."""
    session = make_session(total_timeout=0.8, limit_per_host=30)

    def silent(peer: Peer) -> None:
        peer.read_request()
        peer.hang()

    server = serve(silent)
    assert min(_longest_of_a_hundred(session, server.url) for _ in range(3)) <= 0.8 + 0.05
    assert is_at_rest(session)


def _longest_of_a_hundred(session: PooledSession, url: str) -> float:
    times: list[float] = []

    def ask() -> None:
        times.append(seconds_of(lambda: failure(session, url)))

    with Crew() as crew:
        crew.start(ask, times=100)
    assert len(times) == 100
    return max(times)


@pytest.mark.row(55)
@pytest.mark.row(56)
@pytest.mark.alone
@pytest.mark.parametrize("script", [endless, endless_without_framing, bomb])
def test_an_answer_without_measure_is_refused_at_the_cap_within_bounded_memory(
    script: servers.Script, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(max_answer_bytes=CAP, total_timeout=10.0)
    fine, endless_one = serve(servers.answering(b" " * MIB)), serve(script)
    for _ in range(3):
        send(session, fine.url)
    assert len(BOMB) < 600_000
    before = resident()

    error = failure(session, endless_one.url, "POST")

    assert type(error) is AnswerTooLargeError
    assert error.effect_unknown
    assert f"127.0.0.1:{endless_one.port}, read phase" in error.message
    assert str(CAP) in error.message
    assert resident() - before <= CAP + 8 * MIB
    assert is_at_rest(session)


@pytest.mark.row(60)
def test_no_cookie_of_300_answers_is_ever_sent(session: PooledSession, serve: Serve) -> None:
    def baking(peer: Peer) -> None:
        while (request := peer.read_request()) is not None:
            peer.answer(headers=f"Set-Cookie: c{request.target[1:]}=x; Path=/\r\n")

    server = serve(baking)
    for number in range(300):
        send(session, server.url, target=f"/{number}")
    for number in range(10):
        assert session.session.get(f"{server.url}/{number}").ok

    assert len(server.requests) == 310
    assert not any("cookie" in request.headers for request in server.requests)
    assert not session.session.cookies


@pytest.fixture
def own_exchange() -> Iterator[tuple[LocalExchange, Callable[[int], None]]]:
    """An exchange that nobody else uses, and a way to send its process a signal."""
    with LocalExchange(limits=False, ip_limit=None, tls=False) as exchange:
        process: Any = exchange._child._process
        yield exchange, process.send_signal
        process.send_signal(signal.SIGCONT)


@pytest.mark.row(61)
def test_a_stopped_server_is_survived_by_twenty_callers(own_exchange: Any) -> None:
    exchange, send_signal = own_exchange
    pool = {"limit_per_host": 20, "total_timeout": 1.0}
    with connect(exchange, pool=pool) as client:
        assert client.warm_up(20) == 20
        ask = client.market.get_server_time
        send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        errors: list[tuple[float, BybitError]] = []

        def fail() -> None:
            started = time.monotonic()
            with pytest.raises(BybitError) as caught:
                ask()
            errors.append((time.monotonic() - started, caught.value))

        with Crew() as crew:
            crew.start(fail, times=20)
        time.sleep(max(0.0, stopped + 3.0 - time.monotonic()))
        send_signal(signal.SIGCONT)
        with Crew() as crew:
            took = seconds_of(lambda: _call_from_twenty(ask, crew))

    assert len(errors) == 20
    assert max(seconds for seconds, _ in errors) <= latest(1.0)
    assert {type(error) for _, error in errors} == {TotalTimeoutError}
    assert all(error.effect_unknown for _, error in errors)
    assert took <= 0.2


def _call_from_twenty(ask: Callable[[], Any], crew: Crew) -> None:
    crew.start(ask, times=20)
    crew.join()

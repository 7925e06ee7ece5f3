"""Kept connections: used while they are good, dropped before they do harm."""

from __future__ import annotations

import threading

import pytest
import requests

from bybit_sync.exceptions import ConnectionLostError, TransportError
from bybit_sync.net.keeper import sweep
from bybit_sync.net.session import PooledSession
from bybit_sync.net.sockets import readable

from . import servers
from .conftest import MakeSession, Serve
from .servers import Peer
from .tools import TOTAL, Crew, eventually, failure, send

TLS_AND_PLAIN = pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])


def in_parallel(session: PooledSession, server: servers.Server, number: int) -> None:
    """Have so many connections open and used, all idle at the end."""
    meet = threading.Barrier(number)

    def sign() -> dict[str, str]:
        meet.wait(5)  # every call has its connection
        return {}

    with Crew() as crew:
        crew.start(lambda: send(session, server.url, sign=sign), number)


def test_one_connection_carries_call_after_call(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering())

    for _ in range(50):
        send(session, server.url)

    stats = session.adapter.stats()
    assert server.accepted == server.handshakes == 1
    assert (stats.created, stats.reused, stats.tls_handshakes) == (1, 49, 1)


@TLS_AND_PLAIN
def test_force_close_closes_every_connection_after_its_request(
    tls: bool, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(force_close=True, keepalive_timeout=60)
    server = serve(servers.answering(), tls=tls)

    for _ in range(3):
        send(session, server.url)
    session.session.get(server.url)
    assert session.session.get(server.url, stream=True).content

    assert server.accepted == 5
    eventually(lambda: server.open == 0)
    assert all(request.headers["connection"] == "close" for request in server.requests[:3])
    stats = session.adapter.stats()
    assert stats.closed == {"forced": 5}
    assert (stats.active, stats.idle) == (0, 0)


@pytest.mark.row(36)
@TLS_AND_PLAIN
def test_an_unused_connection_is_closed_when_its_time_is_up(
    tls: bool, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(keepalive_timeout=0.2)
    server = serve(servers.answering(), tls=tls)

    send(session, server.url)
    assert server.open == 1

    eventually(lambda: server.open == 0)  # nobody calls: the keeper did it
    stats = session.adapter.stats()
    assert stats.closed == {"idle": 1}
    assert stats.idle == 0


def test_a_connection_that_idled_too_long_is_not_used_again(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(keepalive_timeout=0)
    server = serve(servers.answering())

    for _ in range(3):
        send(session, server.url)

    assert server.accepted == 3


@TLS_AND_PLAIN
def test_a_connection_that_the_server_closed_is_cleaned_up_in_the_background(
    tls: bool, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(keepalive_timeout=2.0)  # a sweep each half second
    server = serve(servers.closing_after(0.05), tls=tls)

    send(session, server.url)

    eventually(lambda: session.adapter.stats().closed == {"server": 1})
    assert session.adapter.stats().idle == 0


def test_without_clean_up_a_closed_connection_lies_until_it_is_needed(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(enable_cleanup_closed=False)
    server = serve(servers.in_turn(servers.closing_after(0.0), servers.answering()))
    adapter = session.adapter

    send(session, server.url)
    eventually(lambda: server.open == 0)
    assert sweep(adapter._slots, adapter.pool_config, adapter._clock) == 0
    assert adapter.stats().idle == 1

    assert send(session, server.url, "POST").status == 200
    assert adapter.stats().closed == {"server": 1}


@pytest.mark.row(37)
def test_connections_of_one_age_are_retired_one_after_the_other(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(max_age=100.0)
    server = serve(servers.answering(), tls=False)
    adapter = session.adapter
    in_parallel(session, server, 30)

    births = adapter._clock.monotonic()
    ages = [conn.retire_at - births for conn in adapter._slots.idle_connections()]

    assert len(ages) == 30
    assert all(94.0 <= age <= 105.0 for age in ages)
    assert max(ages) - min(ages) > 5.0  # of ten that they are spread over


def test_a_connection_is_retired_at_its_age(make_session: MakeSession, serve: Serve) -> None:
    session = make_session(max_age=0.2)
    server = serve(servers.answering())

    send(session, server.url)
    eventually(lambda: server.open == 0)
    send(session, server.url)

    assert server.accepted == 2
    assert session.adapter.stats().closed == {"age": 1}


def test_an_age_of_zero_retires_no_connection(make_session: MakeSession, serve: Serve) -> None:
    session = make_session(max_age=0)
    server = serve(servers.answering())

    send(session, server.url)

    assert [c.retire_at for c in session.adapter._slots.idle_connections()] == [float("inf")]


@TLS_AND_PLAIN
def test_a_connection_that_the_server_closed_is_noticed_before_a_post(
    tls: bool, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.in_turn(servers.closing_after(0.0), servers.answering()), tls=tls)

    send(session, server.url)
    eventually(lambda: server.open == 0)
    assert send(session, server.url, "POST", body=b"{}").status == 200

    assert len(server.requests) == 2
    assert server.accepted == 2


ORDER = servers.plain_answer(b'"stale"')


@pytest.mark.row(47)
@TLS_AND_PLAIN
def test_a_stale_answer_is_never_taken_for_the_next_one(
    tls: bool, session: PooledSession, serve: Serve
) -> None:
    """Bytes that came unasked after an answer, seen by the kernel: the connection is dropped."""

    def answering_twice(peer: Peer) -> None:
        peer.read_request()
        peer.answer(b'"first"')
        peer.pause(0.05)
        peer.send(ORDER)
        peer.wait_for_close()

    server = serve(servers.in_turn(answering_twice, servers.answering(b'"fresh"')), tls=tls)

    assert send(session, server.url, "POST").body == b'"first"'
    [conn] = session.adapter._slots.idle_connections()
    eventually(lambda: readable([conn.fileno()]))
    if tls:  # session tickets make it readable before the bytes do
        threading.Event().wait(0.15)
    assert send(session, server.url, "POST").body == b'"fresh"'
    assert server.accepted == 2


@pytest.mark.row(18)
def test_a_stale_answer_inside_the_tls_object_is_never_taken_for_the_next_one(
    session: PooledSession, serve: Serve
) -> None:
    """A streaming reader takes exactly its own bytes of a TLS record: the rest lies decrypted in
    the TLS object, where the kernel shows nothing."""

    def answering_too_much(peer: Peer) -> None:
        peer.read_request()
        peer.answer(b'"first"' + b" " * 9000, extra=ORDER)
        peer.wait_for_close()

    server = serve(servers.in_turn(answering_too_much, servers.answering(b'"fresh"')))
    pool = session.adapter.pool_for(server.url)
    budget = pool._default_budget()
    lease, conn = pool.checkout(budget)
    conn.sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
    size = len(servers.plain_answer(b'"first"' + b" " * 9000))
    while size:
        size -= len(conn.sock.recv(size))
    assert conn.sock.pending() == len(ORDER)
    pool.checkin(lease, conn)

    assert send(session, server.url, "POST").body == b'"fresh"'
    assert session.adapter.stats().closed == {"unread": 1}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_extra_bytes_in_the_record_of_an_answer_are_never_the_next_one(
    stream: bool, session: PooledSession, serve: Serve
) -> None:
    def answering_too_much(peer: Peer) -> None:
        peer.read_request()
        peer.answer(b'"first"', extra=ORDER)
        servers.answering(b'"fresh"')(peer)

    server = serve(servers.in_turn(answering_too_much, servers.answering(b'"fresh"')))

    assert session.session.post(server.url, stream=stream).content == b'"first"'
    assert session.session.post(server.url, stream=stream).content == b'"fresh"'
    assert send(session, server.url, "POST").body == b'"fresh"'


CLOSING_AS_IT_LANDS = servers.answering_then(servers.closing_when_asked)
RESETTING_AS_IT_LANDS = servers.answering_then(servers.resetting_when_asked)

RACES = pytest.mark.parametrize(
    "race", [CLOSING_AS_IT_LANDS, RESETTING_AS_IT_LANDS], ids=["closed", "reset"]
)


@pytest.mark.row(41)
@TLS_AND_PLAIN
@RACES
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_read_that_met_a_closing_connection_is_repeated_once_in_silence(
    method: str, race: servers.Script, tls: bool, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.in_turn(race, servers.answering(b"")), tls=tls)

    send(session, server.url)
    answer = send(session, server.url, method, target="/raced")

    assert answer.status == 200
    assert server.targets() == ["/", "/raced", "/raced"]
    assert server.accepted == 2


@TLS_AND_PLAIN
@RACES
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_read_of_a_plain_session_is_repeated_too(
    stream: bool, race: servers.Script, tls: bool, plain: requests.Session, serve: Serve
) -> None:
    server = serve(servers.in_turn(race, servers.answering()), tls=tls)

    plain.get(server.url)

    assert plain.get(server.url, stream=stream).content == b"{}"
    assert server.accepted == 2


@TLS_AND_PLAIN
@RACES
def test_a_post_that_met_a_closing_connection_is_told_and_not_repeated(
    race: servers.Script, tls: bool, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.in_turn(race, servers.answering()), tls=tls)

    send(session, server.url)
    error = failure(session, server.url, "POST", target="/order")

    assert type(error) is ConnectionLostError
    assert error.effect_unknown
    assert error.phase == "read"
    assert server.targets() == ["/", "/order"]


def test_a_post_of_which_nothing_was_written_goes_out_on_a_fresh_connection(
    session: PooledSession, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept connection breaks between the check and the write."""
    server = serve(servers.answering())
    send(session, server.url)
    [dead] = session.adapter._slots.idle_connections()
    signed: list[int] = []

    def broken(data: bytes | memoryview) -> int:
        raise BrokenPipeError("gone")

    def sign() -> dict[str, str]:
        signed.append(1)
        return {"X-Sign": str(len(signed))}

    monkeypatch.setattr(dead, "put", broken)
    assert send(session, server.url, "POST", target="/order", sign=sign).status == 200

    assert server.targets() == ["/", "/order"]
    assert server.requests[-1].headers["x-sign"] == "2"  # signed anew: a timestamp grows stale


def test_a_read_is_repeated_once_and_no_more(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.in_turn(CLOSING_AS_IT_LANDS, servers.closing_when_asked))

    send(session, server.url)
    error = failure(session, server.url)

    assert isinstance(error, TransportError)
    assert server.accepted == 2


def test_a_half_answered_read_is_not_repeated(session: PooledSession, serve: Serve) -> None:
    def half(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 2")

    server = serve(servers.in_turn(servers.answering_then(half), servers.answering()))

    send(session, server.url)
    failure(session, server.url)

    assert server.accepted == 1


def test_a_repeat_keeps_its_place_and_does_not_queue_again(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(limit_per_host=1)
    asked, close = threading.Event(), threading.Event()

    def closing_late(peer: Peer) -> None:
        peer.read_request()
        peer.answer()
        peer.read_request()
        asked.set()
        close.wait(5)

    server = serve(servers.in_turn(closing_late, servers.answering()))
    send(session, server.url)

    with Crew() as crew:
        crew.start(lambda: send(session, server.url, target="/raced"))
        assert asked.wait(5)
        crew.start(lambda: send(session, server.url, target="/later"))
        eventually(lambda: session.adapter.stats().waiting == 1)
        close.set()

    assert server.targets() == ["/", "/raced", "/raced", "/later"]


def test_one_connection_found_dead_condemns_those_that_idled_as_long(
    session: PooledSession, serve: Serve
) -> None:
    """A NAT that forgot one connection has forgotten all of that age."""
    dying = threading.Event()

    def forgotten(peer: Peer) -> None:
        peer.read_request()
        peer.answer()
        peer.read_request()  # answers nothing more: the request closes it

    server = serve(lambda peer: (servers.answering() if dying.is_set() else forgotten)(peer))
    in_parallel(session, server, 5)
    assert session.adapter.stats().idle == 5
    dying.set()

    for _ in range(6):
        send(session, server.url)

    stats = session.adapter.stats()
    assert stats.closed == {"error": 1, "condemned": 4}
    assert server.accepted == 6
    assert len(server.requests) == 5 + 1 + 6


@pytest.mark.row(48)
@pytest.mark.parametrize("way", ["client", "stream"])
def test_one_connection_found_silent_condemns_those_that_idled_as_long(
    way: str, make_session: MakeSession, serve: Serve
) -> None:
    session, asleep = make_session(total_timeout=TOTAL), threading.Event()

    def falling_asleep(peer: servers.Peer) -> None:
        while peer.read_request() is not None:
            if asleep.is_set() and peer.index < 5:
                peer.hang()
            peer.answer()

    server = serve(falling_asleep)
    in_parallel(session, server, 5)
    asleep.set()

    if way == "client":
        failure(session, server.url)
    else:
        with pytest.raises(requests.Timeout):
            session.session.get(server.url, stream=True)
    for _ in range(6):
        send(session, server.url)

    eventually(lambda: session.adapter.stats().closed == {"error": 1, "condemned": 4})


@pytest.mark.parametrize(
    "headers",
    ["Connection: close\r\n", "X-A: b\r\nCONNECTION: Close\r\n"],
)
def test_an_answer_that_ends_its_connection_is_good_and_its_connection_is_not_kept(
    headers: str, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering(headers=headers))

    assert send(session, server.url).status == 200
    assert send(session, server.url, "POST").status == 200

    assert server.accepted == 2
    assert session.adapter.stats().closed == {"answer": 2}


@pytest.mark.row(48)
@TLS_AND_PLAIN
def test_an_answer_of_http_1_0_is_good_and_its_connection_is_not_kept(
    tls: bool, session: PooledSession, serve: Serve
) -> None:
    old = servers.sending(b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\nold", then="farewell")
    server = serve(old, tls=tls)

    assert send(session, server.url).body == b"old"
    assert session.session.get(server.url).content == b"old"
    assert server.accepted == 2


def test_an_answer_of_http_1_0_that_is_kept_alive_is_kept(
    session: PooledSession, serve: Serve
) -> None:
    head = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"
    server = serve(servers.sending(head, then="keep"))

    for _ in range(3):
        assert send(session, server.url).body == b"{}"

    assert server.accepted == 1


@TLS_AND_PLAIN
def test_a_body_that_ends_with_its_connection_is_read_to_the_end(
    tls: bool, session: PooledSession, serve: Serve
) -> None:
    script = servers.sending(servers.OK + b"\r\n", b"all ", b"of it", then="farewell")
    server = serve(script, tls=tls)

    assert send(session, server.url).body == b"all of it"
    assert session.adapter.stats().closed == {"answer": 1}


def test_a_server_that_ends_connections_after_five_requests_costs_no_call(
    session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering_then(lambda peer: None, answers=5))

    for number in range(50):
        assert send(session, server.url, target=f"/{number}").status == 200

    assert len(server.requests) == 50
    assert server.accepted == 10


def test_the_keeper_looks_at_a_connection_while_its_next_caller_does(
    make_session: MakeSession, serve: Serve
) -> None:
    """Both ask the kernel at once, over and over: neither disturbs the other."""
    session = make_session(limit_per_host=2)
    adapter, server = session.adapter, serve(servers.answering(), tls=False)
    send(session, server.url)
    stop = threading.Event()

    def keep_sweeping() -> None:
        while not stop.is_set():
            sweep(adapter._slots, adapter.pool_config, adapter._clock)

    with Crew() as crew:
        crew.start(keep_sweeping, times=2)
        for _ in range(1500):
            send(session, server.url)
        stop.set()

    assert server.accepted == 1

"""Answers that are no answers: a typed error in time, bounded memory, the slot is back."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import requests

from bybit_sync.exceptions import AnswerTooLargeError, BadAnswerError
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve
from .servers import OK, Peer
from .tools import eventually, failure, is_at_rest, send

MIB = 1024 * 1024

FRAMING_FAULTS = {
    "no HTTP": b"<html>hello</html>\r\n\r\n",
    "another version": b"HTTP/7.3 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "length and chunks": OK
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks and length": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a negative length": OK + b"Content-Length: -1\r\n\r\n{}",
    "a signed length": OK + b"Content-Length: +2\r\n\r\n{}",
    "a length of letters": OK + b"Content-Length: two\r\n\r\n{}",
    "a length of 40 digits": OK + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    "a bad chunk size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a header without a colon": OK + b"Nonsense\r\nContent-Length: 2\r\n\r\n{}",
    "a NUL in a header": OK + b"X-A: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "a length that is too long": OK + b"Content-Length: 39\r\n\r\n{}",
    "5,000 headers": OK + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n",
    "a header line of 70 KB": OK + b"X-A: " + b"y" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "headers without an end": OK + b"X-A: " + b"y" * 300_000,
    "a change of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
    b"Connection: Upgrade\r\n\r\nhello",
    "an unasked encoding": OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
    "another unasked encoding": OK + b"Content-Encoding: zstd\r\nContent-Length: 2\r\n\r\n{}",
    "six encodings": OK
    + b"Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\nContent-Length: 2\r\n\r\n{}",
    "damaged gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    "gzip that goes on in a second member": OK
    + b"Content-Encoding: gzip\r\nContent-Length: 44\r\n\r\n"
    + gzip.compress(b"[1", mtime=0)
    + gzip.compress(b"2]", mtime=0),
    "cut gzip": OK
    + b"Content-Encoding: gzip\r\nContent-Length: 24\r\n\r\n"
    + gzip.compress(b"{}" * 999)[:24],
}


@pytest.mark.row(57)
@pytest.mark.row(58)
@pytest.mark.row(59)
@pytest.mark.parametrize("data", FRAMING_FAULTS.values(), ids=FRAMING_FAULTS.keys())
def test_broken_framing_is_a_bad_answer(data: bytes, session: PooledSession, serve: Serve) -> None:
    server = serve(servers.in_turn(servers.sending(data), servers.answering()))

    error = failure(session, server.url, "POST")

    assert type(error) is BadAnswerError
    assert error.effect_unknown
    assert is_at_rest(session)
    assert send(session, server.url).body == b"{}"


HANDED_ON_BY_REQUESTS = [name for name in FRAMING_FAULTS if "encoding" in name or "gzip" in name]


@pytest.mark.parametrize("name", sorted(FRAMING_FAULTS.keys() - HANDED_ON_BY_REQUESTS))
def test_broken_framing_is_requests_own_error_in_a_plain_session(
    name: str, plain: requests.Session, serve: Serve
) -> None:
    server = serve(servers.sending(FRAMING_FAULTS[name]))

    with pytest.raises(requests.RequestException):
        plain.get(server.url)


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\n\r\n", b"garbage", b"\r\n\r\nX"])
def test_bytes_behind_an_answer_cost_the_connection_and_not_the_answer(
    extra: bytes, session: PooledSession, serve: Serve
) -> None:
    server = serve(
        servers.in_turn(
            servers.sending(servers.plain_answer(b"first") + extra, then="hang"),
            servers.answering(b"second"),
        )
    )

    assert send(session, server.url).body == b"first"
    assert send(session, server.url).body == b"second"
    assert server.accepted == 2


def test_trailers_are_not_taken_for_headers(session: PooledSession, serve: Serve) -> None:
    chunked = (
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Encoding: gzip\r\n"
        b"X-Bapi-Limit: 1\r\n\r\n"
    )

    answer = send(session, serve(servers.sending(OK + chunked, then="keep")).url)

    assert answer.body == b"{}"
    assert "X-Bapi-Limit" not in answer.headers


@pytest.mark.parametrize("size", [999, 1000])
def test_an_answer_up_to_the_cap_is_let_through(
    size: int, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(max_answer_bytes=1000)
    body = b"x" * size

    assert send(session, serve(servers.answering(body)).url).body == body


@pytest.mark.row(58)
def test_an_answer_above_the_cap_is_refused_by_its_length_alone(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(max_answer_bytes=1000)
    head = OK + b"Content-Length: 1000000000000\r\n\r\n"

    error = failure(session, serve(servers.sending(head, then="hang")).url)

    assert type(error) is AnswerTooLargeError
    assert is_at_rest(session)


def endless_chunks(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        peer.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def endless_body(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK + b"\r\n")
    while True:
        peer.send(b"x" * 65_536)


def bomb(peer: Peer) -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = b"".join(engine.compress(bytes(MIB)) for _ in range(64)) + engine.flush()
    peer.read_request()
    peer.answer(data, headers="Content-Encoding: gzip\r\n")


@pytest.mark.parametrize("script", [endless_chunks, endless_body, bomb])
def test_an_answer_without_end_is_refused_within_bounded_memory(
    script: servers.Script, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(max_answer_bytes=2 * MIB)
    server = serve(script, tls=False)
    tracemalloc.start()
    try:
        error = failure(session, server.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert type(error) is AnswerTooLargeError
    assert peak < 8 * MIB
    assert is_at_rest(session)


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", gzip.compress(b"[1,2]")),
        ("x-gzip", gzip.compress(b"[1,2]")),
        ("GZIP", gzip.compress(b"[1,2]")),
        ("deflate", zlib.compress(b"[1,2]")),
        ("deflate", zlib.compress(b"[1,2]")[2:-4]),
        ("identity", b"[1,2]"),
    ],
    ids=["gzip", "x-gzip", "GZIP", "zlib", "raw deflate", "identity"],
)
def test_a_compressed_answer_is_handed_on_as_the_server_meant_it(
    coding: str, data: bytes, session: PooledSession, serve: Serve
) -> None:
    url = serve(servers.answering(data, headers=f"Content-Encoding: {coding}\r\n")).url

    assert send(session, url).body == b"[1,2]"
    assert session.session.get(url).content == b"[1,2]"


def test_a_stopped_server_is_survived_by_everybody(make_session: MakeSession, serve: Serve) -> None:
    """Twenty callers run into their time-outs while the server sleeps, and go on when it wakes."""
    session = make_session(total_timeout=0.3)
    awake = threading.Event()

    def sleepy(peer: Peer) -> None:
        while peer.read_request() is not None:
            awake.wait(10)
            peer.answer()

    server = serve(sleepy)
    from .tools import Crew

    with Crew() as crew:
        crew.start(lambda: failure(session, server.url), times=20)
    awake.set()

    assert is_at_rest(session)
    with Crew() as crew:
        crew.start(lambda: send(session, server.url, timeout=5.0), times=20)
    eventually(lambda: session.adapter.stats().active == 0)


Make = Callable[..., requests.Session]

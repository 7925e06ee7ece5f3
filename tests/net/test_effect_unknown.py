"""``effect_unknown`` is true exactly when a byte of the request was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bybit_sync.config import TlsConfig
from bybit_sync.exceptions import (
    AnswerTooLargeError,
    BadAnswerError,
    ConnectError,
    ConnectionLostError,
    DnsError,
    TlsError,
    TransportError,
)
from bybit_sync.net.adapter import PooledAdapter
from bybit_sync.net.connection import PooledHTTPSConnection
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve, Trust
from .servers import Peer
from .tools import eventually, failure, send


def answering_half_then(script: servers.Script) -> servers.Script:
    def play(peer: Peer) -> None:
        peer.read_request()
        peer.send(servers.OK + b"Content-Length: 99\r\n\r\nhalf")
        script(peer)

    return play


def reset(peer: Peer) -> None:
    peer.reset()


def test_a_refused_connection_sent_nothing(session: PooledSession) -> None:
    error = failure(session, servers.refused_url(), "POST", body=b"{}")

    assert type(error) is ConnectError
    assert error.phase == "connect"
    assert not error.effect_unknown
    assert "ECONNREFUSED" in error.message


def test_an_unknown_name_sent_nothing(session: PooledSession) -> None:
    error = failure(session, "https://does-not-exist.invalid", "POST", body=b"{}")

    assert type(error) is DnsError
    assert error.phase == "dns"
    assert not error.effect_unknown
    assert "does-not-exist.invalid" in error.message


def test_a_certificate_of_an_unknown_authority_sent_nothing(
    make_adapter: Callable[..., PooledAdapter], serve: Serve, tmp_path: Any
) -> None:
    stranger = Trust(tmp_path)
    adapter = make_adapter(tls=TlsConfig(ca_file=stranger.ca_file))
    server = serve(servers.answering())

    error = failure(PooledSession(adapter), server.url, "POST", body=b"{}")

    assert type(error) is TlsError
    assert error.phase == "tls"
    assert not error.effect_unknown
    assert not error.transient
    assert server.accepted == 1
    assert server.requests == []


def test_a_certificate_of_another_host_sent_nothing(
    session: PooledSession, serve: Serve, trust: Trust
) -> None:
    import ssl

    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.ca.issue_cert("other.test").configure_cert(other)
    server = serve(servers.answering(), tls=other)

    error = failure(session, server.url, "POST", body=b"{}")

    assert type(error) is TlsError
    assert not error.effect_unknown
    assert server.accepted == 1


def test_a_server_that_speaks_no_tls_sent_nothing(session: PooledSession, serve: Serve) -> None:
    def speaking_plainly(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = serve(speaking_plainly, tls=False)

    error = failure(session, f"https://127.0.0.1:{server.port}", "POST", body=b"{}")

    assert isinstance(error, ConnectError)
    assert error.phase == "tls"
    assert not error.effect_unknown


def test_a_server_that_closes_at_accept_sent_nothing(session: PooledSession, serve: Serve) -> None:
    error = failure(session, serve(servers.closing_at_accept).url, "POST", body=b"{}")

    assert type(error) is ConnectError
    assert error.phase == "tls"
    assert error.transient
    assert not error.effect_unknown


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize(
    "script",
    [servers.closing_when_asked, servers.resetting_when_asked],
    ids=["closed", "reset"],
)
def test_a_request_that_was_read_and_not_answered_may_have_acted(
    script: servers.Script, tls: bool, session: PooledSession, serve: Serve
) -> None:
    server = serve(script, tls=tls)

    error = failure(session, server.url, "POST", body=b"{}")

    assert type(error) is ConnectionLostError
    assert error.phase == "read"
    assert error.effect_unknown
    assert len(server.requests) == 1


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_a_reset_before_the_request_was_read_may_have_acted(
    tls: bool, session: PooledSession, serve: Serve
) -> None:
    """A byte was written: what became of it cannot be known from here."""

    def resetting_unread(peer: Peer) -> None:
        peer.handshake()
        peer.pause(0.1)
        peer.reset()

    error = failure(session, serve(resetting_unread, tls=tls).url, "POST", body=b"{}")

    assert type(error) is ConnectionLostError
    assert error.effect_unknown


@pytest.mark.row(54)
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize("end", [lambda peer: None, reset], ids=["cut", "reset"])
def test_half_an_answer_is_a_bad_answer_to_a_call_that_may_have_acted(
    end: servers.Script, tls: bool, session: PooledSession, serve: Serve
) -> None:
    server = serve(answering_half_then(end), tls=tls)

    error = failure(session, server.url, "POST", body=b"{}")

    assert type(error) is BadAnswerError
    assert error.effect_unknown


def test_an_answer_that_is_too_large_may_have_acted(
    make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(max_answer_bytes=1000)

    error = failure(session, serve(servers.answering(b"x" * 5000)).url, "POST", body=b"{}")

    assert type(error) is AnswerTooLargeError
    assert error.effect_unknown


def test_a_kept_connection_that_broke_before_the_write_sent_nothing(
    session: PooledSession, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write itself fails, on the kept connection and, made so here, on the fresh one too."""
    server = serve(servers.answering())
    send(session, server.url)

    def broken(*args: Any) -> int:
        raise BrokenPipeError("nothing can be written")

    [kept] = session.adapter._slots.idle_connections()
    monkeypatch.setattr(kept, "put", broken)
    note_opened = PooledHTTPSConnection.note_opened

    def opened_broken(conn: PooledHTTPSConnection) -> None:
        note_opened(conn)
        conn.put = broken

    monkeypatch.setattr(PooledHTTPSConnection, "note_opened", opened_broken)
    error = failure(session, server.url, "POST", body=b"{}")

    assert isinstance(error, TransportError)
    assert error.phase == "write"
    assert not error.effect_unknown
    assert server.accepted == 2
    assert len(server.requests) == 1


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_a_server_that_answers_before_it_has_read_everything_is_heard(
    tls: bool, session: PooledSession, serve: Serve
) -> None:
    def refusing(peer: Peer) -> None:
        peer.handshake()
        peer.sock.recv(1000)
        peer.answer(b"too large", status="413 Content Too Large", headers="Connection: close\r\n")
        peer.pause(0.2)

    answer = send(session, serve(refusing, tls=tls).url, "POST", body=b"x" * 8_000_000)

    assert answer.status == 413
    eventually(lambda: session.adapter.stats().active == 0)

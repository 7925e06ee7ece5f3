"""Section B: handshakes that end badly or not at all, and trust."""

from __future__ import annotations

import ssl
import warnings
from pathlib import Path

import pytest

from bybit_sync import BybitClient, BybitError, Config, ConfigError, TlsConfig
from bybit_sync.exceptions import BadAnswerError, TlsError
from bybit_sync.net import sockets
from bybit_sync.net.session import PooledSession
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import RESTING, connect
from tests.exchange.tools import failure as failure_of
from tests.net import servers
from tests.net.conftest import MakeSession, Serve, Trust
from tests.net.tools import ends_within, eventually, failure, is_at_rest, send

from .tools import seconds_of


@pytest.mark.row(12)
@pytest.mark.row(13)
@pytest.mark.row(14)
@pytest.mark.parametrize("reason", ["expired", "wrong_host", "unknown_ca"])
def test_a_certificate_that_is_not_good_costs_one_handshake_and_no_second_try(
    reason: str, exchange: LocalExchange
) -> None:
    with connect(exchange) as client:
        exchange.faults.bad_certificate(reason, times=None)
        opened = exchange.connections.opened
        errors: list[BybitError] = []
        took = min(
            seconds_of(
                lambda: errors.append(failure_of(lambda: client.trade.place_order(**RESTING)))
            )
            for _ in range(2)
        )
        assert exchange.connections.opened - opened == 2

    for error in errors:
        assert type(error) is TlsError
        assert (error.effect_unknown, error.transient) == (False, False)
    assert took < 0.3


@pytest.mark.row(15)
def test_a_server_that_speaks_tls_1_1_only_is_refused(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering(), tls=_old_tls())

    error = failure(session, server.url, "POST")

    assert type(error) is TlsError
    assert not error.effect_unknown
    assert server.requests == []
    assert is_at_rest(session)


def _old_tls() -> ssl.SSLContext:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    return old


@pytest.mark.row(16)
@pytest.mark.parametrize("key", ["verify", "verify_ssl", "insecure", "check_hostname"])
def test_there_is_no_switch_that_turns_verification_off(key: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[tls]\n{key} = false\n")

    with pytest.raises(ConfigError, match=rf"tls\.{key}"):
        Config.load(path)
    with pytest.raises(TypeError):
        TlsConfig(**{key: False})


@pytest.mark.row(17)
def test_certificate_files_in_the_environment_are_not_looked_at(
    exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exchange.ca_file is not None
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, exchange.ca_file)
    with BybitClient(base_url=exchange.url, config=Config()) as client:
        assert type(failure_of(client.market.get_server_time)) is TlsError
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            client.session.get(f"{exchange.url}/v5/market/time")

    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "/no/such/file")
    with connect(exchange) as client:
        assert client.market.get_server_time()["retCode"] == 0
        assert client.session.get(f"{exchange.url}/v5/market/time").ok


HALVES = {
    "with a length": servers.OK + b"Content-Length: 99\r\n\r\n{}",
    "in chunks": servers.OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "without a length": servers.OK + b"\r\n{}",
    "of HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n{}",
}


@pytest.mark.row(19)
@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
def test_tls_that_ends_without_farewell_is_an_answer_that_was_cut(
    half: bytes, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.sending(half))

    error = failure(session, server.url, "POST")

    assert type(error) is BadAnswerError
    assert error.effect_unknown
    with pytest.raises(OSError, match=r"TLS ended|IncompleteRead|ended prematurely"):
        _read_streaming(session, server.url)
    assert is_at_rest(session)


def _read_streaming(session: PooledSession, url: str) -> bytes:
    with session.session.get(url, stream=True) as response:
        content: bytes = response.content
        return content


@pytest.fixture
def reloading(serve: Serve, trust: Trust) -> servers.Server:
    """A server whose certificate can be changed: ``server.tls`` holds for new connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.ca.issue_cert("127.0.0.1").configure_cert(context)
    return serve(servers.answering(), tls=context)


@pytest.mark.row(20)
def test_sessions_that_are_taken_up_do_not_outlive_their_certificate_for_long(
    make_session: MakeSession,
    reloading: servers.Server,
    trust: Trust,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that keeps its ticket keys over the reload would take up sessions for ever."""
    monkeypatch.setattr(sockets, "_VERIFIED_FOR_SECONDS", 0.3)
    session, server = make_session(force_close=True), reloading
    assert server.tls is not None
    assert send(session, server.url).status == 200
    trust.ca.issue_cert("elsewhere.test").configure_cert(server.tls)
    errors: list[BybitError] = []

    def is_noticed() -> bool:
        try:
            send(session, server.url)
        except BybitError as error:
            errors.append(error)
        return bool(errors)

    eventually(is_noticed)

    assert type(errors[0]) is TlsError


@pytest.mark.row(20)
def test_a_changed_certificate_is_verified_by_new_connections_and_old_ones_retire(
    make_session: MakeSession, reloading: servers.Server, trust: Trust
) -> None:
    session, server = make_session(max_age=0.5, total_timeout=2.0), reloading
    good, wrong = server.tls, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.ca.issue_cert("elsewhere.test").configure_cert(wrong)
    assert send(session, server.url).status == 200

    server.tls = wrong
    assert send(session, server.url).status == 200  # over the connection that was verified
    assert server.accepted == 1
    eventually(lambda: session.adapter.stats().idle == 0)
    with ends_within(2.0):
        assert type(failure(session, server.url)) is TlsError

    server.tls = good
    assert send(session, server.url).status == 200
    assert server.accepted == 3

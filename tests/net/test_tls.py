"""Trust: one context, built once, and what plain sessions may ask for beside it."""

from __future__ import annotations

import shutil
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest
import requests
import urllib3

from bybit_sync.config import TlsConfig
from bybit_sync.exceptions import ConnectError, TlsError
from bybit_sync.net.adapter import PooledAdapter
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import Serve, Trust
from .tools import Crew, failure, send


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """How often a CA bundle was loaded."""
    calls: list[Any] = []
    load = ssl.SSLContext.load_verify_locations

    def load_verify_locations(self: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
        calls.append((args, kwargs))
        load(self, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load_verify_locations)
    return calls


def test_the_authorities_are_loaded_once_for_many_connections(
    loads: list[Any],
    make_adapter: Callable[..., PooledAdapter],
    serve: Serve,
    trust: Trust,
    tmp_path: Path,
) -> None:
    ours = shutil.copy(trust.ca_file, tmp_path)  # other tests may have loaded the common one
    session = PooledSession(make_adapter(force_close=True, tls=TlsConfig(ca_file=ours)))
    hosts = [serve(servers.answering()) for _ in range(3)]

    with Crew() as crew:
        for server in hosts:
            crew.start(lambda server=server: [send(session, server.url) for _ in range(5)], 2)
    session.session.get(hosts[0].url)

    assert session.adapter.stats().tls_handshakes == 31
    assert len(loads) == 1


def test_the_bundled_authorities_are_the_default(
    loads: list[Any], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bybit_sync.net.tls._SHARED", {})  # what other tests have loaded
    session = PooledSession(PooledAdapter())

    for _ in range(3):
        error = failure(session, serve(servers.answering()).url)
        assert type(error) is TlsError
    session.close()

    assert [kwargs for _, kwargs in loads] == [{"cafile": certifi.where()}]


def test_verify_may_name_a_file_or_a_folder(
    make_adapter: Callable[..., PooledAdapter], serve: Serve, trust: Trust, tmp_path: Any
) -> None:
    stranger = Trust(tmp_path)
    (tmp_path / "empty").mkdir()
    plain = mounted(make_adapter(tls=TlsConfig(ca_file=stranger.ca_file)))
    server = serve(servers.answering())

    with pytest.raises(requests.exceptions.SSLError):
        plain.get(server.url)
    for stream in (False, True):
        assert plain.get(server.url, verify=trust.ca_file, stream=stream).content == b"{}"
    with pytest.raises(requests.exceptions.SSLError):
        plain.get(server.url, verify=str(tmp_path / "empty"))
    with pytest.raises(OSError, match="missing"):
        plain.get(server.url, verify=str(tmp_path / "missing"))


def mounted(adapter: PooledAdapter) -> requests.Session:
    plain = requests.Session()
    plain.trust_env = False
    plain.mount("https://", adapter)
    return plain


def test_verify_false_warns_and_connects_and_stays_apart(
    make_adapter: Callable[..., PooledAdapter], serve: Serve, tmp_path: Any
) -> None:
    stranger = Trust(tmp_path)
    plain = mounted(make_adapter(tls=TlsConfig(ca_file=stranger.ca_file)))
    server = serve(servers.answering())

    with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
        assert plain.get(server.url, verify=False).ok
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert plain.get(server.url, verify=False, stream=True).ok

    with pytest.raises(requests.exceptions.SSLError):  # not over the unverified connection
        plain.get(server.url)


def test_a_client_certificate_is_shown_to_a_server_that_asks(
    make_adapter: Callable[..., PooledAdapter], serve: Serve, trust: Trust, tmp_path: Any
) -> None:
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.ca.issue_cert("127.0.0.1").configure_cert(asking)
    trust.ca.configure_trust(asking)
    asking.verify_mode = ssl.CERT_REQUIRED
    mine = trust.ca.issue_cert("me@example.test")
    chain, key, both = (str(tmp_path / name) for name in ("chain.pem", "key.pem", "both.pem"))
    mine.cert_chain_pems[0].write_to_path(chain)
    mine.private_key_pem.write_to_path(key)
    mine.private_key_and_cert_chain_pem.write_to_path(both)
    server = serve(servers.answering(), tls=asking)
    plain = mounted(make_adapter())

    with pytest.raises(requests.exceptions.ConnectionError):
        plain.get(server.url)
    assert plain.get(server.url, cert=(chain, key)).ok
    assert plain.get(server.url, cert=both, stream=True).ok
    with pytest.raises(OSError, match="no-such-file"):
        plain.get(server.url, cert="no-such-file")

    configured = TlsConfig(ca_file=trust.ca_file, client_cert=chain, client_key=key)
    assert send(PooledSession(make_adapter(tls=configured)), server.url).status == 200


def test_versions_below_the_minimum_are_refused(
    make_adapter: Callable[..., PooledAdapter], serve: Serve, trust: Trust
) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.ca.issue_cert("127.0.0.1").configure_cert(old)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    server = serve(servers.answering(), tls=old)
    strict = make_adapter(tls=TlsConfig(ca_file=trust.ca_file, minimum_version="TLSv1.3"))

    error = failure(PooledSession(strict), server.url, "POST")

    assert isinstance(error, ConnectError)
    assert error.phase == "tls"
    assert not error.effect_unknown
    assert send(PooledSession(make_adapter()), server.url).status == 200


def test_hosts_are_told_apart_by_name(
    make_adapter: Callable[..., PooledAdapter], serve: Serve
) -> None:
    """The certificate is for localhost and 127.0.0.1, both over one context."""
    session = PooledSession(make_adapter())
    server = serve(servers.answering())

    assert send(session, server.url).status == 200
    assert send(session, server.named_url).status == 200
    assert server.accepted == 2


def resumed(session: PooledSession) -> list[bool]:
    """Of each idle connection, whether its handshake took an earlier session up again."""
    return [conn.sock.session_reused for conn in session.adapter._slots.idle_connections()]


def server_context(trust: Trust) -> ssl.SSLContext:
    """A trusted server's, which has met nobody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


def drop_idle(session: PooledSession) -> None:
    session.adapter._slots.drop_idle(lambda conn: "idle")


def test_a_later_connection_takes_up_the_tls_session_of_an_earlier_one(
    session: PooledSession, serve: Serve, trust: Trust
) -> None:
    server = serve(servers.answering(), tls=server_context(trust))
    send(session, server.url)
    assert resumed(session) == [False]
    drop_idle(session)

    send(session, server.url)

    assert resumed(session) == [True]


def test_a_server_that_has_forgotten_the_session_makes_a_whole_handshake(
    session: PooledSession, serve: Serve, trust: Trust
) -> None:
    server = serve(servers.answering())
    send(session, server.url)
    drop_idle(session)
    server.tls = server_context(trust)

    assert send(session, server.url).status == 200

    assert resumed(session) == [False]


def test_a_session_that_was_taken_up_stays_for_the_next_connection(
    session: PooledSession, serve: Serve, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    read = ssl.SSLSocket.session.fget
    assert read is not None
    looking = property(lambda sock: looks.append(sock) or read(sock), ssl.SSLSocket.session.fset)
    monkeypatch.setattr(ssl.SSLSocket, "session", looking)
    server = serve(servers.answering(), tls=server_context(trust))

    for _ in range(5):
        send(session, server.url)
        drop_idle(session)
    send(session, server.url)

    assert resumed(session) == [True]
    assert len(looks) == 1  # each leaks 7 kB in CPython 3.11


def test_a_tls_session_is_not_taken_up_where_another_trust_was_asked_for(
    make_adapter: Callable[..., PooledAdapter], serve: Serve, trust: Trust, tmp_path: Any
) -> None:
    adapter = make_adapter(tls=TlsConfig(ca_file=Trust(tmp_path).ca_file))
    plain = mounted(adapter)
    server = serve(servers.answering())
    plain.get(server.url, verify=trust.ca_file)
    adapter._slots.drop_idle(lambda conn: "idle")

    with pytest.raises(requests.exceptions.SSLError):
        plain.get(server.url)

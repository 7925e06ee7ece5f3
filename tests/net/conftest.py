"""Fixtures for tests over real sockets on the loopback."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import trustme

from bybit_sync.config import ConnectionPoolConfig, TcpKeepaliveConfig, TlsConfig
from bybit_sync.net.adapter import PooledAdapter
from bybit_sync.net.connection import PooledConnection
from bybit_sync.net.session import PooledSession
from tests.faults.leaks import nothing_left  # noqa: F401  # after each test here, too

from .servers import Script, Server
from .tools import TOTAL

Serve = Callable[..., Server]
MakeSession = Callable[..., PooledSession]


class Trust:
    """A certificate authority for one run, and what it signs."""

    def __init__(self, folder: Any) -> None:
        self.ca = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("127.0.0.1", "localhost", "two.test").configure_cert(self.server)


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """The authority that test servers are certified by."""
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture(autouse=True)
def _no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks a real name server: but for localhost, no name exists."""
    if "BYBIT_SYNC_ALONE" in os.environ:
        return  # a network of its own, which may have a name server of its own
    ask = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        host.encode("idna")  # raises what the real one does
        if host == "localhost" or not host[0].isalpha():
            return ask(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def serve(trust: Trust) -> Iterator[Serve]:
    """Starts scripted servers; all are closed after the test."""
    servers: list[Server] = []

    def start(script: Script, *, tls: Any = True, **how: Any) -> Server:
        context = trust.server if tls is True else (tls or None)
        servers.append(Server(script, context, **how))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
    faults = [fault for server in servers for fault in server.faults]
    assert not faults, faults


@pytest.fixture
def make_adapter(trust: Trust) -> Iterator[Callable[..., PooledAdapter]]:
    """Makes adapters that trust the test servers; all are closed after the test."""
    adapters: list[PooledAdapter] = []

    def make(
        *, keepalive: TcpKeepaliveConfig | None = None, tls: TlsConfig | None = None, **pool: Any
    ) -> PooledAdapter:
        config = ConnectionPoolConfig(**pool)
        trusted = tls or TlsConfig(ca_file=trust.ca_file)
        adapters.append(PooledAdapter(config, tls=trusted, keepalive=keepalive))
        return adapters[-1]

    yield make
    for adapter in adapters:
        adapter.close()


@pytest.fixture
def make_session(make_adapter: Callable[..., PooledAdapter]) -> Iterator[MakeSession]:
    """Makes client sessions that trust the test servers; all are closed after the test."""
    sessions: list[PooledSession] = []

    def make(*, proxy: str = "", max_answer_bytes: int | None = None, **pool: Any) -> PooledSession:
        adapter = make_adapter(**pool)
        sessions.append(PooledSession(adapter, proxy=proxy, max_answer_bytes=max_answer_bytes))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


class SocketTally:
    """Counts the sockets of pooled connections where they are opened and closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 0
        self.peak = 0

    def add(self, number: int) -> None:
        with self._lock:
            self.now += number
            self.peak = max(self.peak, self.now)


@pytest.fixture
def tally(monkeypatch: pytest.MonkeyPatch) -> SocketTally:
    """How many sockets the pools have open, and had at most: a server hears of a close later."""
    tally = SocketTally()
    opened, closed = PooledConnection._new_conn, PooledConnection.close

    def _new_conn(self: PooledConnection) -> socket.socket:
        tally.add(1)
        try:
            return opened(self)
        except BaseException:
            tally.add(-1)
            raise

    def close(self: PooledConnection) -> None:
        is_open = self.sock is not None
        closed(self)
        tally.add(-1 if is_open else 0)

    monkeypatch.setattr(PooledConnection, "_new_conn", _new_conn)
    monkeypatch.setattr(PooledConnection, "close", close)
    return tally


@pytest.fixture
def session(make_session: MakeSession) -> PooledSession:
    """A client session with default limits and a short total timeout."""
    return make_session(total_timeout=5.0)


@pytest.fixture
def hasty(make_session: MakeSession) -> PooledSession:
    """A client session whose calls end after `TOTAL` seconds."""
    return make_session(total_timeout=TOTAL)


@pytest.fixture
def make_plain(make_adapter: Callable[..., PooledAdapter]) -> Iterator[Callable[..., Any]]:
    """Makes ordinary requests sessions with our adapter mounted."""
    plains: list[requests.Session] = []

    def make(**pool: Any) -> requests.Session:
        plain = requests.Session()
        plain.trust_env = False
        adapter = make_adapter(**pool)
        plain.mount("https://", adapter)
        plain.mount("http://", adapter)
        plains.append(plain)
        return plain

    yield make
    for plain in plains:
        plain.close()


@pytest.fixture
def plain(make_plain: Callable[..., requests.Session]) -> requests.Session:
    """An ordinary requests session with our adapter mounted."""
    return make_plain(total_timeout=5.0)

"""Two hundred threads use an adapter for the first time in the same moment."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from bybit_sync.config import ConnectionPoolConfig, TlsConfig
from bybit_sync.net.adapter import PooledAdapter
from bybit_sync.net.session import PooledSession
from tests.net import servers
from tests.net.conftest import Trust
from tests.net.tools import Crew, is_at_rest, send

pytestmark = pytest.mark.stress

THREADS = 200


@pytest.fixture
def trust(tmp_path: Any) -> Trust:
    return Trust(tmp_path)


@pytest.mark.row(113)
@pytest.mark.parametrize("way", ["client", "plain"])
def test_there_is_one_pool_one_context_and_one_keeper(
    way: str, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[ssl.SSLContext] = []
    load = ssl.SSLContext.load_verify_locations

    def load_verify_locations(self: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
        loads.append(self)
        load(self, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load_verify_locations)
    server = servers.Server(servers.answering(), trust.server)
    adapter = PooledAdapter(
        ConnectionPoolConfig(limit_per_host=10, total_timeout=20.0),
        tls=TlsConfig(ca_file=trust.ca_file),
    )
    session = PooledSession(adapter)
    start = threading.Barrier(THREADS)
    ways: dict[str, Callable[[], Any]] = {
        "client": lambda: send(session, server.url),
        "plain": lambda: session.session.get(server.url),
    }

    def work() -> int:
        start.wait(20)
        answer = ways[way]()
        return int(answer.status_code if way == "plain" else answer.status)

    try:
        with Crew() as crew:
            crew.start(work, times=THREADS)

        assert crew.results == [200] * THREADS
        assert len(loads) == 1
        assert len(adapter.poolmanager.pools) == 1
        assert len(adapter.stats().hosts) == 1
        assert server.accepted <= 10
        assert sum("bybit_sync-keeper" in t.name for t in threading.enumerate()) == 1
        assert is_at_rest(session)
    finally:
        session.close()
        server.close()


def test_threads_that_die_by_an_error_in_any_phase_cost_no_slot(trust: Trust) -> None:
    """Every third call fails in its signature, every third in its answer."""
    server = servers.Server(
        lambda peer: (servers.resetting_when_asked if peer.index % 3 else servers.answering())(
            peer
        ),
        trust.server,
    )
    session = PooledSession(
        PooledAdapter(
            ConnectionPoolConfig(limit_per_host=3, total_timeout=20.0),
            tls=TlsConfig(ca_file=trust.ca_file),
        )
    )
    outcomes: list[str] = []

    def work(number: int) -> None:
        def sign() -> dict[str, str]:
            if number % 3 == 0:
                raise SystemExit
            return {}

        try:
            send(session, server.url, "POST", sign=sign)
            outcomes.append("answered")
        except BaseException as error:
            outcomes.append(type(error).__name__)

    try:
        with Crew() as crew:
            for number in range(THREADS):
                crew.start(lambda number=number: work(number))

        assert len(outcomes) == THREADS
        assert outcomes.count("SystemExit") >= THREADS // 3
        assert is_at_rest(session)
        assert server.peak <= 4  # the server hears of a close a moment later
    finally:
        session.close()
        server.close()


def test_plain_sessions_that_share_an_adapter_share_its_pool(trust: Trust) -> None:
    server = servers.Server(servers.answering(), trust.server)
    adapter = PooledAdapter(
        ConnectionPoolConfig(limit_per_host=5, total_timeout=20.0),
        tls=TlsConfig(ca_file=trust.ca_file),
    )

    def work() -> bool:
        plain = requests.Session()
        plain.trust_env = False
        plain.mount("https://", adapter)
        return all(plain.get(server.url).ok for _ in range(5))

    try:
        with Crew() as crew:
            crew.start(work, times=40)

        assert crew.results == [True] * 40
        assert server.accepted == 5
    finally:
        adapter.close()
        server.close()

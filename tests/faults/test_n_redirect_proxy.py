"""N. Redirects, proxies, the environment: keys go to the host that was named and to no other.

Rows 127, 130 and 131 are also in tests/exchange/test_answers.py, rows 130 and 132 in
tests/net/test_sockets_and_proxies.py.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bybit_sync import (
    BadAnswerError,
    BybitClient,
    ClientConfig,
    ConnectError,
    RetryConfig,
    TotalTimeoutError,
)
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import ORDER, RESTING, TIME, Seen, connect, failure, is_at_rest
from tests.net import servers
from tests.net.conftest import Serve
from tests.net.servers import Peer
from tests.net.tools import latest

TOTAL = 1.0


class Trap:
    """A port where nothing may arrive."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def is_untouched(self) -> bool:
        """True if nobody has connected, nor does so now."""
        try:
            self._listener.accept()[0].close()
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    """Where the keys would be stolen."""
    made = Trap()
    yield made
    made.close()


@pytest.mark.row(127, 129)
@pytest.mark.parametrize("scheme", ["http", "https"], ids=["downgraded", "elsewhere"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_order_that_is_redirected_stays_where_it_was_sent(
    status: int, scheme: str, trap: Trap, exchange: LocalExchange, client: BybitClient
) -> None:
    place = f"{scheme}://{trap.address}{ORDER}"
    exchange.faults.http_status(ORDER, status, headers={"Location": place})
    seen = Seen(exchange)

    error = failure(lambda: client.trade.place_order(**RESTING))

    assert type(error) is BadAnswerError
    assert error.status_code == status
    assert error.effect_unknown
    assert seen.count() == 1
    assert trap.is_untouched()


@pytest.mark.row(129)
@pytest.mark.parametrize("status", [301, 308])
def test_a_redirect_to_plain_http_on_the_same_host_and_port_is_not_followed(
    status: int, exchange: LocalExchange, client: BybitClient
) -> None:
    place = exchange.url.replace("https://", "http://") + ORDER
    exchange.faults.http_status(ORDER, status, headers={"Location": place})
    seen, opened = Seen(exchange), exchange.connections.opened

    assert failure(lambda: client.trade.place_order(**RESTING)).status_code == status

    assert seen.count() == 1
    assert exchange.connections.opened - opened == 1


# --- 130, 131: what stands in the environment ---------------------------------------------


@pytest.mark.row(130)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_not_used_and_one_of_the_config_is(
    name: str, trap: Trap, exchange: LocalExchange, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"http://{trap.address}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    proxy = serve(servers.relaying, tls=False)

    with connect(exchange) as client:
        client.trade.place_order(**RESTING)
    with connect(exchange, client=ClientConfig(proxy=proxy.url)) as client:
        client.trade.place_order(**RESTING)

    assert trap.is_untouched()
    (tunnel,) = proxy.requests
    assert (tunnel.method, tunnel.target) == ("CONNECT", urlsplit(exchange.url).netloc)
    assert not any(name.startswith("x-bapi") for name in tunnel.headers)


@pytest.mark.row(131)
def test_a_netrc_of_the_user_is_not_read(
    exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for file in (".netrc", "_netrc"):
        (tmp_path / file).write_text("machine 127.0.0.1 login me password mine\n")
        (tmp_path / file).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = Seen(exchange)

    with connect(exchange) as client:
        client.trade.place_order(**RESTING)
        client.session.get(f"{exchange.url}{TIME}")

    assert seen.count() == 2
    assert not any("authorization" in row["headers"] for row in seen.rows())


# --- 132: proxies that fail ---------------------------------------------------------------


def hanging_in_connect(peer: Peer) -> None:
    peer.read_request()
    peer.hang()


def dripping_in_connect(peer: Peer) -> None:
    peer.read_request()
    peer.drip(b"HTTP/1.1 200 Connection established\r\nX-A: " + b"a" * 5000, every=0.05)


def wanting_a_password(peer: Peer) -> None:
    peer.read_request()
    peer.answer(b"", status="407 Proxy Authentication Required")


def talking_nonsense(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"\x16\x03nonsense\r\n\r\n")


def hanging_behind_connect(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    peer.hang()


@pytest.mark.row(132)
@pytest.mark.parametrize(
    "script",
    [
        hanging_in_connect,
        dripping_in_connect,
        hanging_behind_connect,
        wanting_a_password,
        talking_nonsense,
        servers.closing_when_asked,
        servers.resetting_when_asked,
        servers.closing_at_accept,
    ],
    ids=lambda script: script.__name__,
)
def test_a_proxy_that_fails_is_told_in_time_and_nothing_was_sent(
    script: servers.Script, exchange: LocalExchange, serve: Serve
) -> None:
    proxy, seen = serve(script, tls=False), Seen(exchange)
    with connect(
        exchange,
        client=ClientConfig(proxy=proxy.url),
        pool={"total_timeout": TOTAL},
        retry=RetryConfig(attempts=1),
    ) as client:
        started = time.monotonic()
        error = failure(lambda: client.trade.place_order(**RESTING))

        assert time.monotonic() - started <= latest(TOTAL)
        assert isinstance(error, ConnectError | TotalTimeoutError)
        assert error.phase in ("connect", "tls")
        assert not error.effect_unknown
        assert seen.count() == 0
        assert is_at_rest(client)

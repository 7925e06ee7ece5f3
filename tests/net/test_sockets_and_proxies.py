"""Socket options as the kernel has them, straight and behind proxies."""

from __future__ import annotations

import base64
import socket
from typing import Any

import pytest
import requests

from bybit_sync.config import TcpKeepaliveConfig
from bybit_sync.exceptions import ConnectError
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve
from .servers import Peer
from .tools import TOTAL, Crew, ends_within, eventually, failure, is_at_rest, send

KEEPALIVE = TcpKeepaliveConfig(idle=31, interval=11, count=4, user_timeout=32.5)


def options(session: PooledSession) -> dict[str, int]:
    """What the kernel says of the one idle connection."""
    [conn] = session.adapter._slots.idle_connections()
    ask = conn.sock.getsockopt
    tcp = socket.IPPROTO_TCP
    return {
        "nodelay": ask(tcp, socket.TCP_NODELAY),
        "keepalive": ask(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        "idle": ask(tcp, socket.TCP_KEEPIDLE),
        "interval": ask(tcp, socket.TCP_KEEPINTVL),
        "count": ask(tcp, socket.TCP_KEEPCNT),
        "user_timeout": ask(tcp, socket.TCP_USER_TIMEOUT),
    }


EXPECTED = {
    "nodelay": 1,
    "keepalive": 1,
    "idle": 31,
    "interval": 11,
    "count": 4,
    "user_timeout": 32_500,
}


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_keepalive_and_nodelay_are_set_on_the_socket(
    tls: bool, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(keepalive=KEEPALIVE)
    server = serve(servers.answering(), tls=tls)

    send(session, server.url)

    assert options(session) == EXPECTED


@pytest.mark.parametrize("tls", [True, False], ids=["connect", "forward"])
def test_they_are_set_behind_a_proxy_too(
    tls: bool, make_session: MakeSession, serve: Serve
) -> None:
    server, proxy = serve(servers.answering(), tls=tls), serve(servers.relaying, tls=False)
    session = make_session(keepalive=KEEPALIVE, proxy=proxy.url)

    send(session, server.url)

    assert options(session) == EXPECTED
    assert proxy.accepted == 1


def test_keepalive_can_be_left_off(make_session: MakeSession, serve: Serve) -> None:
    session = make_session(keepalive=TcpKeepaliveConfig(enabled=False))

    send(session, serve(servers.answering()).url)

    now = options(session)
    assert (now["nodelay"], now["keepalive"], now["user_timeout"]) == (1, 0, 0)


def test_an_option_that_this_machine_refuses_is_left_out(
    make_session: MakeSession, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "TCP_KEEPCNT", 9999)
    session = make_session()

    assert send(session, serve(servers.answering()).url).status == 200


@pytest.mark.row(130)
def test_calls_through_connect_share_one_tunnel(make_session: MakeSession, serve: Serve) -> None:
    server, proxy = serve(servers.answering()), serve(servers.relaying, tls=False)
    session = make_session(proxy=proxy.url)

    for _ in range(3):
        assert (
            send(session, server.url, "POST", body=b"[]", sign=lambda: {"X-S": "1"}).status == 200
        )
    assert session.session.get(server.url).ok

    assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert proxy.requests[0].target == f"127.0.0.1:{server.port}"
    assert "x-s" not in proxy.requests[0].headers
    assert server.accepted == 1
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("way", ["client", "whole", "stream"])
def test_a_forwarding_proxy_is_given_the_whole_url_and_the_servers_own_name(
    way: str, make_session: MakeSession, serve: Serve
) -> None:
    server, proxy = serve(servers.answering(), tls=False), serve(servers.relaying, tls=False)
    session = make_session(proxy=proxy.url)

    if way == "client":
        assert send(session, server.url, target="/a?b=c").body == b"{}"
    else:
        got = session.session.get(f"{server.url}/a?b=c", stream=way == "stream")
        assert got.content == b"{}"

    assert proxy.requests[0].target == f"{server.url}/a?b=c"
    assert proxy.requests[0].headers["host"] == f"127.0.0.1:{server.port}"
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("tls", [True, False], ids=["connect", "forward"])
@pytest.mark.parametrize("way", ["client", "whole"])
def test_a_proxy_is_told_the_user_and_the_server_is_not(
    way: str, tls: bool, make_session: MakeSession, serve: Serve
) -> None:
    server, proxy = serve(servers.answering(), tls=tls), serve(servers.relaying, tls=False)
    session = make_session(proxy=f"http://me:pass@127.0.0.1:{proxy.port}")

    if way == "client":
        send(session, server.url)
    else:
        session.session.get(server.url)

    token = base64.b64encode(b"me:pass").decode()
    assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {token}"
    assert "proxy-authorization" not in server.requests[0].headers


@pytest.mark.row(132)
def test_a_proxy_that_wants_a_password_is_a_connect_error_and_nothing_was_sent(
    make_session: MakeSession, serve: Serve
) -> None:
    def refusing(peer: Peer) -> None:
        peer.read_request()
        peer.answer(b"", status="407 Proxy Authentication Required")

    proxy = serve(refusing, tls=False)
    session = make_session(proxy=proxy.url)

    error = failure(session, "https://127.0.0.1:1", "POST")

    assert type(error) is ConnectError
    assert not error.effect_unknown
    assert "407" in error.message
    assert is_at_rest(session)


@pytest.mark.row(132)
@pytest.mark.parametrize(
    "script", [servers.closing_when_asked, servers.resetting_when_asked, servers.closing_at_accept]
)
def test_a_proxy_that_hangs_up_is_a_connect_error_and_nothing_was_sent(
    script: servers.Script, make_session: MakeSession, serve: Serve
) -> None:
    session = make_session(proxy=serve(script, tls=False).url)

    error = failure(session, "https://127.0.0.1:1", "POST")

    assert isinstance(error, ConnectError)
    assert not error.effect_unknown
    assert is_at_rest(session)


def test_many_threads_behind_one_proxy_share_its_pool(
    plain: requests.Session, serve: Serve
) -> None:
    server, proxy = serve(servers.answering()), serve(servers.relaying, tls=False)
    proxies = {"https": proxy.url}

    with Crew() as crew:
        crew.start(lambda: plain.get(server.url, proxies=proxies), times=20)

    adapter: Any = plain.get_adapter(server.url)
    assert len(adapter.proxy_manager) == 1
    assert adapter.stats().idle == proxy.open <= 20


@pytest.mark.parametrize("tls", [True, False], ids=["connect", "forward"])
@pytest.mark.parametrize("way", ["client", "whole", "stream"])
def test_a_proxy_that_is_spoken_to_over_tls(
    way: str, tls: bool, make_session: MakeSession, serve: Serve
) -> None:
    server, proxy = serve(servers.answering(), tls=tls), serve(servers.relaying)
    session = make_session(proxy=proxy.url, total_timeout=3.0)

    for _ in range(3):
        if way == "client":
            assert send(session, server.url, "POST").body == b"{}"
        else:
            assert session.session.get(server.url, stream=way == "stream").content == b"{}"

    assert proxy.accepted == 1
    assert is_at_rest(session)


def test_a_tunnel_inside_tls_that_was_closed_is_noticed(
    make_session: MakeSession, serve: Serve
) -> None:
    server = serve(servers.in_turn(servers.closing_after(0.0), servers.answering()))
    proxy = serve(servers.relaying)
    session = make_session(proxy=proxy.url, total_timeout=3.0)

    send(session, server.url)
    eventually(lambda: proxy.open == 0)

    assert send(session, server.url, "POST").status == 200


def test_a_tunnel_inside_tls_is_held_to_the_deadline(
    make_session: MakeSession, serve: Serve
) -> None:
    head = servers.OK + b"Content-Length: 1000\r\n\r\n"
    server, proxy = serve(servers.dripping(head, b"x" * 999)), serve(servers.relaying)
    session = make_session(proxy=proxy.url, total_timeout=TOTAL)

    with ends_within(TOTAL):
        error = failure(session, server.url, "POST")
    with ends_within(TOTAL), pytest.raises(requests.RequestException):
        assert session.session.get(server.url, stream=True).content

    assert error.effect_unknown
    assert is_at_rest(session)

"""Section E: kept connections that are no longer what they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from bybit_sync.config import TcpKeepaliveConfig
from bybit_sync.exceptions import BybitError, ConnectionLostError, TotalTimeoutError
from bybit_sync.net.session import PooledSession
from bybit_sync.net.sockets import readable
from tests.net import servers
from tests.net.conftest import MakeSession, Serve
from tests.net.tools import Crew, eventually, failure, is_at_rest, send

from .network import Filter, program, run
from .tools import seconds_of

T = 1.0


class Nginx:
    """An nginx that answers everything with 200 and notes what it was asked."""

    port = 8089
    url = f"http://127.0.0.1:{port}"

    def __init__(self, folder: Path, settings: str) -> None:
        self._marks = 0
        self._log = folder / "access.log"
        self.config = folder / "nginx.conf"
        self.config.write_text(
            f"daemon off; master_process off; user root; pid {folder}/pid; error_log stderr;"
            "events { worker_connections 512; }"
            f"http {{ access_log {self._log}; client_body_temp_path {folder}/body; {settings}"
            f"server {{ listen 127.0.0.1:{self.port}; location / {{ return 200 '{{}}'; }} }} }}"
        )

    def asked(self, what: str) -> int:
        """How many requests of this kind have arrived."""
        # It notes a request after it has answered it: once it has noted a later one, all are there.
        self._marks += 1
        mark = f"/mark-{self._marks}"
        with urlopen(self.url + mark, timeout=5.0) as answer:  # noqa: S310  # it is our own
            answer.read()
        eventually(lambda: f"GET {mark} " in self._log.read_text())
        return self._log.read_text().count(f'"{what} HTTP/1.1" 200')


@pytest.fixture
def nginx(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nginx]:
    """An nginx with the settings that the test names."""
    made = Nginx(tmp_path, request.param)
    with program("nginx", "-p", str(tmp_path), "-c", str(made.config), port=made.port):
        yield made


def is_closed_by_the_server(idle: Any) -> bool:
    """Asks the kernel, as the keeper does: the connection's own poll object is for one thread."""
    descriptor = idle.fileno()
    return descriptor < 0 or bool(readable([descriptor]))


@pytest.mark.row(40)
@pytest.mark.alone("nginx")
@pytest.mark.parametrize("nginx", ["keepalive_timeout 1s;"], indirect=True)
@pytest.mark.parametrize("clean_up", [True, False], ids=["swept", "unswept"])
def test_an_order_after_the_servers_idle_time_is_sent_once_and_answered(
    clean_up: bool, make_session: MakeSession, nginx: Nginx
) -> None:
    session = make_session(total_timeout=5.0, enable_cleanup_closed=clean_up)
    assert send(session, nginx.url).status == 200
    [idle] = session.adapter._slots.idle_connections()
    waited = seconds_of(lambda: eventually(lambda: is_closed_by_the_server(idle), 5.0))

    assert 0.5 < waited < 2.5
    assert send(session, nginx.url, "POST", "/order", body=b"{}").status == 200
    assert nginx.asked("POST /order") == 1
    assert session.adapter.stats().closed == {"server": 1}


@pytest.mark.row(46)
@pytest.mark.alone("nginx")
@pytest.mark.parametrize("nginx", ["keepalive_requests 5;"], indirect=True)
def test_a_server_that_ends_connections_after_five_requests_costs_none_of_10_000_calls(
    make_session: MakeSession, nginx: Nginx
) -> None:
    session = make_session(total_timeout=20.0)

    def work() -> None:
        for number in range(2500):
            method = "GET" if number % 2 else "POST"
            assert send(session, nginx.url, method, "/call").status == 200

    with Crew() as crew:
        crew.start(work, times=4)
        crew.join(60)

    assert nginx.asked("POST /call") == nginx.asked("GET /call") == 5000
    assert 2000 <= session.adapter.stats().created < 2004  # four are not used up at the end


@pytest.fixture
def forgotten(serve: Serve) -> Callable[[PooledSession], tuple[servers.Server, Callable[[], None]]]:
    """Makes a server with eight idle connections, and what lets a NAT forget them: neither side
    hears of the other any more, new connections are fine."""

    def make(session: PooledSession) -> tuple[servers.Server, Callable[[], None]]:
        server = serve(servers.answering(), tls=False)
        assert session.warm_up(server.url, 8) == 8
        ports = [conn.sock.getsockname()[1] for conn in session.adapter._slots.idle_connections()]
        assert len(ports) == 8

        def forget() -> None:
            packets, several = Filter(), ", ".join(map(str, ports))
            packets.add(f"tcp sport {{ {several} }} drop")
            packets.add(f"tcp dport {{ {several} }} drop")

        return server, forget

    return make


@pytest.mark.row(43)
@pytest.mark.alone("nft")
def test_of_eight_forgotten_connections_one_call_pays_and_the_others_do_not(
    make_session: MakeSession, forgotten: Any
) -> None:
    session = make_session(total_timeout=T)
    server, forget = forgotten(session)
    forget()

    error = failure(session, server.url)
    times = [seconds_of(lambda: send(session, server.url)) for _ in range(8)]

    assert type(error) is TotalTimeoutError
    assert max(times) < 0.5 * T
    assert session.adapter.stats().closed == {"error": 1, "condemned": 7}


@pytest.mark.row(43)
@pytest.mark.alone("nft")
def test_probes_of_the_kernel_find_forgotten_connections_before_a_call_does(
    make_adapter: Callable[..., Any], forgotten: Any
) -> None:
    probing = TcpKeepaliveConfig(idle=1, interval=1, count=1, user_timeout=1.0)
    session = PooledSession(make_adapter(total_timeout=T, keepalive=probing))
    server, forget = forgotten(session)
    forget()
    eventually(lambda: session.adapter.stats().idle == 0, within=8.0)

    assert seconds_of(lambda: send(session, server.url, "POST")) < 0.5 * T
    assert session.adapter.stats().closed == {"server": 8}


@pytest.mark.row(43)
@pytest.mark.alone("nft")
def test_connections_older_than_a_nat_remembers_are_not_used_again(
    make_session: MakeSession, forgotten: Any
) -> None:
    session = make_session(total_timeout=T, keepalive_timeout=0.3)
    server, forget = forgotten(session)
    forget()
    eventually(lambda: session.adapter.stats().idle == 0)

    times = [seconds_of(lambda: send(session, server.url, "POST")) for _ in range(8)]

    assert max(times) < 0.5 * T
    assert session.adapter.stats().closed["idle"] == 8


@pytest.mark.row(45)
@pytest.mark.alone("nft")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_reset_on_reuse_is_repeated_for_a_read_and_told_for_an_order(
    method: str, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering())
    send(session, server.url)
    [idle] = session.adapter._slots.idle_connections()
    port = idle.sock.getsockname()[1]
    # What carries data only: a late acknowledgement would have it reset before it is used again.
    Filter().add(f"tcp sport {port} tcp flags & psh == psh reject with tcp reset")

    if method == "GET":
        assert send(session, server.url, "GET", "/again").status == 200
        assert server.targets() == ["/", "/again"]
        assert session.adapter.stats().closed == {"error": 1}
    else:
        error: BybitError = failure(session, server.url, "POST", target="/order")
        assert type(error) is ConnectionLostError
        assert error.effect_unknown
        assert server.targets() == ["/"]
    assert is_at_rest(session)


@pytest.mark.row(45)
@pytest.mark.alone("ss")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_the_kernel_has_killed_is_not_used_for_anything(
    method: str, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering())
    send(session, server.url)
    [idle] = session.adapter._slots.idle_connections()
    killed = run("ss", "-K", "-tn", "sport", "=", f":{idle.sock.getsockname()[1]}")
    if str(server.port) not in killed:
        pytest.skip("this kernel does not close sockets on request")

    assert send(session, server.url, method, "/next").status == 200

    assert server.targets() == ["/", "/next"]
    assert session.adapter.stats().closed == {"server": 1}

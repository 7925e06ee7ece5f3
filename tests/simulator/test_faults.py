"""Each fault happens as asked, as often as asked, and is counted."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from bybit_sync.simulator import LocalExchange
from bybit_sync.simulator.server.faults import FaultError, FaultPlan

from .conftest import FAKE_WORLD
from .wire import Trader, now_ms

CREATE = "/v5/order/create"
TIME = "/v5/market/time"


@pytest.fixture(params=["https", "http"])
def server(request: pytest.FixtureRequest, shared_server: LocalExchange) -> Iterator[LocalExchange]:
    """With and without TLS: what happens to the socket must not depend on it."""
    chosen = shared_server if request.param == "https" else request.getfixturevalue("plain_server")
    yield chosen
    chosen.faults.clear()


@pytest.fixture(scope="module")
def plain_server() -> Iterator[LocalExchange]:
    with LocalExchange(tls=False, limits=False, ip_limit=None, world=FAKE_WORLD) as server:
        yield server


@pytest.fixture
def trader(server: LocalExchange) -> Iterator[Trader]:
    with Trader(server, timeout=0.3) as trader:
        yield trader


@pytest.fixture
def placed(server: LocalExchange) -> Callable[[], int]:
    """How many orders were accepted since the test began."""
    before = len(server.orders)
    return lambda: len(server.orders) - before


@pytest.fixture
def count(server: LocalExchange) -> Callable[..., int]:
    """How often a fault happened since the test began."""
    before = server.faults.counts()

    def counted(kind: str, path: str | None = CREATE) -> int:
        earlier: int = sum(
            row["count"] for row in before if row["kind"] == kind and path in (None, row["path"])
        )
        return server.faults.count(kind, path) - earlier

    return counted


# --- the connection ends ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_before_accept", "reset_before"])
def test_a_request_is_lost_before_it_is_accepted(
    server: LocalExchange,
    trader: Trader,
    placed: Callable[[], int],
    count: Callable[..., int],
    kind: str,
) -> None:
    getattr(server.faults, kind)(CREATE)

    with pytest.raises(ConnectionError) as lost:
        trader.place()
    trader.close()

    assert isinstance(lost.value, ConnectionResetError)
    if not server.ca_file:  # Python's TLS shows both as an end of file
        in_order = lost.type is http.client.RemoteDisconnected
        assert in_order == (kind == "drop_before_accept")
    assert (placed(), count(kind)) == (0, 1)
    assert trader.place().code == 0


@pytest.mark.parametrize("kind", ["drop_after_accept", "reset_after"])
def test_an_answer_is_lost_after_the_order_was_accepted(
    server: LocalExchange,
    trader: Trader,
    placed: Callable[[], int],
    count: Callable[..., int],
    kind: str,
) -> None:
    getattr(server.faults, kind)(CREATE, times=2)

    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            trader.place()
        trader.close()

    assert (placed(), count(kind)) == (2, 2)
    assert trader.place().code == 0


def test_tls_says_goodbye_when_it_is_closed_and_not_when_it_is_reset(
    shared_server: LocalExchange,
) -> None:
    context = ssl.create_default_context(cafile=shared_server.ca_file)
    context.options |= ssl.OP_NO_TICKET
    ends = []
    for kind in ("drop_before_accept", "reset_before"):
        getattr(shared_server.faults, kind)(TIME)
        address = ("127.0.0.1", urlsplit(shared_server.url).port or 0)
        with (
            socket.create_connection(address) as plain,
            context.wrap_socket(
                plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False
            ) as tls,
        ):
            tls.sendall(b"GET /v5/market/time HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                ends.append(tls.recv(100))
            except (ssl.SSLEOFError, ConnectionResetError):
                ends.append(b"no goodbye")

    assert ends == [b"", b"no goodbye"]


def test_an_answer_may_be_the_last_one_of_its_connection(
    server: LocalExchange, trader: Trader, count: Callable[..., int]
) -> None:
    server.faults.close_after_answer(TIME)
    assert "close" not in trader.get(TIME).headers["connection"]
    assert trader.http.sock.recv(1) == b""
    trader.close()

    server.faults.close_after_answer(TIME, announce=True)
    assert trader.get(TIME).headers["connection"] == "close"
    assert count("close_after_answer", TIME) == 2


def test_unused_connections_are_closed_after_their_time(
    server: LocalExchange, trader: Trader, count: Callable[..., int]
) -> None:
    trader.get(TIME)
    server.faults.close_idle(0.1)

    assert trader.http.sock.recv(1) == b""
    trader.close()
    assert count("close_idle", None) >= 1
    for _ in range(5):
        trader.get(TIME)  # used in time
        time.sleep(0.03)


# --- late, slow, never --------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [False, True])
def test_a_stalled_request_is_never_answered(
    server: LocalExchange,
    trader: Trader,
    placed: Callable[[], int],
    count: Callable[..., int],
    accepted: bool,
) -> None:
    server.faults.stall(CREATE, after_accept=accepted)

    with pytest.raises(TimeoutError):
        trader.place()
    trader.close()

    assert (placed(), count("stall")) == (int(accepted), 1)
    assert trader.place().code == 0


def test_a_late_answer_comes_late(
    server: LocalExchange, trader: Trader, count: Callable[..., int]
) -> None:
    server.faults.late(CREATE, 0.15)
    started = time.monotonic()

    assert trader.place().code == 0
    assert time.monotonic() - started >= 0.15
    assert count("late") == 1


@pytest.mark.parametrize("accepted", [False, True])
def test_a_late_order_is_booked_though_the_client_has_left(
    server: LocalExchange,
    trader: Trader,
    placed: Callable[[], int],
    count: Callable[..., int],
    accepted: bool,
) -> None:
    server.faults.late(CREATE, 0.4, after_accept=accepted)

    with pytest.raises(TimeoutError):
        trader.place()
    trader.close()

    assert placed() == int(accepted)
    wait_until(lambda: count("late") == 1)
    assert placed() == 1


def test_headers_drip(server: LocalExchange, trader: Trader, count: Callable[..., int]) -> None:
    server.faults.drip_headers(TIME, interval=0.01)
    trader.http.connect()
    trader.http.sock.sendall(b"GET /v5/market/time HTTP/1.1\r\nHost: x\r\n\r\n")

    pieces = [trader.http.sock.recv(65536) for _ in range(5)]

    assert b"HTTP/1.1".startswith(b"".join(pieces))
    assert count("drip_headers", TIME) == 1


def test_the_body_drips_and_is_whole_in_the_end(server: LocalExchange, trader: Trader) -> None:
    server.faults.drip_body(TIME, interval=0.001)

    assert trader.get(TIME).code == 0


# --- not what it should be ----------------------------------------------------------------


@pytest.mark.parametrize("by_reset", [False, True])
def test_a_body_is_cut(
    server: LocalExchange,
    trader: Trader,
    placed: Callable[[], int],
    count: Callable[..., int],
    by_reset: bool,
) -> None:
    server.faults.cut_body(CREATE, reset=by_reset)

    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        trader.place()
    trader.close()

    assert (placed(), count("cut_body")) == (1, 1)


def test_a_body_has_no_end(
    server: LocalExchange, trader: Trader, count: Callable[..., int]
) -> None:
    server.faults.endless_body(TIME)
    trader.http.request("GET", TIME)
    answer = trader.http.getresponse()

    assert int(answer.getheader("Content-Length", "0")) == 1 << 40
    assert len(answer.read(3_000_000)) == 3_000_000
    answer.close()
    trader.close()
    assert count("endless_body", TIME) == 1
    with Trader(server) as other:  # it does not keep the server from serving
        assert other.get(TIME).code == 0


def test_bytes_follow_that_nobody_asked_for(
    server: LocalExchange, trader: Trader, count: Callable[..., int]
) -> None:
    server.faults.stray_bytes(TIME)
    trader.http.connect()
    trader.http.sock.sendall(b"GET /v5/market/time HTTP/1.1\r\nHost: x\r\n\r\n")

    # In one piece: over TLS it all lies decrypted in the client once the answer is read.
    received = trader.http.sock.recv(65536)

    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.endswith(b"\r\n\r\n{}")
    assert count("stray_bytes", TIME) == 1


def test_http_statuses_and_headers_are_as_asked(
    server: LocalExchange,
    trader: Trader,
    placed: Callable[[], int],
    count: Callable[..., int],
) -> None:
    server.faults.http_status(CREATE, 502, after_accept=True)
    server.faults.http_status(CREATE, 429, body='{"a":1}', headers={"Retry-After": "3600"})
    server.faults.http_status(CREATE, 307, headers={"Location": "http://127.0.0.1:1/"})

    replies = [trader.place() for _ in range(4)]

    assert [r.status for r in replies] == [502, 429, 307, 200]
    assert replies[1].headers["retry-after"] == "3600"
    assert replies[1].headers["content-type"].startswith("application/json")
    assert replies[2].headers["location"] == "http://127.0.0.1:1/"
    assert (placed(), count("http_status")) == (2, 3)


def test_a_web_page_comes_with_status_200(server: LocalExchange, trader: Trader) -> None:
    server.faults.html(TIME)

    reply = trader.get(TIME)

    assert (reply.status, reply.body[:6]) == (200, b"<html>")


def test_garbage_is_sent_as_it_is(
    server: LocalExchange, trader: Trader, count: Callable[..., int]
) -> None:
    server.faults.garbage(TIME, data="\x00\xff no HTTP")
    with pytest.raises(http.client.BadStatusLine):
        trader.get(TIME)
    trader.close()
    server.faults.garbage(TIME, data="HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", close=False)

    assert trader.get(TIME).body == b"[]"
    assert count("garbage", TIME) == 2


# --- the exchange says no -----------------------------------------------------------------


@pytest.mark.parametrize("accepted", [False, True])
def test_any_ret_code_comes_any_number_of_times(
    server: LocalExchange,
    trader: Trader,
    placed: Callable[[], int],
    count: Callable[..., int],
    accepted: bool,
) -> None:
    server.faults.ret_code(CREATE, 10000, "Server Timeout", times=3, after_accept=accepted)

    replies = [trader.place() for _ in range(4)]

    assert [r.code for r in replies] == [10000, 10000, 10000, 0]
    assert replies[0].message == "Server Timeout"
    assert (placed(), count("ret_code")) == (1 + 3 * accepted, 3)


def test_a_rate_limit_says_when_to_come_back(server: LocalExchange, trader: Trader) -> None:
    server.faults.rate_limit(CREATE, reset_in=15)
    server.faults.rate_limit(CREATE, reset_header="soon")

    first, second = trader.place(), trader.place()

    assert (first.code, second.code) == (10006, 10006)
    assert 14_000 < int(first.headers["x-bapi-limit-reset-timestamp"]) - now_ms() <= 15_000
    assert second.headers["x-bapi-limit-reset-timestamp"] == "soon"
    assert second.headers["x-bapi-limit-status"] == "0"


def test_maintenance_lasts_until_it_is_cleared(
    server: LocalExchange, trader: Trader, count: Callable[..., int]
) -> None:
    server.faults.maintenance("/v5/order/*")

    assert [trader.place().code for _ in range(3)] == [10016] * 3
    assert trader.get(TIME).code == 0
    server.faults.clear()
    assert trader.place().code == 0
    assert count("maintenance") == 3


@pytest.mark.parametrize("offset_ms", [30_000, -30_000])
def test_a_wrong_clock_rules_signatures_and_envelopes(
    server: LocalExchange, trader: Trader, count: Callable[..., int], offset_ms: int
) -> None:
    server.faults.wrong_clock(offset_ms)

    refused = trader.place()
    told = int(trader.get(TIME).result["timeNano"]) // 1_000_000
    accepted = trader.post(
        CREATE, '{"category":"spot","symbol":"A","side":"Buy","orderType":"Market","qty":"1"}',
        at_ms=told,
    )  # fmt: skip

    assert (refused.code, accepted.code) == (10002, 0)
    assert abs(told - offset_ms - now_ms()) < 2000
    assert abs(accepted.json["time"] - told) < 2000
    assert count("wrong_clock") == 2
    server.faults.clear()
    assert trader.place().code == 0


def test_a_new_order_is_not_shown_at_once(
    server: LocalExchange, trader: Trader, placed: Callable[[], int]
) -> None:
    server.faults.hide_new_orders(0.2)
    link = trader.place(orderLinkId=f"hidden{now_ms()}").result["orderLinkId"]

    def shown() -> int:
        query = f"category=linear&orderLinkId={link}"
        return len(trader.get("/v5/order/realtime", query).result["list"])

    assert (placed(), shown()) == (1, 0)
    wait_until(lambda: shown() == 1)


# --- new connections ----------------------------------------------------------------------


@pytest.fixture
def tls(shared_server: LocalExchange) -> Iterator[LocalExchange]:
    yield shared_server
    shared_server.faults.clear()


@pytest.mark.parametrize("kind", ["stall_handshake", "drip_handshake"])
def test_a_handshake_does_not_end(tls: LocalExchange, kind: str) -> None:
    before = tls.faults.count(kind)
    getattr(tls.faults, kind)()

    with Trader(tls, timeout=0.25) as trader, pytest.raises(TimeoutError):
        trader.http.connect()

    assert tls.faults.count(kind) == before + 1
    with Trader(tls) as trader:
        assert trader.get(TIME).code == 0


def test_tls_is_refused(tls: LocalExchange) -> None:
    tls.faults.refuse_tls(times=2)

    for _ in range(2):
        with Trader(tls) as trader, pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
            trader.http.connect()
    with Trader(tls) as trader:
        assert trader.get(TIME).code == 0


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("expired", "expired"),
        ("wrong_host", "IP address mismatch"),
        ("unknown_ca", "self-signed|unable to get"),
    ],
)
def test_a_bad_certificate_is_shown(tls: LocalExchange, reason: str, why: str) -> None:
    before = tls.connections.tls_handshakes
    tls.faults.bad_certificate(reason)  # type: ignore[arg-type]

    with Trader(tls) as trader, pytest.raises(ssl.SSLCertVerificationError, match=why):
        trader.http.connect()

    with Trader(tls) as trader:
        assert trader.get(TIME).code == 0
    assert tls.connections.tls_handshakes == before + 1


def test_a_silent_connection_does_tls_and_nothing_else(
    server: LocalExchange, count: Callable[..., int]
) -> None:
    server.faults.silent()
    requests = server.requests.count()

    with Trader(server, timeout=0.2) as trader, pytest.raises(TimeoutError):
        trader.get(TIME)

    assert (count("silent", None), server.requests.count()) == (1, requests)
    with Trader(server) as trader:
        assert trader.get(TIME).code == 0


# --- the plan -----------------------------------------------------------------------------


def test_some_requests_are_spared_first(server: LocalExchange, trader: Trader) -> None:
    server.faults.ret_code("/v5/market/*", 10016, skip=2, times=2)

    assert [trader.get(TIME).code for _ in range(5)] == [0, 0, 10016, 10016, 0]
    assert server.faults.waiting() == []


def test_other_paths_are_left_alone(server: LocalExchange, trader: Trader) -> None:
    server.faults.ret_code(CREATE, 10016)

    assert trader.get(TIME).code == 0
    assert [rule["kind"] for rule in server.faults.waiting()] == ["ret_code"]
    server.faults.clear()
    assert trader.place().code == 0


def test_the_journal_names_the_fault(server: LocalExchange, trader: Trader) -> None:
    server.faults.ret_code(CREATE, 10016)
    trader.place()
    trader.place()

    assert [r["fault"] for r in list(server.requests)[-2:]] == ["ret_code", None]
    assert [r["ret_code"] for r in list(server.requests)[-2:]] == [10016, 0]


@pytest.mark.parametrize(
    ("kind", "details", "why"),
    [
        ("drop", {}, "no fault is called 'drop'"),
        ("late", {}, "late needs seconds"),
        ("late", {"seconds": 1, "colour": "red"}, "late has no colour"),
        ("late", {"seconds": "1"}, "seconds '1' is not a number"),
        ("bad_certificate", {"reason": "ugly"}, "reason is not one of"),
    ],
)
def test_a_fault_that_does_not_exist_is_told(
    kind: str, details: dict[str, object], why: str
) -> None:
    with pytest.raises(FaultError, match=why):
        FaultPlan().add(kind, details=details)


def test_a_fault_cannot_happen_less_than_once(server: LocalExchange) -> None:
    with pytest.raises(ValueError, match="times 0 is below 1"):
        server.faults.stall(CREATE, times=0)


def test_a_client_that_leaves_in_the_handshake_harms_nobody(tls: LocalExchange) -> None:
    url = urlsplit(tls.url)
    for _ in range(20):
        socket.create_connection(("127.0.0.1", url.port or 0)).close()

    with Trader(tls) as trader:
        assert trader.get(TIME).code == 0
    wait_until(lambda: tls.connections.open == 0)


@pytest.fixture(scope="module", autouse=True)
def _the_simulator_itself_has_no_fault(shared_server: LocalExchange) -> Iterator[None]:
    before = len(shared_server.errors)
    yield
    assert shared_server.errors[before:] == []


def wait_until(true: Callable[[], bool], patience: float = 5.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)

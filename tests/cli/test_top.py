"""`top` shows a running program, live on a terminal and once for scripts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client import CollectorRegistry
from rich.console import Console

from bybit_sync import BybitClient, Config, ConnectionPoolConfig, MetricsConfig, TlsConfig
from bybit_sync.cli.screen import panel, screen, sparkline
from bybit_sync.cli.view import EndpointView, View
from bybit_sync.simulator import LocalExchange

from .tools import Invoke, busy, free_port, terminal

TIME = "/v5/market/time"


@pytest.fixture
def port(exchange: LocalExchange) -> Iterator[int]:
    """The exporter of a program whose six threads share two connections."""
    exchange.faults.late(TIME, 0.02, times=None)
    config = Config(
        connection_pool=ConnectionPoolConfig(limit=10, limit_per_host=2),
        tls=TlsConfig(ca_file=exchange.ca_file or ""),
        metrics=MetricsConfig(port=free_port()),
    )
    with (
        BybitClient(base_url=exchange.url, config=config, registry=CollectorRegistry()) as client,
        busy(client.market.get_server_time, threads=6),
    ):
        yield config.metrics.port


def test_one_look_as_json_has_pool_rates_and_endpoints(port: int, invoke: Invoke) -> None:
    done = invoke("top", "--url", str(port), "--json", "--interval", "0.5")
    view = json.loads(done.out)["bybit"]

    assert done.code == 0
    assert (view["active"], view["limit"]) == (2, 10)
    assert view["waiting"] >= 3
    assert 10 < view["calls_per_second"] <= 2 / 0.02
    assert view["p50_ms"] >= 20
    assert [each["endpoint"] for each in view["endpoints"]] == ["market.get_server_time"]


def test_one_look_for_people_names_what_is_slow(port: int, invoke: Invoke) -> None:
    done = invoke("top", "--url", f"127.0.0.1:{port}", "--once", "--interval", "0.3")

    assert done.code == 0
    for shown in (
        "2 active",
        "limit 2 a host, 10 in all",
        "market.get_server_time",
        "p99",
        "of calls reuse",
    ):
        assert shown in " ".join(done.out.split())
    assert "\x1b" not in done.out


def test_errors_are_shown_by_endpoint_and_outcome(
    port: int, exchange: LocalExchange, invoke: Invoke
) -> None:
    exchange.faults.clear()
    exchange.faults.ret_code(TIME, 10001, "no", times=None)

    done = invoke("top", "--url", str(port), "--json", "--interval", "0.5")

    (endpoint,) = json.loads(done.out)["bybit"]["endpoints"]
    assert endpoint["errors"]["api_error"] > 0


def test_the_live_screen_ends_with_q_and_gives_the_terminal_back(port: int) -> None:
    with terminal("top", "--url", str(port), "--interval", "0.2") as top:
        top.wait_for("market.get_server_time")
        top.wait_for("q ends")
        assert not top.echoes()
        top.press("q")
        assert top.end() == 0
        assert top.echoes()
        assert top.shown.rstrip().endswith("\x1b[?1049l")  # back on the ordinary screen
        assert "Traceback" not in top.shown


def test_ctrl_c_ends_the_live_screen_too(port: int) -> None:
    with terminal("top", "--url", str(port), "--interval", "0.2") as top:
        top.wait_for("q ends")
        top.interrupt()
        assert top.end() == 0
        assert top.echoes()
        assert "Traceback" not in top.shown


def test_a_program_that_ends_is_told_and_waited_for(exchange: LocalExchange) -> None:
    config = Config(
        tls=TlsConfig(ca_file=exchange.ca_file or ""), metrics=MetricsConfig(port=free_port())
    )
    client = BybitClient(base_url=exchange.url, config=config, registry=CollectorRegistry())
    try:
        with terminal("top", "--url", str(config.metrics.port), "--interval", "0.2") as top:
            top.wait_for("q ends")
            client.close()
            top.wait_for("connection refused")
            top.press("q")
            assert top.end() == 0
    finally:
        client.close()


def test_no_program_is_a_failure_in_a_line(invoke: Invoke) -> None:
    done = invoke("top", "--url", str(free_port()), "--once")

    assert (done.code, done.out) == (1, "")
    assert len(done.err.strip().splitlines()) == 1
    assert "connection refused" in done.err


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, b"", "HTTP 404"),
        (200, b"<html>what</html>", "does not answer with metrics"),
        (200, b"up 1\n", "knows no client of bybit_sync"),
    ],
)
def test_something_else_on_that_port_is_told(
    status: int, body: bytes, told: str, invoke: Invoke
) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        done = invoke("top", "--url", str(server.server_port), "--once")
        server.shutdown()
        thread.join()

    assert done.code == 1
    assert told in done.err


@pytest.mark.parametrize("url", ["ftp://x/", "http://", "http:///metrics"])
def test_a_url_that_is_none_is_wrong_usage(url: str, invoke: Invoke) -> None:
    assert invoke("top", "--url", url, "--once").code == 2


# --- the screen ---------------------------------------------------------------------------


def a_view(**changes: object) -> View:
    facts = {
        "exchange": "bybit",
        "seconds": 10.0,
        "active": 3.0,
        "idle": 5.0,
        "waiting": 0.0,
        "limit": 100.0,
        "limit_per_host": 30.0,
        "opened_per_second": 0.0,
        "reused_share": 1.0,
        "closed": {"idle": 2.0},
        "wait_p99_ms": 0.0,
        "calls_per_second": 12.0,
        "p50_ms": 50.0,
        "p99_ms": 90.0,
        "endpoints": [EndpointView("trade.place_order", 5.0, 50.0, 90.0, {"api_error": 2.0}, 7.0)],
        "retries": {"read": 1.0},
        "held_back_ms": 0.0,
        "clock_offset_seconds": 0.0123,
        "dns_age_seconds": 4.0,
        "ban_seconds": None,
    }
    return View(**{**facts, **changes})  # type: ignore[arg-type]


def text_of(renderable: object, width: int = 100) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(renderable)
    return console.export_text()


def test_a_panel_shows_what_there_is() -> None:
    text = text_of(panel(a_view(), [1.0, 2.0, 4.0]))

    for shown in ("3 active", "5 idle", "api_error 2", "7", "read 1", "+0.012 s", "▂▄█", "idle 2"):
        assert shown in text


def test_a_single_connection_shows_in_a_large_pool() -> None:
    assert "█" in text_of(panel(a_view(active=1.0, limit=10_000.0)))
    assert "█" not in text_of(panel(a_view(active=0.0)))


def test_a_ban_is_told_above_all() -> None:
    first, second, *_ = text_of(panel(a_view(ban_seconds=321.0))).splitlines()

    assert "bybit" in first
    assert "shut this address out for 321 s" in second


def test_two_clients_are_two_panels_with_one_foot() -> None:
    text = text_of(screen([a_view(), a_view(exchange="other")], {}, "the foot"))

    assert text.count("slowest endpoints") == 2
    assert "other" in text
    assert text.rstrip().endswith("the foot")


def test_a_sparkline_is_as_high_as_its_highest_value() -> None:
    assert sparkline([0.0, 5.0, 10.0]) == "▁▄█"
    assert sparkline([]) == sparkline([0.0]) == ""

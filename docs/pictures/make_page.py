"""Makes the pictures of the status page: ``python docs/pictures/make_page.py``.

Two clients work on a local exchange, a Chromium looks at their page. Needs Debian's ``chromium``
and the Python package ``websocket-client``.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from bybit_sync import (  # noqa: E402  # noqa: E402
    BybitClient,
    BybitError,
    ClientConfig,
    Config,
    ConnectionPoolConfig,
    MetricsConfig,
    TlsConfig,
)
from bybit_sync.simulator import LocalExchange  # noqa: E402
from tests.page.browser import Browser, Tab  # noqa: E402

SECONDS = 45
BTC = {"category": "linear", "symbol": "BTCUSDT"}
ORDER = {**BTC, "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "10000"}


def connect(exchange: LocalExchange, port: int, label: str) -> BybitClient:
    """A client whose figures are on the page."""
    config = Config(
        client=ClientConfig(exchange_label=label),
        connection_pool=ConnectionPoolConfig(limit_per_host=12),
        tls=TlsConfig(ca_file=exchange.ca_file or ""),
        metrics=MetricsConfig(port=port),
    )
    return BybitClient(exchange.api_key, exchange.api_secret, base_url=exchange.url, config=config)


def work(client: BybitClient, stop: threading.Event) -> list[threading.Thread]:
    """Threads that read the market, and some that trade."""

    def repeat(call: Callable[[], Any], pause: float) -> None:
        while not stop.wait(pause):
            with suppress(BybitError):
                call()

    calls: list[tuple[int, float, Callable[[], Any]]] = [
        (8, 0.10, lambda: client.market.get_tickers(**BTC)),
        (3, 0.15, lambda: client.market.get_orderbook(**BTC)),
        (2, 0.30, lambda: client.market.get_kline(**BTC, interval="1")),
        (1, 0.20, lambda: client.trade.place_order(**ORDER)),
        (1, 0.25, lambda: client.trade.get_open_orders(**BTC)),
        (1, 4.00, lambda: client.trade.cancel_order(**BTC, orderId="nothing")),
    ]
    threads = [
        threading.Thread(target=repeat, args=(call, pause))
        for times, pause, call in calls
        for _ in range(times)
    ]
    for thread in threads:
        thread.start()
    return threads


def take(tab: Tab) -> None:
    """The page by day, by night, and on a phone."""
    tab.prefer("light")
    tab.wait_for(f"past.readings.length > {SECONDS}", within=4 * SECONDS)
    tab.picture(HERE / "page.png", full=True)
    tab.prefer("dark")
    tab.wait_for("matchMedia('(prefers-color-scheme: dark)').matches")
    tab.picture(HERE / "page-dark.png", full=True)
    tab.size(390, 844, is_phone=True)
    readings = tab.js("past.readings.length")
    tab.wait_for(f"past.readings.length > {readings}")
    tab.picture(HERE / "page-phone.png")


def main() -> None:
    """Make all three."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    stop = threading.Event()
    with (
        LocalExchange(latency=0.06) as exchange,
        connect(exchange, port, "main") as client,
        connect(exchange, port, "sub-1") as other,
    ):
        exchange.faults.http_status("/v5/market/orderbook", 503, times=3, skip=100)
        other.market.get_server_time()
        threads = work(client, stop)
        try:
            with Browser() as browser, browser.open(f"http://127.0.0.1:{port}/") as tab:
                take(tab)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    main()

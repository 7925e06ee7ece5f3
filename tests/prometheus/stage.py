"""Clients with one trouble each, under ``exchange`` labels of their own, and one without any."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from prometheus_client import CollectorRegistry

from bybit_sync import (
    BybitClient,
    BybitError,
    ClientConfig,
    MetricsConfig,
    RateLimitConfig,
    RetryConfig,
)
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import TIME, connect

BTC = {"category": "linear", "symbol": "BTCUSDT"}
TROUBLES = {
    "saturated": "BybitPoolSaturated",
    "failing": "BybitCallsFail",
    "slow": "BybitSlowCalls",
    "drifting": "BybitClockDrift",
    "banned": "BybitAddressBanned",
    "held": "BybitRateLimitHoldsCalls",
    "hit": "BybitRateLimitHit",
}
"""By label: the alert that has to fire for it."""


@contextmanager
def staged(port: int) -> Iterator[None]:
    """Load, served on this port, with every trouble at once."""
    stop = threading.Event()
    registry = CollectorRegistry()
    with (
        LocalExchange(ip_limit=None) as exchange,
        LocalExchange(ip_limit=None) as drifting,
        LocalExchange(ip_limit=None) as banning,
        ExitStack() as ends,
    ):
        _go_wrong(exchange, drifting, banning)
        threads = []

        def client(label: str, on: LocalExchange = exchange, **tables: Any) -> BybitClient:
            tables = {"client": ClientConfig(exchange_label=label), **tables}
            metrics = MetricsConfig(port=port)
            made = connect(on, registry=registry, metrics=metrics, **tables)
            return ends.enter_context(made)

        def run(call: Callable[[], Any], *, times: int = 1, pause: float = 0.1) -> None:
            for _ in range(times):
                threads.append(threading.Thread(target=_repeat, args=(call, pause, stop)))

        healthy = client("healthy")
        run(healthy.market.get_server_time)
        run(lambda: healthy.trade.get_open_orders(category="linear", symbol="BTCUSDT"), pause=0.4)
        saturated = client("saturated", pool={"limit_per_host": 1})
        run(lambda: saturated.market.get_orderbook(**BTC), times=4, pause=0.01)
        failing = client("failing")
        run(lambda: failing.market.get_tickers(**BTC))
        slow = client("slow")
        run(lambda: slow.market.get_kline(**BTC, interval="1"), times=3)
        drifts = client("drifting", drifting)
        run(drifts.market.get_server_time)
        banned = client("banned", banning)
        run(banned.market.get_server_time)
        limits = RateLimitConfig(endpoint_limits={"/v5/market/recent-trade": 2})
        held = client("held", rate_limit=limits)
        run(lambda: held.market.get_public_trade_history(**BTC), times=8, pause=0.01)
        hit = client("hit", retry=RetryConfig(attempts=5, budget=0))
        run(lambda: hit.market.get_instruments_info(**BTC))
        try:
            for thread in threads:
                thread.start()
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _go_wrong(exchange: LocalExchange, drifting: LocalExchange, banning: LocalExchange) -> None:
    exchange.faults.close_after_answer("/v5/market/recent-trade", times=None)
    exchange.faults.late("/v5/market/orderbook", seconds=0.3, times=None)
    exchange.faults.ret_code("/v5/market/tickers", 10001, times=None)
    exchange.faults.late("/v5/market/kline", seconds=2.6, times=None)
    exchange.faults.rate_limit("/v5/market/instruments-info", times=None, reset_in=0.1)
    drifting.faults.wrong_clock(1500)
    banning.faults.http_status(TIME, 403, times=1, skip=20)


def _repeat(call: Callable[[], Any], pause: float, stop: threading.Event) -> None:
    while not stop.wait(pause):
        with suppress(BybitError):
            call()

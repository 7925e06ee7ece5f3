"""The demo's strategies: each reads the book, places an order far from the market, checks it and
cancels it; without keys, or on a real environment, it only reads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle
from typing import Any

from bybit_sync.client import BybitClient
from bybit_sync.exceptions import BybitError

_MARKETS = (("spot", "BTCUSDT"), ("spot", "ETHUSDT"), ("linear", "BTCUSDT"), ("linear", "ETHUSDT"))
"""Two spot, two linear: the limits for orders are counted per category."""


@dataclass(frozen=True, slots=True)
class Market:
    """What one worker trades: where, in which steps of the price, and how much at once."""

    category: str
    symbol: str
    tick: Decimal
    qty: str


def find_markets(client: BybitClient) -> list[Market]:
    """The demo's markets, as the exchange describes them."""
    return [_find_market(client, category, symbol) for category, symbol in _MARKETS]


def _find_market(client: BybitClient, category: str, symbol: str) -> Market:
    reply = client.market.get_instruments_info(category=category, symbol=symbol)  # type: ignore[arg-type]
    row = reply.result["list"][0]
    lots = row["lotSizeFilter"]
    # 20 % below the market, an order must still be worth the least that is allowed.
    enough = Decimal("0.01") if symbol == "BTCUSDT" else Decimal("0.1")
    qty = max(Decimal(lots["minOrderQty"]), enough)
    return Market(category, symbol, Decimal(row["priceFilter"]["tickSize"]), str(qty))


def trade(client: BybitClient, market: Market) -> None:
    """One step of a strategy that trades: four calls."""
    best_bid = _best_bid(client, market)
    price = best_bid * Decimal("0.8") // market.tick * market.tick
    placed = client.trade.place_order(
        category=market.category,  # type: ignore[arg-type]
        symbol=market.symbol,
        side="Buy",
        orderType="Limit",
        qty=market.qty,
        price=str(price),
        timeInForce="PostOnly",
    )
    order: dict[str, Any] = {
        "category": market.category,
        "symbol": market.symbol,
        "orderId": placed.result["orderId"],
    }
    client.trade.get_open_orders(**order)
    client.trade.cancel_order(**order)


def read(client: BybitClient, market: Market) -> None:
    """One step of a strategy that only reads public data: two calls."""
    _best_bid(client, market)
    client.market.get_tickers(category=market.category, symbol=market.symbol)  # type: ignore[arg-type]


def read_account(client: BybitClient, market: Market) -> None:
    """One step of a strategy that reads with a key: three calls."""
    read(client, market)
    client.trade.get_open_orders(category=market.category, symbol=market.symbol)  # type: ignore[arg-type]


def _best_bid(client: BybitClient, market: Market) -> Decimal:
    book = client.market.get_orderbook(
        category=market.category,  # type: ignore[arg-type]
        symbol=market.symbol,
        limit=1,
    ).result
    return Decimal(book["b"][0][0])


Step = Callable[[BybitClient, Market], None]


@dataclass(slots=True)
class Workers:
    """Strategy workers on a thread pool, until they are told to stop."""

    client: BybitClient
    step: Step
    markets: list[Market]
    count: int
    stop: threading.Event = field(default_factory=threading.Event)
    errors: list[BybitError] = field(default_factory=list)
    steps: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, seconds: float, watch: Callable[[], None], every: float = 0.25) -> None:
        """Let them work for so many seconds, calling `watch` now and then; all have ended after."""
        clock = self.client.clock
        end = clock.monotonic() + seconds
        with ThreadPoolExecutor(self.count, thread_name_prefix="strategy") as threads:
            turns = cycle(self.markets)
            running = [threads.submit(self._work, next(turns)) for _ in range(self.count)]
            try:
                while clock.monotonic() < end and any(not future.done() for future in running):
                    wait(running, timeout=every)
                    watch()
            finally:
                self.stop.set()
        _raise_bugs(running)

    def _work(self, market: Market) -> None:
        while not self.stop.is_set():
            try:
                self.step(self.client, market)
            except BybitError as error:
                with self._lock:
                    self.errors.append(error)
                if not error.transient:
                    return
            else:
                with self._lock:
                    self.steps += 1


def _raise_bugs(running: list[Future[None]]) -> None:
    for future in running:
        future.result()

"""Strategies side by side on one client: ``python examples/runner.py [SECONDS]``.

It trades on a local exchange that is started for it. Ctrl-C ends it: the quoter takes its order
back, and a report is shown. For a real account replace ``BybitClient.local()`` by
``BybitClient(environment="testnet")`` with BYBIT_API_KEY and BYBIT_API_SECRET set.
"""

from __future__ import annotations

import logging
import sys
from decimal import Decimal

from bybit_sync import BybitClient, StrategyRunner

log = logging.getLogger("example")


def watch_spread(client: BybitClient, symbol: str) -> None:
    """A strategy that is a function: warns when bid and ask are far apart."""
    book = client.market.get_orderbook(category="linear", symbol=symbol, limit=1).result
    bid, ask = Decimal(book["b"][0][0]), Decimal(book["a"][0][0])
    if ask / bid > Decimal("1.001"):
        log.warning("%s: %s to %s", symbol, bid, ask)


class Quoter:
    """A strategy that is an object: keeps one order a little below the market."""

    def __init__(self, symbol: str, qty: str) -> None:
        self.order = {"category": "spot", "symbol": symbol}
        self.qty = qty
        self.orderId = ""
        self.tick = Decimal(1)

    def start(self, client: BybitClient) -> None:
        """Before the first step, and again after a failure."""
        rows = client.market.get_instruments_info(**self.order).result["list"]
        self.tick = Decimal(rows[0]["priceFilter"]["tickSize"])

    def step(self, client: BybitClient) -> None:
        """Once per period: replace the order."""
        self.stop(client)
        row = client.market.get_tickers(**self.order).result["list"][0]
        price = Decimal(row["bid1Price"]) * Decimal("0.95") // self.tick * self.tick
        placed = client.trade.place_order(
            **self.order, side="Buy", orderType="Limit", qty=self.qty, price=price
        )
        self.orderId = placed.result["orderId"]

    def stop(self, client: BybitClient) -> None:
        """At the end, and after a failure: leave nothing in the book."""
        if self.orderId:
            client.trade.cancel_order(**self.order, orderId=self.orderId)
            self.orderId = ""


def main(seconds: float | None) -> int:
    """Run for so many seconds, or until Ctrl-C; returns the exit code."""
    with BybitClient.local() as client:
        runner = StrategyRunner(client, max_workers=8, drain_timeout=5.0)
        for symbol in ("BTCUSDT", "ETHUSDT", "XRPUSDT"):
            runner.add(watch_spread, args=(symbol,), every=0.5, timeout=2.0)
        runner.add(Quoter("BTCUSDT", "0.001"), every=1.0, jitter=0.2, name="quoter-BTC")

        @runner.every(2.0)
        def wallet(client: BybitClient) -> None:
            client.account.get_wallet_balance(accountType="UNIFIED")

        report = runner.run(seconds, live=sys.stderr.isatty())
        print(report)
    return report.exit_code


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else None))

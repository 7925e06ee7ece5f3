"""A program that runs strategies until it is told to end; what it says is read by the tests."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from bybit_sync import BybitClient, Config, ConnectionPoolConfig, StrategyRunner, TlsConfig


class Trader:
    """Places an order at its start and cancels it at its end."""

    def start(self, client: BybitClient) -> None:
        self.orderId = client.trade.place_order(
            category="spot",
            symbol="BTCUSDT",
            side="Buy",
            orderType="Limit",
            qty="0.001",
            price="10000",
        ).result["orderId"]

    def step(self, client: BybitClient) -> None:
        client.trade.get_open_orders(category="spot", symbol="BTCUSDT")

    def stop(self, client: BybitClient) -> None:
        client.trade.cancel_order(category="spot", symbol="BTCUSDT", orderId=self.orderId)


def ask(client: BybitClient) -> None:
    client.market.get_server_time()


def hang(client: BybitClient) -> None:
    time.sleep(600)


def main(url: str, ca_file: str, *kinds: str) -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    config = Config(
        tls=TlsConfig(ca_file=ca_file), connection_pool=ConnectionPoolConfig(limit_per_host=20)
    )
    with BybitClient(base_url=url, config=config) as client:
        runner = StrategyRunner(client, max_workers=20, drain_timeout=2.0)
        strategies: dict[str, Any] = {"trader": Trader(), "hang": hang}
        for kind in kinds:
            runner.add(strategies[kind], every=0.05, name=kind)
        for number in range(15):
            runner.add(ask, every=0.02, name=f"ask-{number}")
        sys.stderr.write("ready\n")
        sys.stderr.flush()
        report = runner.run()
        pool = client.pool_stats()
        told = {
            "reason": report.reason,
            "left": list(report.left),
            "active": pool.active,
            "waiting": pool.waiting,
            "runs": report.stats.runs,
            "statuses": sorted({each.status for each in report.stats.strategies.values()}),
        }
        sys.stdout.write(json.dumps(told) + "\n")
        return report.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

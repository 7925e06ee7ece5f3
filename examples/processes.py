"""One client in many processes: ``python examples/processes.py``.

For work that Python's threads cannot share a processor for. The client is pickled as its
configuration, each process makes one pool of it, and the keys are found in its environment.
"""

from __future__ import annotations

import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from itertools import pairwise

from bybit_sync import BybitClient, Config, TlsConfig
from bybit_sync.simulator import LocalExchange

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")


def volatility(client: BybitClient, symbol: str) -> tuple[str, float, int]:
    """The spread of the last 200 minutes' returns, worked out in another process."""
    rows = client.market.get_kline(
        category="linear", symbol=symbol, interval="1", limit=200
    ).result["list"]
    closes = [Decimal(row[4]) for row in reversed(rows)]
    returns = [float(after / before - 1) for before, after in pairwise(closes)]
    return symbol, statistics.pstdev(returns), os.getpid()


def main() -> int:
    """Returns the exit code."""
    with LocalExchange() as exchange:
        # What a shell or a service's settings do otherwise.
        os.environ["BYBIT_API_KEY"] = exchange.api_key
        os.environ["BYBIT_API_SECRET"] = exchange.api_secret
        config = Config(tls=TlsConfig(ca_file=exchange.ca_file or ""))
        with (
            BybitClient(base_url=exchange.url, config=config) as client,
            ProcessPoolExecutor(3) as processes,
        ):
            tasks = [processes.submit(volatility, client, symbol) for symbol in SYMBOLS]
            for task in tasks:
                symbol, sigma, pid = task.result()
                print(f"{symbol}: {sigma:.5%} a minute (process {pid})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

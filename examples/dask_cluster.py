"""Strategies and a download on a Dask cluster: ``python examples/dask_cluster.py``.

It starts a cluster of two workers, a Redis and a local exchange on this machine. For real ones:
``distributed.Client("tcp://scheduler:8786")``, ``redis://your-redis:6379/0``, and BYBIT_API_KEY and
BYBIT_API_SECRET in the environment of every worker.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from distributed import Client, LocalCluster

from bybit_sync import BybitClient, Config, RateLimitConfig, StrategyRunner, TlsConfig
from bybit_sync.cluster import RedisLease
from bybit_sync.simulator import LocalExchange


class Watcher:
    """A strategy; what it remembers goes with it from worker to worker."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.prices: list[str] = []
        self.workers: set[int] = set()

    def step(self, client: BybitClient) -> None:
        """Note the price."""
        reply = client.market.get_tickers(category="linear", symbol=self.symbol)
        self.prices.append(reply.result["list"][0]["lastPrice"])
        self.workers.add(os.getpid())


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """A Redis on a free port of this machine; yields its URL."""
    if shutil.which("redis-server") is None:
        raise SystemExit("redis-server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder]
        command += ["--save", ""]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603
            try:
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                process.terminate()


def run_strategies(client: BybitClient, cluster: Client, redis: str, seconds: float) -> int:
    """Steps on the workers, no two of one strategy at once; returns the exit code."""
    runner = StrategyRunner(client, executor=cluster.get_executor(), lease=RedisLease(redis))
    for symbol in ("BTCUSDT", "ETHUSDT", "XRPUSDT"):
        runner.add(Watcher(symbol), every=0.5, name=symbol, timeout=5.0)
    report = runner.run(seconds)
    print(report)
    for symbol in report.stats.strategies:
        watcher = runner.strategy(symbol)
        print(f"{symbol}: {len(watcher.prices)} prices on {len(watcher.workers)} workers")
    return report.exit_code


def download(client: BybitClient, cluster: Client, folder: str) -> None:
    """A week of minutes, fetched by all workers and written here, in order."""
    end = int(time.time()) // 86_400 * 86_400_000
    saved = client.history.klines(
        "BTCUSDT",
        "1m",
        end - 7 * 86_400_000,
        end,
        out=Path(folder) / "btc.csv",
        executor=cluster.get_executor(),
        progress=False,
    )
    print(f"{saved.rows} rows in {saved.seconds:.1f} s")


def main(seconds: float) -> int:
    """Returns the exit code."""
    with LocalExchange() as exchange, redis_server() as redis, tempfile.TemporaryDirectory() as tmp:
        # Before the workers start: they find the keys in their environment.
        os.environ["BYBIT_API_KEY"] = exchange.api_key
        os.environ["BYBIT_API_SECRET"] = exchange.api_secret
        config = Config(
            tls=TlsConfig(ca_file=exchange.ca_file or ""),
            rate_limit=RateLimitConfig(store=redis),  # one budget for all workers
        )
        with (
            LocalCluster(n_workers=2, threads_per_worker=4, dashboard_address=None) as local,
            Client(local) as cluster,
            BybitClient(base_url=exchange.url, config=config) as client,
        ):
            download(client, cluster, tmp)
            return run_strategies(client, cluster, redis, seconds)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0))

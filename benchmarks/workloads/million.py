"""A million calls: what the process holds after the first fifty thousand it holds at the end."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.contenders.ours import make_client
from benchmarks.measure import BenchmarkError
from benchmarks.options import Options
from benchmarks.results import Figure, Result
from benchmarks.server import Site
from bybit_sync import BybitClient

from .base import Workload

_WORKERS = 4
_SHARES = (0.05, 0.5, 1.0)
"""Parts of all calls after which the process is looked at."""


def _run(this: Workload, site: Site, options: Options) -> Result:
    if not Path("/proc/self/statm").exists():
        raise BenchmarkError("this system does not tell a process its size")
    done, figures = 0, []
    with make_client(site, _WORKERS) as client:
        for share in _SHARES:
            wanted = int(options.many_calls * share)
            _call(client, wanted - done)
            done = wanted
            figures.append(Figure(f"after {done:,} calls", _held()))
    return Result(this.name, this.title, figures)


def _call(client: BybitClient, calls: int) -> None:
    def work() -> None:
        for _ in range(calls // _WORKERS):
            client.trade.get_open_orders(category="linear", symbol="BTCUSDT")

    with ThreadPoolExecutor(_WORKERS) as workers:
        for each in [workers.submit(work) for _ in range(_WORKERS)]:
            each.result()


def _held() -> dict[str, float]:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "MB": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


WORKLOAD = Workload("million", "What a process holds over many calls, by four threads", _run)

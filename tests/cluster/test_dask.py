"""A real Dask cluster: a scheduler, and workers in processes of their own, some of them killed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import (
    BybitClient,
    Config,
    MissingCredentialsError,
    RateLimitConfig,
    StrategyRunner,
    TlsConfig,
)
from bybit_sync.cluster import RedisLease
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import eventually

from .conftest import RedisServer
from .dask_tasks import Noted, forget_keys, use_budget
from .test_budget import CALLS, busiest, least_use, refused, used

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.stress,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of sockets to workers that were killed
    pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning"),
]

WORKERS = 4
DAYS = int(os.environ.get("KLINE_DAYS", "60"))
"""Of minutes, to be downloaded; 365 for the whole test."""


@pytest.fixture
def traded() -> Iterator[LocalExchange]:
    """An exchange that refuses what is too much for an account, as Bybit does."""
    with LocalExchange(ip_limit=None) as exchange:
        yield exchange


@pytest.fixture
def dask(traded: LocalExchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of four workers that have the keys in their environment."""
    monkeypatch.setenv("BYBIT_API_KEY", traded.api_key)
    monkeypatch.setenv("BYBIT_API_SECRET", traded.api_secret)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with (
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=4, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(WORKERS, timeout=60)
        yield client


def connect(exchange: LocalExchange, **limits: Any) -> BybitClient:
    """A client that may travel: the keys are in the environment."""
    config = Config(
        tls=TlsConfig(ca_file=exchange.ca_file or ""), rate_limit=RateLimitConfig(**limits)
    )
    return BybitClient(base_url=exchange.url, config=config, registry=CollectorRegistry())


def kill_one(dask: Any) -> int:
    """Kill a worker as a power cut would; returns its process."""
    pid: int = next(iter(dask.run(os.getpid).values()))
    os.kill(pid, signal.SIGKILL)
    return pid


def test_strategies_go_on_elsewhere_when_their_worker_is_killed_and_never_overlap(
    dask: Any, traded: LocalExchange, redis_server: RedisServer, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    with connect(traded) as client:
        runner = StrategyRunner(
            client,
            executor=dask.get_executor(),
            lease=RedisLease(redis_server.url, seconds=1.0),
            registry=CollectorRegistry(),
        )
        for number in range(8):
            runner.add(Noted(f"s{number}", notes), every=0.3, name=f"s{number}")
        with runner:
            eventually(lambda: all(each.runs >= 3 for each in _stats(runner)), within=60)
            killed = kill_one(dask)
            before = {each.name: each.runs for each in _stats(runner)}
            eventually(
                lambda: all(each.runs >= before[each.name] + 5 for each in _stats(runner)),
                within=60,
            )
            report = runner.stop()

    assert report.left == []
    assert report.stats.errors == 0
    pids, began = _check_apart(notes)
    assert killed in pids
    assert len(pids) >= 3
    runs = {each.name: each.runs for each in _stats(runner)}
    for name, count in runs.items():
        # All that began have ended and were counted, but for those the killed worker took along.
        lost = report.stats.strategies[name].interrupted
        assert count <= began[name] <= count + lost


def _stats(runner: StrategyRunner) -> list[Any]:
    return list(runner.stats().strategies.values())


def _check_apart(notes: Path) -> tuple[set[int], dict[str, int]]:
    """No strategy began a step while one of its own ran; returns processes and beginnings."""
    running: dict[str, int] = {}
    began: dict[str, int] = defaultdict(int)
    pids = set()
    lines = [line.split() for line in notes.read_text().splitlines()]
    ends = {(name, pid, steps) for name, what, pid, steps, _ in lines if what == "end"}
    for name, what, pid, steps, _ in sorted(lines, key=lambda line: float(line[4])):
        pids.add(int(pid))
        if what == "end":
            assert running.pop(name) == int(pid)
            continue
        assert name not in running, f"{name} overlaps with itself"
        began[name] += 1
        if (name, pid, steps) in ends:  # the others were cut short, with their worker
            running[name] = int(pid)
    return pids, began


def test_workers_share_the_budget_of_one_account(
    dask: Any, traded: LocalExchange, redis_server: RedisServer
) -> None:
    seconds = 8.0
    with connect(traded, store=redis_server.url, ip_limit=100_000) as client:
        start = time.monotonic() + 3.0
        tasks = [
            dask.submit(use_budget, client, start, seconds, workers=[address], pure=False)
            for address in dask.run(os.getpid)
        ]
        told = dask.gather(tasks)

    assert len({pid for pid, _, _ in told}) == WORKERS
    assert [set(ends) for _, ends, _ in told] == [{"ok"}] * WORKERS
    moments = sorted(moment for _, _, departures in told for moment in departures)
    figures = (
        f"{len(moments)} calls, {busiest(moments)} in the busiest second, "
        f"{used(moments):.1%} used, {refused(traded)} refused"
    )
    sys.stdout.write(figures + "\n")
    assert busiest(moments) <= CALLS, figures
    assert used(moments) >= least_use(), figures
    assert refused(traded) <= 0.01 * len(moments), figures


def test_a_worker_without_the_keys_says_so(dask: Any, traded: LocalExchange) -> None:
    dask.run(forget_keys)
    with connect(traded) as client:
        task = dask.submit(use_budget, client, 0.0, 0.1, pure=False)

        with pytest.raises(MissingCredentialsError, match="in this process"):
            task.result(timeout=30)


def test_a_long_download_is_whole_though_a_worker_is_killed(
    dask: Any, traded: LocalExchange, tmp_path: Path
) -> None:
    out = tmp_path / "klines.csv"
    minute, day = 60_000, 86_400_000
    end = int(time.time() * 1000) // day * day
    start = end - DAYS * day
    victim = next(iter(dask.run(os.getpid).values()))
    rows_at_kill: list[int] = []

    def kill_when_it_is_under_way() -> None:
        eventually(lambda: out.exists() and out.stat().st_size > 300_000, within=60)
        os.kill(victim, signal.SIGKILL)
        rows_at_kill.append(out.read_bytes().count(b"\n"))

    killer = threading.Thread(target=kill_when_it_is_under_way)
    with connect(traded, mode="off") as client:
        began = time.monotonic()
        killer.start()
        saved = client.history.klines(
            "BTCUSDT",
            "1m",
            start,
            end,
            out=out,
            workers=16,
            executor=dask.get_executor(),
            progress=False,
        )
        took = time.monotonic() - began
    killer.join()

    times = [int(line.split(",", 1)[0]) for line in out.read_text().splitlines()[1:]]
    figures = f"{len(times)} rows in {took:.1f} s, a worker killed after {rows_at_kill} rows\n"
    sys.stdout.write(figures)
    assert rows_at_kill[0] < len(times), "it was killed when all was there"
    assert saved.rows == DAYS * 1440
    assert times == list(range(start, end, minute))
    assert victim not in dask.run(os.getpid).values()

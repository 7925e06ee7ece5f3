"""A thousand strategies at one step a second on thirty workers, among them a few bad ones."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, RateLimitConfig, StrategyRunner
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import connect

STRATEGIES = 1000
SECONDS = float(os.environ.get("RUNNER_SECONDS", "15"))


class Step:
    """One strategy: notes when it ran, and that it never ran twice at once."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.overlaps = 0
        self._busy = threading.Lock()

    def __call__(self, client: BybitClient) -> None:
        if not self._busy.acquire(blocking=False):
            self.overlaps += 1
            return
        try:
            self.moments.append(time.monotonic())
            client.market.get_server_time()
        finally:
            self._busy.release()


def hang(client: BybitClient, until: threading.Event) -> None:
    until.wait()


def fail(client: BybitClient) -> None:
    raise ValueError("as always")


@pytest.mark.stress
@pytest.mark.timeout(SECONDS + 60)
def test_a_thousand_strategies_keep_their_time_and_one_that_hangs_or_fails_costs_nobody(
    exchange: LocalExchange,
) -> None:
    steps = [Step() for _ in range(STRATEGIES)]
    end = threading.Event()
    with connect(exchange, rate_limit=RateLimitConfig(mode="off")) as client:
        client.warm_up(30)
        runner = StrategyRunner(client, registry=CollectorRegistry(), max_workers=30)
        runner.add(hang, args=(end,), name="hangs")
        runner.add(fail, every=0.5, name="fails")
        for number, step in enumerate(steps):
            runner.add(step, every=1.0, name=f"s{number}")
        cpu, wall = time.process_time(), time.monotonic()
        runner.start()
        time.sleep(SECONDS)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        running = runner.stats()
        end.set()
        report = runner.stop()

    assert report.left == []
    good = [each for name, each in report.stats.strategies.items() if name.startswith("s")]
    assert running.strategies["hangs"].running_for > SECONDS - 2
    assert report.stats.strategies["fails"].errors >= 2
    assert not [each.name for each in good if each.errors]
    assert sum(step.overlaps for step in steps) == 0
    lags = sorted(lag for step in steps for lag in _lags(step.moments))
    figures = (
        f"{len(lags)} steps in {wall:.1f} s, CPU {cpu / wall:.2f} of a core, lag p50 "
        f"{_at(lags, 0.5) * 1000:.1f} p99 {_at(lags, 0.99) * 1000:.1f} max {lags[-1] * 1000:.1f} ms"
    )
    sys.stdout.write(figures + "\n")
    # No drift: the last steps stand on the same grid as the first, and none is missing.
    missing = sum(each.overruns for each in good)
    assert len(lags) + missing >= STRATEGIES * (int(SECONDS) - 1), figures
    drift = [_drift(step.moments) for step in steps if len(step.moments) > 4]
    assert abs(sorted(drift)[len(drift) // 2]) < 0.1, figures


def _lags(moments: list[float]) -> list[float]:
    """How late each step was against the grid on which the earliest one stands."""
    phase = min((moment - moments[0] + 0.5) % 1.0 - 0.5 for moment in moments) + moments[0]
    return [(moment - phase + 0.5) % 1.0 - 0.5 for moment in moments]


def _drift(moments: list[float]) -> float:
    """Seconds by which the second half of the steps stands later on the grid than the first."""
    lags, half = _lags(moments), len(moments) // 2
    return sum(lags[half:]) / (len(lags) - half) - sum(lags[:half]) / half


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

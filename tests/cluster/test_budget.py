"""Four processes share the 50 calls a second of one account, through a real Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bybit_sync.simulator import LocalExchange

from .conftest import RedisServer

ROOT = Path(__file__).parents[2]
CALLS = 50
PATH = "/v5/order/realtime"
PROCESSES = 4


@pytest.fixture
def strict_exchange() -> Iterator[LocalExchange]:
    """One that counts the calls of an account, as Bybit does, and refuses what is too much."""
    with LocalExchange(ip_limit=None) as exchange:
        yield exchange


class Crowd:
    """Processes that wait for the word to begin."""

    def __init__(
        self, exchange: LocalExchange, redis: RedisServer, seconds: float, stack: ExitStack
    ) -> None:
        keys = {"BYBIT_API_KEY": exchange.api_key, "BYBIT_API_SECRET": exchange.api_secret}
        command = [sys.executable, "-m", "tests.cluster.budget_child", exchange.url]
        command += [exchange.ca_file or "", redis.url, str(seconds), "8"]
        self.members = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    env={**os.environ, **keys, "PYTHONPATH": str(ROOT)},
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(PROCESSES)
        ]
        for each in self.members:
            stack.callback(each.kill)
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n", each.communicate()

    def begin(self) -> None:
        for each in self.members:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()

    def end(self, within: float) -> Told:
        """What they have to tell."""
        told = [each.communicate(timeout=within) for each in self.members]
        results = [json.loads(out) for out, _ in told]
        return Told(
            ends=[Counter(each["ends"]) for each in results],
            departures=sorted(moment for each in results for moment in each["departures"]),
            log="".join(log for _, log in told),
        )


@dataclass
class Told:
    """What the processes of a crowd saw."""

    ends: list[Counter[str]]
    """How the calls of each process ended."""
    departures: list[float]
    """When calls were let go, in all processes together, on the machine's monotonic clock."""
    log: str


def refused(exchange: LocalExchange) -> int:
    """How many calls the exchange found too many."""
    return sum(row["ret_code"] == 10006 for row in exchange.requests)


def used(moments: list[float]) -> float:
    """The part of the limit that was used, by calls that come in bursts a window apart."""
    return len(moments) / (CALLS * (moments[-1] - moments[0] + 1.0))


def least_use() -> float:
    """The part of the limit that must be used. A processor that many others want wakes nobody in
    time: then a place that has come free stays so for a while."""
    return 0.9 if os.getloadavg()[0] <= (os.cpu_count() or 1) else 0.7


def busiest(moments: list[float], seconds: float = 1.0) -> int:
    """The most that lie within so many seconds."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.stress
def test_four_processes_use_the_limit_up_and_do_not_pass_it(
    strict_exchange: LocalExchange, redis_server: RedisServer
) -> None:
    seconds = 8.0
    with ExitStack() as stack:
        crowd = Crowd(strict_exchange, redis_server, seconds, stack)
        crowd.begin()
        told = crowd.end(within=seconds + 30)

    moments, shares = told.departures, [each["ok"] for each in told.ends]
    figures = (
        f"{len(moments)} calls, {busiest(moments)} in the busiest second, "
        f"{used(moments):.1%} used, {refused(strict_exchange)} refused, by process {shares}"
    )
    sys.stdout.write(figures + "\n")
    assert [set(each) for each in told.ends] == [{"ok"}] * PROCESSES, told.ends
    assert busiest(moments) <= CALLS, figures
    assert used(moments) >= least_use(), figures
    assert refused(strict_exchange) <= 0.01 * len(moments), figures
    assert min(shares) >= 0.6 * max(shares), figures
    assert told.log == ""


@pytest.mark.stress
def test_a_redis_that_is_killed_and_started_again_costs_a_second_or_two(
    strict_exchange: LocalExchange, redis_server: RedisServer
) -> None:
    seconds = 21.0
    with ExitStack() as stack:
        crowd = Crowd(strict_exchange, redis_server, seconds, stack)
        crowd.begin()
        began = time.monotonic()
        time.sleep(3.0)
        redis_server.kill()
        time.sleep(6.0)
        redis_server.start()
        back = time.monotonic()
        told = crowd.end(within=seconds + 30)

    moments = told.departures
    last = [each for each in moments if each > back + 5.0]
    away = [each for each in moments if began + 4.2 < each < back]
    figures = (
        f"{len(moments)} calls, {busiest(moments)} in the busiest second; without Redis "
        f"{busiest(away)}, {used(away):.0%} used; from 5 s after its return {busiest(last)}, "
        f"{used(last):.0%} used; {refused(strict_exchange)} refused"
    )
    sys.stdout.write(figures + "\n")
    # The promise: in the window in which Redis goes, one call of each process that was idle.
    assert busiest(moments) <= CALLS + PROCESSES, figures
    assert busiest(away) <= CALLS, figures
    assert busiest(last) <= CALLS, figures
    # Shares are rounded down, and each begins as if its window had just been filled.
    assert used(away) >= 0.6, figures
    assert used(last) >= least_use(), figures
    assert told.log.count("is away") == PROCESSES
    assert told.log.count("is back") == PROCESSES

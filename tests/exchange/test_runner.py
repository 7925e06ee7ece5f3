"""Strategies that trade: against the local exchange, and to the end of their process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, StrategyRunner, TotalTimeoutError, TransportError
from bybit_sync.simulator import LocalExchange

from .tools import TIME, eventually, is_at_rest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def runner(client: BybitClient) -> StrategyRunner:
    return StrategyRunner(client, registry=CollectorRegistry(), drain_timeout=5.0)


def test_strategies_share_the_client_and_give_everything_back(
    runner: StrategyRunner, client: BybitClient
) -> None:
    seen: list[str] = []

    @runner.every(0.05)
    def prices(client: BybitClient) -> None:
        reply = client.market.get_tickers(category="linear", symbol="BTCUSDT")
        seen.append(reply.result["list"][0]["symbol"])

    for number in range(20):
        runner.add(lambda client: client.market.get_server_time(), every=0.05, name=f"t{number}")
    report = runner.run(1.0)

    assert report.exit_code == 0
    assert len(seen) >= 5
    assert {*seen} == {"BTCUSDT"}
    assert report.stats.errors == 0
    assert is_at_rest(client)


def test_a_call_that_hangs_ends_with_the_time_of_its_step(
    exchange: LocalExchange, runner: StrategyRunner, client: BybitClient
) -> None:
    exchange.faults.stall(TIME)
    ended: list[tuple[float, BaseException]] = []

    def step(client: BybitClient) -> None:
        began = time.monotonic()
        try:
            client.market.get_server_time()
        except Exception as error:
            ended.append((time.monotonic() - began, error))
            raise

    runner.add(step, every=60.0, timeout=0.3)
    with runner:
        eventually(lambda: ended)

    seconds, error = ended[0]
    assert isinstance(error, TotalTimeoutError)
    assert 0.25 <= seconds <= 1.0
    assert runner.stats().strategies["step"].overtime <= 1
    assert is_at_rest(client)


def test_a_call_that_is_made_after_the_time_of_the_step_is_over_sends_nothing(
    exchange: LocalExchange, runner: StrategyRunner
) -> None:
    errors: list[BaseException] = []
    before = exchange.requests.count()

    def step(client: BybitClient) -> None:
        time.sleep(0.3)
        try:
            client.market.get_server_time()
        except TotalTimeoutError as error:
            errors.append(error)

    runner.add(step, every=60.0, timeout=0.1)
    with runner:
        eventually(lambda: errors)

    assert exchange.requests.count() == before


def test_a_drain_cuts_the_calls_that_running_steps_still_make(
    exchange: LocalExchange, runner: StrategyRunner, client: BybitClient
) -> None:
    begun = threading.Event()
    errors: list[BaseException] = []

    def step(client: BybitClient) -> None:
        begun.set()
        try:
            while True:
                client.market.get_server_time()
        except TransportError as error:  # of the rate limit, which leaves no time, or of the call
            errors.append(error)

    runner.add(step, every=60.0)
    runner.start()
    assert begun.wait(5)
    began = time.monotonic()
    report = runner.stop(drain_timeout=0.5)

    assert time.monotonic() - began < 2.0
    assert errors or report.left  # it ended with the drain, or a moment after it
    eventually(lambda: is_at_rest(client))


# --- the end of a process -----------------------------------------------------------------


class Child:
    """The program of `runner_child`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, within: float) -> tuple[int, dict[str, Any], str]:
        """Its exit code, what it told, and its log."""
        out, log = self._process.communicate(timeout=within)
        return self._process.returncode, json.loads(out), log


@contextmanager
def child(exchange: LocalExchange, *kinds: str) -> Iterator[Child]:
    account = exchange.add_account()
    environment = {
        **os.environ,
        "BYBIT_API_KEY": account.api_key,
        "BYBIT_API_SECRET": account.api_secret or "",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.exchange.runner_child"]
    with subprocess.Popen(
        [*command, exchange.url, exchange.ca_file or "", *kinds],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            while "ready" not in (line := process.stderr.readline()):
                assert line, "it ended before it was ready"
            yield Child(process)
        finally:
            process.kill()


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_lets_every_step_end(
    exchange: LocalExchange, name: signal.Signals
) -> None:
    already = len(exchange.orders)
    with child(exchange, "trader") as program:
        eventually(lambda: len(exchange.orders) > already, within=15)
        exchange.faults.late(TIME, seconds=0.3, times=10)  # steps are under way when it comes
        time.sleep(0.1)
        program.signal(name)
        code, told, log = program.end(within=10)

    assert code == 0, log
    assert told["reason"] == name.name
    assert told["left"] == []
    assert (told["active"], told["waiting"]) == (0, 0)
    assert told["statuses"] == ["stopped"]
    assert list(exchange.orders)[-1]["orderStatus"] == "Cancelled"


def test_a_step_that_hangs_keeps_the_process_no_longer_than_the_drain(
    exchange: LocalExchange,
) -> None:
    already = len(exchange.orders)
    with child(exchange, "hang", "trader") as program:
        eventually(lambda: len(exchange.orders) > already, within=15)
        time.sleep(0.2)
        began = time.monotonic()
        program.signal(signal.SIGTERM)
        code, told, log = program.end(within=10)
        seconds = time.monotonic() - began

    assert code == 1, log
    (left,) = told["left"]
    assert left.startswith("hang: step 0 still runs, at runner_child.py:")
    assert left in log
    assert told["active"] == 0
    assert seconds < 2.0 + 3.0  # the drain, and the interpreter's own end
    assert list(exchange.orders)[-1]["orderStatus"] == "Cancelled"


def test_a_second_signal_ends_the_drain_at_once(exchange: LocalExchange) -> None:
    already = len(exchange.orders)
    with child(exchange, "hang", "trader") as program:
        eventually(lambda: len(exchange.orders) > already, within=15)
        time.sleep(0.2)
        program.signal(signal.SIGINT)
        time.sleep(0.5)
        began = time.monotonic()
        program.signal(signal.SIGINT)
        code, told, _ = program.end(within=10)

    assert code == 1
    assert told["left"]
    assert time.monotonic() - began < 1.4

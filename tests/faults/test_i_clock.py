"""I. Clock: a clock that is wrong, or jumps, costs one repeat at most and no call."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bybit_sync import BybitClient, TotalTimeoutError
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import (
    ORDER,
    RESTING,
    TIME,
    Seen,
    connect,
    ends_within,
    failure,
)
from tests.net.tools import latest

from .stepped_process import SECONDS as A_READ
from .stepped_process import SteppedProcess, WallClockShim

OPEN_ORDERS = "/v5/order/realtime"
SECONDS = 3.0


@pytest.fixture
def client(exchange: LocalExchange) -> Iterator[BybitClient]:
    """A client whose calls end after 3 s."""
    account = exchange.add_account()
    with connect(exchange, account=account, pool={"total_timeout": SECONDS}) as client:
        yield client


def read(client: BybitClient) -> Any:
    return client.trade.get_open_orders(category="spot", symbol="BTCUSDT")


def place(client: BybitClient) -> Any:
    return client.trade.place_order(**RESTING)


class WallClock:
    """This process's wall clock, which may step; the monotonic one goes on."""

    def __init__(self) -> None:
        self.step = 0.0
        self._true = time.time

    def __call__(self) -> float:
        return self._true() + self.step


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.mark.row(87, 88)
@pytest.mark.parametrize("call", [read, place])
@pytest.mark.parametrize("ahead", [3.0, -30.0, 90.0, -90.0, 3600.0, -3600.0])
def test_a_clock_that_is_wrong_costs_one_question_and_one_repeat(
    ahead: float,
    call: Callable[[BybitClient], Any],
    exchange: LocalExchange,
    client: BybitClient,
    wall: WallClock,
) -> None:
    wall.step = ahead
    path = OPEN_ORDERS if call is read else ORDER
    seen = Seen(exchange)

    with ends_within(SECONDS):
        assert call(client)["retCode"] == 0

    assert seen.paths() == [path, TIME, path]
    windows = {row["headers"].get("x-bapi-recv-window") for row in seen.rows(path)}
    assert windows == {"5000"}, "a wider window is no remedy"
    again = Seen(exchange)
    assert call(client)["retCode"] == 0
    assert again.paths() == [path]
    offset = client.pipeline.hooks.snapshot().clock_offset
    assert offset == pytest.approx(-ahead, abs=0.5)


@pytest.mark.row(89)
@pytest.mark.parametrize("steps", [(3600.0, -3600.0), (90.0, -90.0, 0.0)])
def test_steps_of_the_wall_clock_during_calls_change_nothing(
    steps: tuple[float, ...], exchange: LocalExchange, client: BybitClient, wall: WallClock
) -> None:
    read(client)
    seen, stop = Seen(exchange), threading.Event()
    made = []

    def work(call: Callable[[BybitClient], Any]) -> None:
        while not stop.is_set():
            assert call(client)["retCode"] == 0
            made.append(call)

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work, call) for call in (read, read, read, place)]
        for step in steps:
            time.sleep(0.3)
            wall.step = step
        time.sleep(0.3)
        stop.set()
        for each in working:
            each.result()

    assert TIME not in seen.paths()
    assert seen.count() == len(made), "no call was repeated"


@pytest.mark.row(89)
@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_step_of_the_wall_clock_moves_no_deadline(
    step: float, exchange: LocalExchange, client: BybitClient, wall: WallClock
) -> None:
    read(client)
    exchange.faults.stall(OPEN_ORDERS, times=None)
    stepping = threading.Timer(0.5, setattr, (wall, "step", step))
    stepping.start()

    started = time.monotonic()
    with ends_within(SECONDS):
        assert isinstance(failure(lambda: read(client)), TotalTimeoutError)

    assert time.monotonic() - started >= SECONDS * 0.95
    stepping.join()


@pytest.fixture
def shim(tmp_path: Path) -> WallClockShim:
    """The wall clock of `process`, which may be stepped."""
    return WallClockShim(tmp_path)


@pytest.fixture
def process(exchange: LocalExchange, shim: WallClockShim) -> Iterator[SteppedProcess]:
    """A real process that trades."""
    process = SteppedProcess(exchange, exchange.add_account(), shim)
    yield process
    process.close()


@pytest.mark.row(89)
def test_a_process_whose_clock_is_set_repeats_one_call_at_most_and_none_fails(
    exchange: LocalExchange, shim: WallClockShim, process: SteppedProcess
) -> None:
    assert process.ask("read")["error"] == ""
    seen = Seen(exchange)

    process.ask("start")
    steps = (0, 90, -90, 3600, -3600)
    for step in steps:
        shim.step(step)
        time.sleep(0.5)
    said = process.ask("stop")

    assert said["failed"] == []
    assert set(said["made"]) == set(steps), "calls were made at each of these times"
    assert seen.count() - len(said["made"]) <= 1


@pytest.mark.row(89)
def test_no_deadline_of_a_process_moves_when_its_clock_is_set(
    exchange: LocalExchange, shim: WallClockShim, process: SteppedProcess
) -> None:
    assert process.ask("read")["error"] == ""
    for step in (90, -90, 3600, -3600):
        exchange.faults.stall(OPEN_ORDERS)
        process.begin("read")
        time.sleep(0.3)
        shim.step(step)
        said = process.said()

        assert said["error"] == "TotalTimeoutError"
        assert 0.95 * A_READ <= said["seconds"] <= latest(A_READ)
        assert process.ask("read")["error"] == ""


@pytest.mark.row(89)
@pytest.mark.parametrize("jump_ms", [90_000, -90_000, 3_600_000])
def test_when_bybits_clock_jumps_each_call_is_repeated_once_at_most_and_none_fails(
    jump_ms: int, exchange: LocalExchange, client: BybitClient
) -> None:
    read(client)
    exchange.faults.wrong_clock(jump_ms)
    seen = Seen(exchange)

    for _ in range(5):
        assert read(client)["retCode"] == 0
    assert seen.paths() == [OPEN_ORDERS, TIME, *[OPEN_ORDERS] * 5]

    exchange.faults.clear()
    with ThreadPoolExecutor(8) as threads:
        for reply in threads.map(read, [client] * 40):
            assert reply["retCode"] == 0
    assert client.pipeline.hooks.snapshot().retries["clock"] <= 1 + 8


@pytest.mark.row(90)
@pytest.mark.parametrize("after_accept", [True, False], ids=["slow back", "slow there"])
def test_a_slow_answer_does_not_spoil_what_quick_ones_have_told(
    after_accept: bool, exchange: LocalExchange, client: BybitClient
) -> None:
    exchange.faults.late(TIME, 2.0, after_accept=after_accept)
    client.market.get_server_time()
    assert client.pipeline.time.known_offset() is None, "it is no better than the wall clock"

    client.market.get_server_time()
    quick = client.pipeline.time.offset_seconds
    exchange.faults.late(TIME, 2.0, after_accept=after_accept)
    client.market.get_server_time()

    assert abs(quick) <= 0.25, "half a round trip, on a machine that is busy"
    assert client.pipeline.time.offset_seconds == pytest.approx(quick, abs=0.01)
    assert read(client)["retCode"] == 0


@pytest.mark.row(90)
def test_a_timestamp_is_never_ahead_of_bybits_clock_whatever_the_way_is_like(
    exchange: LocalExchange, client: BybitClient
) -> None:
    for path, after_accept in ((TIME, True), (TIME, False), (OPEN_ORDERS, True)):
        exchange.faults.late(path, 0.3, after_accept=after_accept)
        client.market.get_server_time()
        read(client)

    for row in Seen(exchange).rows(OPEN_ORDERS):
        assert int(row["headers"]["x-bapi-timestamp"]) <= row["time"]


@pytest.mark.row(88)
def test_a_wrong_clock_is_warned_of_once_and_shown_as_a_gauge(
    client: BybitClient, wall: WallClock, caplog: pytest.LogCaptureFixture
) -> None:
    wall.step = -30.0
    with caplog.at_level(logging.WARNING, "bybit_sync"):
        for _ in range(5):
            read(client)

    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "30.0 s" in warnings[0]
    assert client.pipeline.hooks.snapshot().clock_offset == pytest.approx(30.0, abs=0.5)

"""The state file: what an exchange was told, and what it has told, outlives its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.simulator import LocalAccount, LocalExchange, SimulatorError
from bybit_sync.simulator.server.diary import Diary

from .conftest import FAKE_WORLD
from .wire import Trader

ROOT = Path(__file__).parents[2]
REALTIME = "/v5/order/realtime"
LINEAR = {"category": "linear", "symbol": "BTCUSDT"}
LOW = {**LINEAR, "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "50000"}
MARKET = {**LINEAR, "side": "Buy", "orderType": "Market", "qty": "0.02"}
STOP = {"tpslMode": "Full", "positionIdx": 0, "stopLoss": "20000"}
WHAT_IS_KEPT = (
    ("/v5/account/wallet-balance", "accountType=UNIFIED"),
    (REALTIME, "category=linear&symbol=BTCUSDT"),
    (REALTIME, "category=spot&symbol=BTCUSDT"),
    ("/v5/order/history", "category=linear"),
    ("/v5/execution/list", "category=linear"),
    ("/v5/execution/list", "category=spot"),
    ("/v5/position/list", "category=linear&symbol=BTCUSDT"),
    ("/v5/account/transaction-log", "limit=50"),
)
MOVES_WITH_THE_MARKET = {
    "totalEquity", "totalWalletBalance", "totalMarginBalance", "totalAvailableBalance",
    "totalPerpUPL", "totalInitialMargin", "totalInitialMarginByMp", "totalMaintenanceMargin",
    "totalMaintenanceMarginByMp", "equity", "usdValue", "unrealisedPnl", "totalOrderIM",
    "totalPositionIM", "totalPositionMM", "availableToWithdraw", "markPrice", "positionIM",
    "positionIMByMp", "positionMM", "positionMMByMp", "positionBalance", "accountIMRate",
    "accountIMRateByMp", "accountMMRate", "accountMMRateByMp",
}  # fmt: skip


@contextmanager
def simulate(state: Path) -> Iterator[tuple[subprocess.Popen[str], LocalExchange]]:
    """The command with ``--state``, and a face of what it runs for a `Trader`."""
    command = [sys.executable, "-m", "bybit_sync.simulator", "--json", "--no-tls", "--no-limits"]
    with subprocess.Popen(
        [*command, "--state", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(state.parent)},
    ) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            exchange = LocalExchange()
            exchange.url, exchange.ca_file = told["url"], None
            exchange.api_key, exchange.api_secret = told["api_key"], told["api_secret"]
            exchange.admin_url = told["admin_url"]
            yield process, exchange
        finally:
            process.kill()


def add_account(exchange: LocalExchange) -> LocalAccount:
    url = f"{exchange.admin_url}/accounts"
    with urllib.request.urlopen(url, b'{"balances": {"USDT": "5000"}}') as answer:  # noqa: S310
        return LocalAccount(**json.load(answer))


def use(trader: Trader) -> None:
    """Something of everything that changes an account."""
    item = {key: value for key, value in LOW.items() if key != "category"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("/v5/position/set-leverage", {**LINEAR, "buyLeverage": "7", "sellLeverage": "7"}),
        ("/v5/order/create", MARKET),
        ("/v5/order/create", {**LOW, "orderLinkId": "rests"}),
        ("/v5/order/create", {**LOW, "orderLinkId": "goes", "price": "50000.5"}),
        ("/v5/order/create", {**LOW, "triggerPrice": "60000", "triggerDirection": 2}),
        ("/v5/order/create", {**MARKET, "category": "spot", "qty": "100.5"}),
        ("/v5/order/create", {**LOW, "category": "spot"}),
        ("/v5/order/amend", {**LINEAR, "orderLinkId": "rests", "qty": "0.015"}),
        ("/v5/order/cancel", {**LINEAR, "orderLinkId": "goes"}),
        ("/v5/order/create-batch", {"category": "linear", "request": [item, {**item, "qty": "0"}]}),
        ("/v5/position/trading-stop", {**LINEAR, **STOP}),
    ]
    for path, body in calls:
        reply = trader.post(path, body)
        assert reply.code == 0, (path, reply.body)


def kept(trader: Trader) -> list[Any]:
    """All that does not move with the market."""
    return [still(trader.get(path, query).result) for path, query in WHAT_IS_KEPT]


def still(value: Any) -> Any:
    if isinstance(value, dict):
        return {n: still(v) for n, v in value.items() if n not in MOVES_WITH_THE_MARKET}
    return [still(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_that_was_answered_is_lost_when_it_ends(
    tmp_path: Path, how: signal.Signals
) -> None:
    state = tmp_path / "state.json"
    with simulate(state) as (process, exchange):
        account = add_account(exchange)
        with Trader(exchange) as first, Trader(exchange, account) as second:
            use(first)
            second.post("/v5/order/create", {**LOW, "orderLinkId": "second's"})
            before = [kept(first), kept(second)]
            assert second.post("/v5/order/create", {**LOW, "orderLinkId": "last"}).code == 0
            process.send_signal(how)
            process.wait(10)

    with simulate(state) as (_, again), Trader(again) as first, Trader(again, account) as second:
        assert again.api_key == exchange.api_key
        assert second.post("/v5/order/create", {**LOW, "orderLinkId": "last"}).code == 110072
        last = second.post("/v5/order/cancel", {**LINEAR, "orderLinkId": "last"})
        assert last.code == 0
        after = [kept(first), kept(second)]
        assert after[0] == before[0]
        # The second has one order more in its history, and nothing else.
        (row,) = [row for row in after[1][3]["list"] if row["orderId"] == last.result["orderId"]]
        after[1][3]["list"].remove(row)
        assert after[1] == before[1]


def test_a_second_kill_loses_nothing_either(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    for link in ("one", "two", "three"):
        with simulate(state) as (process, exchange), Trader(exchange) as trader:
            assert trader.post("/v5/order/create", {**LOW, "orderLinkId": link}).code == 0
            process.kill()
            process.wait(10)

    with simulate(state) as (_, exchange), Trader(exchange) as trader:
        rows = trader.get(REALTIME, "category=linear&symbol=BTCUSDT").result["list"]
    assert [row["orderLinkId"] for row in rows] == ["three", "two", "one"]


def test_an_end_in_order_leaves_the_state_file_alone(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with LocalExchange(world=FAKE_WORLD, tls=False, state=str(state)) as exchange:
        exchange.add_account()
        names = {path.name for path in tmp_path.iterdir()}

    assert names == {"state.json", "state.json.diary"}
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_diary_of_another_state_is_not_read(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "state.json")
    diary.restart(7)
    diary.note("call", 1)

    assert list(diary.entries(7)) == [["call", 1]]
    assert list(diary.entries(8)) == []
    diary.restart(8)
    assert list(diary.entries(8)) == []
    diary.end()
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "state.json")
    diary.restart(1)
    diary.note("call", 1)
    with (tmp_path / "state.json.diary").open("ab") as file:
        file.write(b'["call", 2')

    assert list(diary.entries(1)) == [["call", 1]]
    diary.end()


def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    state = tmp_path / "no such folder" / "state.json"

    with pytest.raises(SimulatorError, match="no such folder"):
        LocalExchange(world=FAKE_WORLD, tls=False, state=str(state)).start()


def test_a_file_that_cannot_be_written_any_more_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with LocalExchange(world=FAKE_WORLD, tls=False, state=str(folder / "state.json")) as exchange:
        moved = folder.rename(tmp_path / "elsewhere")
        with pytest.raises(SimulatorError, match="cannot be written"):
            exchange.save()
        moved.rename(folder)


def wait_until(true: Callable[[], bool], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_state_outlives_the_process(tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")
    with LocalExchange(world=FAKE_WORLD, tls=False, state=state) as exchange:
        account = exchange.add_account()
        with Trader(exchange, account) as trader:
            order = trader.place(orderLinkId="kept").result
        key = exchange.api_key

    assert Path(state).stat().st_mode & 0o077 == 0
    with LocalExchange(world=FAKE_WORLD, tls=False, state=state) as exchange:
        assert exchange.api_key == key
        with Trader(exchange, account) as trader:
            found = trader.get(REALTIME, "category=linear&orderLinkId=kept").result["list"]
        assert [row["orderId"] for row in found] == [order["orderId"]]
        assert len(exchange.orders) == 1


def test_state_is_kept_up_to_date_without_being_asked(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with (
        LocalExchange(world=FAKE_WORLD, tls=False, state=str(state)) as exchange,
        Trader(exchange) as trader,
    ):
        trader.place(orderLinkId="in-the-file")
        wait_until(lambda: state.exists() and "in-the-file" in state.read_text())


def test_a_file_that_is_no_state_is_told(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"format": 99}')

    with pytest.raises(SimulatorError, match="format 99"):
        LocalExchange(world=FAKE_WORLD, tls=False, state=str(state)).start()

    state.write_text("not JSON")
    with pytest.raises(SimulatorError, match="does not hold a saved exchange"):
        LocalExchange(world=FAKE_WORLD, tls=False, state=str(state)).start()


def test_saving_without_a_file_is_told(server: LocalExchange) -> None:
    with pytest.raises(ValueError, match="no state file"):
        server.save()

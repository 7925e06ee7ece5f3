"""The server before the real market: orders, batches, state, and answers shaped as documented."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from bybit_sync.simulator import LocalExchange
from bybit_sync.simulator.server.table import samples, table
from bybit_sync.simulator.world import World

from .wire import Trader, now_ms

REALTIME = "/v5/order/realtime"
BUY = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit"}
LOW = {**BUY, "qty": "0.01", "price": "50000"}


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange(limits=False, ip_limit=None) as exchange:
        yield exchange
        assert exchange.errors == []


@pytest.fixture
def trader(exchange: LocalExchange) -> Iterator[Trader]:
    with Trader(exchange, exchange.add_account()) as trader:
        yield trader


def test_an_order_id_of_ones_own_counts_for_ever(exchange: LocalExchange, trader: Trader) -> None:
    before = len(exchange.orders)

    assert trader.post("/v5/order/create", {**LOW, "orderLinkId": "once"}).code == 0
    again = trader.post("/v5/order/create", {**LOW, "orderLinkId": "once"})

    assert (again.code, len(exchange.orders)) == (110072, before + 1)


def test_a_batch_fails_order_by_order(exchange: LocalExchange, trader: Trader) -> None:
    item = {k: v for k, v in LOW.items() if k != "category"}
    items = [
        {**item, "orderLinkId": "one"},
        {**item, "orderLinkId": "one"},
        {**item, "orderLinkId": "two", "symbol": "NOPE"},
        {"symbol": "BTCUSDT"},
        {**item, "orderLinkId": "three"},
    ]

    reply = trader.post("/v5/order/create-batch", {"category": "linear", "request": items})

    codes = [note["code"] for note in reply.json["retExtInfo"]["list"]]
    assert [code == 0 for code in codes] == [True, False, False, False, True]
    ids = [row["orderId"] for row in reply.result["list"]]
    assert [bool(order_id) for order_id in ids] == [True, False, False, False, True]
    rows = trader.get(REALTIME, "category=linear&symbol=BTCUSDT").result["list"]
    assert {row["orderLinkId"] for row in rows} == {"one", "three"}


def test_pages_follow_each_other_whichever_way_the_cursor_is_sent(trader: Trader) -> None:
    placed = {
        trader.post("/v5/order/create", {**LOW, "orderLinkId": f"p{n}"}).result["orderId"]
        for n in range(5)
    }
    for encode in (str, lambda cursor: urlencode({"": cursor})[1:]):
        found: list[str] = []
        cursor = ""
        while True:
            query = f"category=linear&symbol=BTCUSDT&limit=2&cursor={encode(cursor)}"
            page = trader.get(REALTIME, query).result
            found += [row["orderId"] for row in page["list"]]
            cursor = page["nextPageCursor"]
            if not cursor or not page["list"]:
                break
        assert (len(found), set(found)) == (5, placed)


def test_open_orders_and_balances_outlive_a_kill(tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")
    wallet = ("/v5/account/wallet-balance", "accountType=UNIFIED")
    with LocalExchange(state=state, seed=3) as exchange, Trader(exchange) as trader:
        key = exchange.api_key
        market = {**BUY, "orderType": "Market", "qty": "0.01"}
        bought = trader.post("/v5/order/create", market).result["orderId"]
        waiting = trader.post("/v5/order/create", LOW).result["orderId"]
        before = coins(trader.get(*wallet).result)
        exchange.save()
        os.kill(exchange.pid, signal.SIGKILL)

    with LocalExchange(state=state) as exchange, Trader(exchange) as trader:
        assert exchange.api_key == key
        assert coins(trader.get(*wallet).result) == before
        rows = trader.get(REALTIME, "category=linear&symbol=BTCUSDT").result["list"]
        assert [row["orderId"] for row in rows] == [waiting]
        executions = trader.get("/v5/execution/list", "category=linear").result["list"]
        assert {row["orderId"] for row in executions} == {bought}
        assert [order["orderId"] for order in exchange.orders] == [bought, waiting]


def coins(result: Any) -> dict[str, str]:
    return {row["coin"]: row["walletBalance"] for row in result["list"][0]["coin"]}


# --- the shape of answers that come from state --------------------------------------------

WINDOW = {"startTime": str(now_ms() - 86_400_000), "endTime": str(now_ms())}
LINEAR = {"category": "linear", "symbol": "BTCUSDT"}
CALLS: dict[str, dict[str, Any]] = {
    "market.get_server_time": {},
    "market.get_kline": {**LINEAR, "interval": "60"},
    "market.get_mark_price_kline": {**LINEAR, "interval": "60"},
    "market.get_index_price_kline": {**LINEAR, "interval": "60"},
    "market.get_premium_index_price_kline": {**LINEAR, "interval": "60"},
    "market.get_instruments_info": LINEAR,
    "market.get_orderbook": LINEAR,
    "market.get_tickers": {"category": "inverse", "symbol": "BTCUSD"},
    "market.get_public_trade_history": LINEAR,
    "market.get_open_interest": {**LINEAR, "intervalTime": "1h"},
    "market.get_funding_rate_history": {**LINEAR, **WINDOW},
    "market.get_long_short_ratio": {**LINEAR, "period": "1h"},
    "market.get_historical_volatility": {"category": "option"},
    "market.get_risk_limit": LINEAR,
    "market.get_insurance": {},
    "trade.place_order": LOW,
    "trade.place_batch_order": {
        "category": "linear",
        "request": [{k: v for k, v in LOW.items() if k != "category"}],
    },
    "trade.amend_batch_order": {
        "category": "linear",
        "request": [{"symbol": "BTCUSDT", "orderLinkId": "shape", "qty": "0.02"}],
    },
    "trade.amend_order": {**LINEAR, "orderLinkId": "shape", "qty": "0.03"},
    "trade.pre_check_order": LOW,
    "trade.get_open_orders": LINEAR,
    "trade.cancel_order": {**LINEAR, "orderLinkId": "shape"},
    "trade.cancel_batch_order": {
        "category": "linear",
        "request": [{"symbol": "BTCUSDT", "orderLinkId": "shape-2"}],
    },
    "trade.get_order_history": LINEAR,
    "trade.get_executions": LINEAR,
    "trade.cancel_all_orders": LINEAR,
    "position.get_positions": LINEAR,
    "position.set_leverage": {**LINEAR, "buyLeverage": "7", "sellLeverage": "7"},
    "position.set_trading_stop": {
        **LINEAR, "tpslMode": "Full", "positionIdx": 0, "stopLoss": "20000",
    },
    "position.get_closed_pnl": LINEAR,
    "position.switch_position_mode": {"category": "linear", "symbol": "ETHUSDT", "mode": 3},
    "account.get_wallet_balance": {"accountType": "UNIFIED"},
    "account.get_account_info": {},
    "account.get_fee_rates": LINEAR,
    "account.get_transaction_log": {},
}  # fmt: skip


EXCEPTIONS = {
    "market.get_historical_volatility": {
        ".category is missing": "the example has it beside retCode, where no other answer has one"
    },
    "trade.get_open_orders": {
        ".result.list[].cumFeeDetail.MNT is missing": "its keys are the coins of the fees"
    },
    "trade.get_order_history": {
        ".result.list[].cumFeeDetail.MNT is missing": "its keys are the coins of the fees"
    },
}


def test_every_endpoint_with_state_is_called_below() -> None:
    world = World(now_ms=now_ms)

    assert {e.key for e in table().values() if world.handles(e.key)} <= set(CALLS)


def test_every_endpoint_with_state_answers_in_its_documented_shape(
    exchange: LocalExchange, trader: Trader
) -> None:
    by_key = {endpoint.key: endpoint for endpoint in table().values()}
    for side, qty in (("Buy", "0.03"), ("Sell", "0.01")):
        market = {**BUY, "side": side, "orderType": "Market", "qty": qty}
        assert trader.post("/v5/order/create", market).code == 0
    for link in ("shape", "shape-2"):
        assert trader.post("/v5/order/create", {**LOW, "orderLinkId": link}).code == 0
    wrong = {}
    for key, params in CALLS.items():
        endpoint = by_key[key]
        reply = (
            trader.get(endpoint.path, urlencode(params))
            if endpoint.http == "GET"
            else trader.post(endpoint.path, params)
        )
        faults = [
            [d for d in differences(sample["body"], reply.json) if d not in EXCEPTIONS.get(key, {})]
            for sample in samples()[key]
        ]
        if reply.code != 0 or all(faults):
            wrong[key] = min(faults, key=len) if reply.code == 0 else reply.body
    assert wrong == {}


def differences(documented: Any, found: Any, path: str = "") -> Iterator[str]:
    """Where `found` lacks a documented key or has another type; keys of its own are no fault."""
    if isinstance(documented, dict) and isinstance(found, dict):
        for name, value in documented.items():
            if name not in found:
                yield f"{path}.{name} is missing"
            else:
                yield from differences(value, found[name], f"{path}.{name}")
    elif isinstance(documented, list) and isinstance(found, list):
        if documented and not found:
            yield f"{path} is empty"
        elif documented:
            yield from differences(documented[0], found[0], f"{path}[]")
    elif type(documented) is not type(found) and None not in (documented, found):
        yield f"{path} is {type(found).__name__}, not {type(documented).__name__}"

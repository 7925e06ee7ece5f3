"""Where the documentation shows an answer, ours has its keys and their types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from bybit_sync.simulator import LocalExchange
from bybit_sync.simulator.server.table import Endpoint, samples, table
from bybit_sync.simulator.world import World

from .test_server_endpoints import call
from .wire import Reply, Trader, now_ms

LINEAR = {"category": "linear", "symbol": "BTCUSDT"}
INVERSE = {"category": "inverse", "symbol": "BTCUSD"}
SPOT = {"category": "spot", "symbol": "BTCUSDT"}
OPTIONS = {"category": "option", "baseCoin": "BTC"}
WINDOW = {"startTime": str(now_ms() - 86_400_000), "endTime": str(now_ms())}
ORDER = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "50000"}
LOW = {"category": "linear", **ORDER}
STOP = {"tpslMode": "Full", "positionIdx": 0, "stopLoss": "20000"}

# What is asked of the endpoints that keep state, in this order: one account trades through it.
CALLS: dict[str, list[dict[str, Any]]] = {
    "market.get_server_time": [{}],
    "market.get_kline": [{**where, "interval": "60"} for where in (INVERSE, LINEAR, SPOT)],
    "market.get_mark_price_kline": [{**LINEAR, "interval": "60"}, {**INVERSE, "interval": "60"}],
    "market.get_index_price_kline": [{**LINEAR, "interval": "60"}, {**INVERSE, "interval": "60"}],
    "market.get_premium_index_price_kline": [{**LINEAR, "interval": "60"}],
    "market.get_instruments_info": [LINEAR, {"category": "option"}, SPOT],
    "market.get_orderbook": [SPOT, LINEAR],
    "market.get_tickers": [INVERSE, OPTIONS, SPOT],
    "market.get_public_trade_history": [SPOT, LINEAR],
    "market.get_open_interest": [{**where, "intervalTime": "1h"} for where in (INVERSE, LINEAR)],
    "market.get_funding_rate_history": [{**LINEAR, **WINDOW}],
    "market.get_long_short_ratio": [{**LINEAR, "period": "1h"}],
    "market.get_historical_volatility": [{"category": "option"}],
    "market.get_risk_limit": [INVERSE, LINEAR],
    "market.get_insurance": [{}],
    "trade.place_order": [
        LOW,
        *({**LOW, "orderLinkId": link} for link in ("shape", "shape-2")),
        {**LINEAR, "side": "Buy", "orderType": "Market", "qty": "0.03"},
        {**LINEAR, "side": "Sell", "orderType": "Market", "qty": "0.01"},
    ],
    "trade.place_batch_order": [{"category": "linear", "request": [ORDER]}],
    "trade.amend_batch_order": [
        {
            "category": "linear",
            "request": [{"symbol": "BTCUSDT", "orderLinkId": "shape", "qty": "0.02"}],
        }
    ],
    "trade.amend_order": [{**LINEAR, "orderLinkId": "shape", "qty": "0.03"}],
    "trade.pre_check_order": [LOW],
    "trade.get_open_orders": [LINEAR],
    "trade.cancel_order": [{**LINEAR, "orderLinkId": "shape"}],
    "trade.cancel_batch_order": [
        {"category": "linear", "request": [{"symbol": "BTCUSDT", "orderLinkId": "shape-2"}]}
    ],
    "trade.get_order_history": [LINEAR],
    "trade.get_executions": [LINEAR],
    "trade.cancel_all_orders": [LINEAR],
    "position.get_positions": [LINEAR],
    "position.set_leverage": [{**LINEAR, "buyLeverage": "7", "sellLeverage": "7"}],
    "position.set_trading_stop": [{**LINEAR, **STOP}],
    "position.get_closed_pnl": [LINEAR],
    "position.switch_position_mode": [{"category": "linear", "symbol": "ETHUSDT", "mode": 3}],
    "account.get_wallet_balance": [{"accountType": "UNIFIED"}],
    "account.get_account_info": [{}],
    "account.get_fee_rates": [LINEAR],
    "account.get_transaction_log": [{}],
    "asset.get_coin_info": [{"coin": "BTC"}],
}

OF_COINS = "its keys are the coins of the fees"
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("market.get_historical_volatility", ".category is missing"): (
        "the example has it beside retCode, where no other answer has one"
    ),
    ("trade.get_open_orders", ".result.list[].cumFeeDetail.MNT is missing"): OF_COINS,
    ("trade.get_order_history", ".result.list[].cumFeeDetail.MNT is missing"): OF_COINS,
}
"""Differences that are meant, and why."""
UNLISTED = {("market.get_instruments_info", "linear, premarket"): "no contract here is pre-market"}
"""Examples of something that this exchange does not list, and why."""


@pytest.fixture(scope="module")
def trader() -> Iterator[Trader]:
    with LocalExchange(limits=False, ip_limit=None) as exchange, Trader(exchange) as trader:
        yield trader
        assert exchange.errors == []


@pytest.fixture(scope="module")
def replies(trader: Trader) -> dict[str, list[Reply]]:
    """What every endpoint of the table says: those with state in the order above, then the rest."""
    by_key = {endpoint.key: endpoint for endpoint in table().values()}
    found = {key: [ask(trader, by_key[key], p) for p in asked] for key, asked in CALLS.items()}
    for key, endpoint in by_key.items():
        if key not in found:
            found[key] = [call(trader, endpoint)]
    return found


def ask(trader: Trader, endpoint: Endpoint, params: dict[str, Any]) -> Reply:
    if endpoint.http == "GET":
        return trader.get(endpoint.path, urlencode(params))
    return trader.post(endpoint.path, params)


def test_every_endpoint_with_state_is_asked_for_more_than_an_example() -> None:
    world = World(now_ms=now_ms)

    assert {e.key for e in table().values() if world.handles(e.key)} == set(CALLS)


@pytest.mark.parametrize("key", sorted(samples()))
def test_an_answer_has_the_documented_keys_and_types(
    replies: dict[str, list[Reply]], key: str
) -> None:
    for reply in replies[key]:
        assert reply.status == 200
        assert reply.json.get("retCode", reply.json.get("ret_code", 0)) == 0, reply.body
    found = [
        min((unmeant(key, sample["body"], reply) for reply in replies[key]), key=len)
        for sample in samples()[key]
        if (key, sample.get("title")) not in UNLISTED
    ]
    if key in CALLS:  # asked for everything that there is an example of
        assert found == [[]] * len(found)
    else:
        assert min(found, key=len) == []


def unmeant(key: str, documented: Any, reply: Reply) -> list[str]:
    return [d for d in differences(documented, reply.json) if (key, d) not in EXCEPTIONS]


def test_no_exception_is_listed_that_is_none(replies: dict[str, list[Reply]]) -> None:
    for key, difference in EXCEPTIONS:
        told = [
            d
            for sample in samples()[key]
            for reply in replies[key]
            for d in differences(sample["body"], reply.json)
        ]
        assert difference in told


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

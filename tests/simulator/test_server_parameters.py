"""10001 and the parameter's name: as strict as the documentation, and no stricter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bybit_sync.simulator.refusal import Refusal
from bybit_sync.simulator.server.check import checked
from bybit_sync.simulator.server.table import table

from .wire import LIMIT_BUY

PLACE = table()["/v5/order/create"]
REALTIME = table()["/v5/order/realtime"]
KLINE = table()["/v5/market/kline"]
BOOK = table()["/v5/market/orderbook"]
EXECUTIONS = table()["/v5/execution/list"]
WITHDRAW = table()["/v5/asset/withdraw/create"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"side": "buy"}, "side"),
        ({"category": "futures"}, "category"),
        ({"qty": None}, "qty"),
        ({"qty": ""}, "qty"),
        ({"qty": 1}, "qty"),  # a number may have been a float
        ({"price": Decimal("0.1")}, "price"),
        ({"symbol": True}, "symbol"),
        ({"symbol": ["BTCUSDT"]}, "symbol"),
        ({"positionIdx": 3}, "positionIdx"),
        ({"positionIdx": "one"}, "positionIdx"),
        ({"positionIdx": True}, "positionIdx"),
        ({"reduceOnly": "true"}, "reduceOnly"),
        ({"orderLinkId": "x" * 37}, "orderLinkId"),
        ({"slippageToleranceType": "Percent", "slippageTolerance": "0.005"}, "slippageTolerance"),
        ({"slippageToleranceType": "Percent", "slippageTolerance": "11"}, "slippageTolerance"),
    ],
)
def test_an_order_is_refused_by_the_parameters_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked(PLACE, {**LIMIT_BUY, **changes})

    assert refused.value.ret_code == 10001
    assert named in refused.value.ret_msg


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown": {"a": 1}},
        {"orderLinkId": "x" * 36},
        {"orderLinkId": 12345},
        {"positionIdx": "1"},
        {"isLeverage": 0},
        {"price": None},
        {"timeInForce": ""},
        {"slippageToleranceType": "TickSize", "slippageTolerance": "10000"},
    ],
)
def test_an_order_passes_that_the_documentation_allows(changes: dict[str, Any]) -> None:
    checked(PLACE, {**LIMIT_BUY, **changes})


def test_values_come_out_as_documented_and_empty_ones_not_at_all() -> None:
    given = {**LIMIT_BUY, "orderLinkId": 7, "positionIdx": "2", "takeProfit": "", "smpType": None}

    assert checked(PLACE, given) == {**LIMIT_BUY, "orderLinkId": "7", "positionIdx": 2}


@pytest.mark.parametrize(
    ("endpoint", "query", "named"),
    [
        (KLINE, {"symbol": "BTCUSDT", "interval": "2"}, "interval"),
        (KLINE, {"symbol": "BTCUSDT", "interval": "1", "limit": "1001"}, "limit"),
        (KLINE, {"symbol": "BTCUSDT", "interval": "1", "limit": "0"}, "limit"),
        (KLINE, {"symbol": "BTCUSDT", "interval": "1", "limit": "1.5"}, "limit"),
        (KLINE, {"symbol": "BTCUSDT", "interval": "1", "start": "yesterday"}, "start"),
        (BOOK, {"category": "option", "symbol": "X", "limit": "26"}, "limit"),
        (REALTIME, {"category": "linear", "openOnly": "2"}, "openOnly"),
        (
            EXECUTIONS,
            {"category": "linear", "startTime": "1700000000000", "endTime": "1700604800001"},
            "startTime",
        ),
    ],
)
def test_a_query_is_refused_by_the_parameters_name(
    endpoint: Any, query: dict[str, str], named: str
) -> None:
    with pytest.raises(Refusal, match=named) as refused:
        checked(endpoint, query)

    assert refused.value.ret_code == 10001


@pytest.mark.parametrize(
    ("endpoint", "query"),
    [
        (KLINE, {"symbol": "BTCUSDT", "interval": "D", "limit": "1000", "start": "1"}),
        (BOOK, {"category": "spot", "symbol": "X", "limit": "1000"}),
        (REALTIME, {"category": "linear", "cursor": ""}),
        (
            EXECUTIONS,
            {"category": "linear", "startTime": "1700000000000", "endTime": "1700604800000"},
        ),
    ],
)
def test_a_query_passes_that_the_documentation_allows(endpoint: Any, query: dict[str, str]) -> None:
    checked(endpoint, query)


def test_a_field_of_a_nested_object_is_checked_too() -> None:
    fields = next(p for p in WITHDRAW.params if p.name == "beneficiary").fields
    limited = next(field for field in fields if field.enum)
    body = {
        p.name: sorted(p.enum)[0] if p.enum else "1" if p.type == "string" else 1
        for p in WITHDRAW.params
        if p.required
    }

    checked(WITHDRAW, body)
    with pytest.raises(Refusal, match=limited.name):
        checked(WITHDRAW, {**body, "beneficiary": {limited.name: "no such value"}})

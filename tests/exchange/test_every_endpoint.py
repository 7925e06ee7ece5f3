"""Every method of every group reaches the exchange as documented, and brings an envelope back."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bybit_sync import ApiError, BybitClient
from bybit_sync.api import GROUPS, find
from bybit_sync.call.records import Endpoint, Param
from bybit_sync.simulator import LocalExchange
from tests.shapes import result_hint, shape_faults

from .tools import Seen

KNOWN = {
    "symbol": "BTCUSDT",
    "coin": "USDT",
    "qty": "0.001",
    "price": "10000",
    "startTime": 1_700_000_000_000,
    "endTime": 1_700_000_100_000,
}
VALUES: Mapping[str, Any] = {
    "string": "1",
    "decimal": "1",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "time_ms": 1_700_000_000_000,
    "file": b"\x89PNG\r\n\x1a\n",
}
NEEDED: Mapping[str, dict[str, Any]] = {
    "p2p.upload_chat_file": {"filename": "proof.png"},
    "market.get_public_trade_history": {"symbol": "BTCUSDT"},
    "position.get_positions": {"settleCoin": "USDT"},
    "position.switch_position_mode": {"symbol": "BTCUSDT", "mode": 3},
    "trade.amend_order": {"orderId": "1", "price": "10000"},
    "trade.cancel_order": {"orderId": "1"},
    "trade.cancel_all_orders": {"settleCoin": "USDT"},
    "trade.get_open_orders": {"settleCoin": "USDT"},
}
"""What a row cannot say: bounds, and parameters that are required with another's value."""
REFUSED = {
    "position.set_trading_stop": 10001,  # there is no position
    "trade.amend_order": 110001,  # nor such an order
    "trade.cancel_order": 110001,
}
"""What keeps state here and has nothing by the names that are asked for, and what it says."""


def rows_of(group: str) -> list[Endpoint]:
    """The endpoints of a group, from the constants in its module."""
    module = importlib.import_module(f"bybit_sync.api.{group}")
    return [each for each in vars(module).values() if isinstance(each, Endpoint)]


def a_value(param: Param) -> Any:
    """The plainest value that the parameter's row allows."""
    if param.kind == "array":
        item = least(param.fields) if param.fields else (param.allowed or ("1",))[0]
        return [item]
    if param.kind == "object":
        return least(param.fields)
    if param.allowed:
        return param.allowed[0]
    low, high = param.bounds or (None, None)
    is_low, is_high = low is not None and low > 1, high is not None and high < 1
    return low if is_low or is_high else KNOWN.get(param.name, VALUES[param.kind])


def least(params: tuple[Param, ...]) -> dict[str, Any]:
    """The required parameters, each with a value."""
    return {param.name: a_value(param) for param in params if param.required}


def most(row: Endpoint) -> dict[str, Any]:
    """Every parameter, each with a value; single objects and lists have their required fields."""
    return {param.name: a_value(param) for param in row.params}


def test_the_client_and_the_exchange_know_the_same_446_endpoints() -> None:
    table = resources.files("bybit_sync.simulator").joinpath("data/endpoints.json")
    theirs = {row["key"]: row for row in json.loads(table.read_bytes())}
    ours = {row.key: row for group in GROUPS for row in rows_of(group)}

    assert len(ours) == 446
    assert {k: (r.method, r.path, r.auth) for k, r in ours.items()} == {
        k: (r["http"], r["path"], r["auth"]) for k, r in theirs.items()
    }
    assert {k: (r.envelope, r.changes_something) for k, r in ours.items()} == {
        k: (r.get("envelope", "v5"), r.get("mutates", False)) for k, r in theirs.items()
    }


def test_the_required_parameters_are_those_that_the_exchange_requires() -> None:
    table = resources.files("bybit_sync.simulator").joinpath("data/endpoints.json")
    theirs = {row["key"]: row for row in json.loads(table.read_bytes())}

    for group in GROUPS:
        for row in rows_of(group):
            wanted = {p["name"] for p in theirs[row.key]["params"] if p.get("required")}
            assert set(row.required) == wanted, row.key
            known = {p["name"] for p in theirs[row.key]["params"]}
            assert set(row.by_name) - {"filename"} == known - {"filename"}, row.key


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_has_one_documented_method_for_each_row_of_its_table(group: str) -> None:
    for row in rows_of(group):
        kind = type(getattr(BybitClient, group).func(_Unused()))
        method = getattr(kind, row.name)
        signature = inspect.signature(method)
        names = [name for name in signature.parameters if name != "self"]

        assert row.path in (method.__doc__ or "")
        assert names[: len(row.params)] == [param.name for param in _required_first(row)]
        assert all(
            each.kind is each.KEYWORD_ONLY
            for each in list(signature.parameters.values())[1 : len(row.params) + 1]
        )
        assert find(row.method, row.path) == row


class _Unused:
    """Stands where a group's method looks for the function that makes calls."""

    _call = None


def _required_first(row: Endpoint) -> list[Param]:
    return sorted(row.params, key=lambda param: not param.required)


# --- and over the wire --------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_every_method_of_a_group_is_answered(
    group: str, exchange: LocalExchange, client: BybitClient
) -> None:
    rows, seen = rows_of(group), Seen(exchange)
    given = [{**least(row.params), **NEEDED.get(row.key, {})} for row in rows]

    replies = [_call(client, row, params) for row, params in zip(rows, given, strict=True)]

    for row, params, body, arrival in zip(rows, given, replies, seen.rows(), strict=True):
        where = f"{row.key} {params} -> {body}"
        assert (arrival["method"], arrival["path"]) == (row.method, row.path), where
        assert arrival["status"] == 200, where
        assert ("x-bapi-sign" in arrival["headers"]) is (row.auth != "none"), where
        assert (arrival["uid"] is not None) is (row.auth != "none"), where
        if "file" not in {param.kind for param in row.params}:
            assert _arrived(row, arrival).items() >= _as_sent(row, params).items(), where
        assert row.envelope == "none" or {"retCode", "ret_code"} & set(body), where
        said = body.get("retCode", body.get("ret_code", 0))
        assert int(said) == REFUSED.get(row.key, 0), where
        if row.key not in REFUSED:
            result = body if row.envelope == "none" else body.get("result")
            assert list(shape_faults(result, result_hint(row))) == [], where


@pytest.mark.parametrize("group", GROUPS)
def test_every_parameter_of_a_group_arrives_as_it_was_given(
    group: str, exchange: LocalExchange, client: BybitClient
) -> None:
    rows = [row for row in rows_of(group) if "file" not in {param.kind for param in row.params}]
    seen = Seen(exchange)

    for row in rows:
        _call(client, row, most(row))  # whether that makes sense together is Bybit's to say

    for row, arrival in zip(rows, seen.rows(), strict=True):
        arrived, sent = _arrived(row, arrival), _as_sent(row, most(row))
        assert (arrival["method"], arrival["path"]) == (row.method, row.path), row.key
        assert arrived.items() >= sent.items(), row.key
        assert list(arrived) == [param.name for param in row.params], row.key


def _call(client: BybitClient, row: Endpoint, params: dict[str, Any]) -> dict[str, Any]:
    """The body of the answer, whether it says yes or no."""
    method = getattr(getattr(client, row.group), row.name)
    try:
        return dict(method(**params))
    except ApiError as refusal:
        return dict(refusal.body)


def _arrived(row: Endpoint, arrival: dict[str, Any]) -> dict[str, Any]:
    if row.method == "GET":
        return dict(parse_qsl(arrival["query"], keep_blank_values=True, strict_parsing=False))
    body: dict[str, Any] = json.loads(arrival["body"])
    return body


def _as_sent(row: Endpoint, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters as they should stand on the wire: in a query everything is text."""
    sent = {}
    for name, value in params.items():
        kind = row.by_name[name].kind
        if row.method == "GET":
            shown = ",".join(map(str, value)) if isinstance(value, list) else value
            sent[name] = str(shown).lower() if isinstance(shown, bool) else str(shown)
        elif kind in ("array", "object"):
            continue  # batches get ids of their own: test_orders looks at those
        else:
            sent[name] = str(value) if kind in ("decimal", "string") else value
    return sent

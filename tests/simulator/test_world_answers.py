"""Answers look as Bybit documents them, and pages hold every row once."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import bybit_sync.simulator
from bybit_sync.simulator.world import World

from .world_hand import INVERSE, LINEAR, SPOT, START_MS, Hand

DATA = Path(bybit_sync.simulator.__file__).parent / "data"
SAMPLES: dict[str, list[dict[str, Any]]] = json.loads((DATA / "samples.json").read_text())

ASKED: list[tuple[str, dict[str, str]]] = [
    ("market.get_server_time", {}),
    ("market.get_kline", {**INVERSE, "interval": "60"}),
    ("market.get_mark_price_kline", {**LINEAR, "interval": "15"}),
    ("market.get_index_price_kline", {**INVERSE, "interval": "1"}),
    ("market.get_premium_index_price_kline", {**LINEAR, "interval": "D"}),
    ("market.get_instruments_info", LINEAR),
    ("market.get_instruments_info", SPOT),
    ("market.get_instruments_info", {"category": "option"}),
    ("market.get_orderbook", SPOT),
    ("market.get_tickers", INVERSE),
    ("market.get_tickers", SPOT),
    ("market.get_tickers", {"category": "option", "baseCoin": "BTC"}),
    ("market.get_public_trade_history", SPOT),
    ("market.get_open_interest", {**INVERSE, "intervalTime": "1h"}),
    ("market.get_funding_rate_history", LINEAR),
    ("market.get_historical_volatility", {"category": "option"}),
    ("market.get_risk_limit", INVERSE),
    ("market.get_insurance", {}),
    ("market.get_long_short_ratio", {**LINEAR, "period": "1h"}),
    ("trade.get_open_orders", LINEAR),
    ("trade.get_order_history", LINEAR),
    ("trade.get_executions", LINEAR),
    ("position.get_positions", INVERSE),
    ("position.get_closed_pnl", LINEAR),
    ("account.get_wallet_balance", {"accountType": "UNIFIED"}),
    ("account.get_account_info", {}),
    ("account.get_fee_rates", LINEAR),
    ("account.get_transaction_log", {}),
]


@pytest.fixture(scope="module")
def busy() -> Hand:
    """An account with orders, deals and positions of every sort."""
    hand = Hand()
    for where in (LINEAR, INVERSE):
        more, less = ("0.5", "0.2") if where is LINEAR else ("500", "200")
        hand.place(where, orderType="Market", qty=more)
        hand.place(where, side="Sell", orderType="Market", qty=less)
        hand.place(where, price="50000", qty=more, orderLinkId=f"waits-{where['category']}")
    hand.place(SPOT, orderType="Market", qty="500")
    hand.place(SPOT, price="50000", qty="0.01")
    return hand


def missing(documented: Any, given: Any, path: str = "") -> list[str]:
    """Where an answer lacks a documented key or has another type."""
    if documented is None or path.endswith("cumFeeDetail"):
        return []  # null says nothing of the type; the keys of the fee detail are coins
    if isinstance(documented, dict):
        if not isinstance(given, dict):
            return [path]
        found = []
        for key, inner in documented.items():
            found += (
                missing(inner, given[key], f"{path}.{key}") if key in given else [f"{path}.{key}"]
            )
        return found
    if isinstance(documented, list):
        if not isinstance(given, list):
            return [path]
        if not documented or not given:
            return []
        return missing(documented[0], given[0], f"{path}[]")
    if given is None or type(documented) is type(given):
        return []
    return [path]


@pytest.mark.parametrize(("key", "params"), ASKED, ids=str)
def test_an_answer_has_all_that_the_documentation_shows(
    busy: Hand, key: str, params: dict[str, str]
) -> None:
    answer = busy.call(key, **params)

    samples = [sample["body"]["result"] for sample in SAMPLES[key]]

    if isinstance(answer, dict) and "list" in answer:
        assert answer["list"]
    assert min((missing(sample, answer) for sample in samples), key=len) == []


@pytest.mark.parametrize(("key", "params"), ASKED, ids=str)
def test_numbers_are_spelt_without_an_exponent(
    busy: Hand, key: str, params: dict[str, str]
) -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for inner in value.values() for text in texts(inner)]
        if isinstance(value, list):
            return [text for inner in value for text in texts(inner)]
        return [value] if isinstance(value, str) else []

    for text in texts(busy.call(key, **params)):
        assert "E+" not in text
        assert "E-" not in text or not text.replace("E-", "").isdecimal()


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("key", ["trade.get_open_orders", "trade.get_order_history"])
def test_pages_hold_every_order_once(key: str, decoded: bool) -> None:
    hand = Hand()
    placed = [hand.place(SPOT, price=str(50_000 + i), qty="0.001") for i in range(25)]
    if key == "trade.get_order_history":
        hand.call("trade.cancel_all_orders", **SPOT)
    seen: list[str] = []
    cursor = ""
    while True:
        page = hand.call(key, category="spot", limit="7", cursor=cursor)
        seen += [row["orderId"] for row in page["list"]]
        cursor = page["nextPageCursor"]
        if not cursor:
            break
        assert "%3A" in cursor
        cursor = unquote(cursor) if decoded else cursor

    assert seen == placed[::-1]


def test_orders_that_vanish_between_pages_shift_nothing() -> None:
    hand = Hand()
    placed = [hand.place(SPOT, price=str(50_000 + i), qty="0.001") for i in range(10)]
    first = hand.call("trade.get_open_orders", category="spot", limit="5")
    for order_id in placed[3:8]:
        hand.call("trade.cancel_order", **SPOT, orderId=order_id)

    rest = hand.call(
        "trade.get_open_orders", category="spot", limit="5", cursor=first["nextPageCursor"]
    )

    assert [row["orderId"] for row in rest["list"]] == placed[2::-1]


def test_executions_page_too() -> None:
    hand = Hand()
    for _ in range(9):
        hand.place(SPOT, orderType="Market", qty="100")
    everything = hand.call("trade.get_executions", category="spot", limit="100")["list"]
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = hand.call("trade.get_executions", category="spot", limit="4", cursor=cursor)
        seen += page["list"]
        cursor = page["nextPageCursor"]
        if not cursor:
            break

    assert seen == everything
    assert len({deal["execId"] for deal in seen}) == len(seen) >= 9


def test_time_windows_are_at_most_seven_days() -> None:
    hand = Hand()
    order_id = hand.place(SPOT, orderType="Market", qty="100")
    hand.wait(8 * 86_400)
    asked = {"category": "spot"}

    assert hand.call("trade.get_order_history", **asked)["list"] == []
    early = hand.call("trade.get_order_history", **asked, startTime=str(START_MS))["list"]
    assert [row["orderId"] for row in early] == [order_id]
    assert hand.call("trade.get_order_history", **asked, orderId=order_id)["list"]
    long = {"startTime": str(START_MS), "endTime": str(START_MS + 8 * 86_400_000)}
    assert hand.refused("trade.get_order_history", **asked, **long)[0] == 10001


def test_a_closed_order_is_still_found_by_its_id() -> None:
    hand = Hand()
    order_id = hand.place(SPOT, price="50000", qty="0.01", orderLinkId="mine")
    hand.call("trade.cancel_order", **SPOT, orderId=order_id)

    found = hand.call("trade.get_open_orders", category="spot", orderLinkId="mine")["list"]

    assert [row["orderStatus"] for row in found] == ["Cancelled"]
    assert hand.call("trade.get_open_orders", category="spot")["list"] == []
    recent = hand.call("trade.get_open_orders", category="spot", openOnly="1")["list"]
    assert [row["orderId"] for row in recent] == [order_id]


def test_order_ids_look_like_bybits() -> None:
    hand = Hand()

    assert hand.place(SPOT, price="50000", qty="0.01").isdecimal()
    linear = hand.place(LINEAR, price="50000", qty="0.01")
    assert [len(part) for part in linear.split("-")] == [8, 4, 4, 4, 12]


def test_a_flat_contract_shows_an_empty_position() -> None:
    hand = Hand()

    row = hand.position(LINEAR)

    assert (row["side"], row["size"], row["positionIdx"]) == ("", "0", 0)
    assert hand.call("position.get_positions", category="linear", settleCoin="USDT")["list"] == []


def test_the_first_account_holds_usdt_and_btc() -> None:
    hand = Hand()

    assert hand.balance("USDT") == 1_000_000
    assert hand.balance("BTC") == 10
    assert hand.account.uid.isdecimal()


def test_each_seed_is_a_market_of_its_own() -> None:
    asked = {**SPOT, "interval": "60", "limit": "50"}

    one, again, other = Hand(1), Hand(1), Hand(2)

    assert one.call("market.get_kline", **asked) == again.call("market.get_kline", **asked)
    assert one.call("market.get_kline", **asked) != other.call("market.get_kline", **asked)


def test_a_clock_that_is_set_back_stops_the_world_but_does_not_break_it() -> None:
    hand = Hand()
    hand.wait(60)
    before = hand.call("market.get_server_time")

    hand.now_ms -= 30_000

    assert hand.call("market.get_server_time") == before
    assert hand.place(SPOT, price="50000", qty="0.01")


def test_state_of_another_format_is_not_loaded() -> None:
    state = {**Hand().world.dump(), "format": 0}

    with pytest.raises(ValueError, match="format 0"):
        World.load(state, now_ms=lambda: START_MS)


def test_every_accepted_order_is_told_with_its_account() -> None:
    hand = Hand()
    other = hand.world.open_account()
    mine = hand.place(SPOT, price="50000", qty="0.01")
    theirs = hand.place(LINEAR, other, orderType="Market", qty="0.01")

    rows = hand.world.accepted_orders()

    assert [(row["orderId"], row["uid"]) for row in rows] == [
        (mine, hand.account.uid),
        (theirs, other.uid),
    ]
    assert Decimal(rows[1]["cumExecQty"]) == Decimal("0.01")

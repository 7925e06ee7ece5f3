"""Hedge mode: a long and a short position in one contract, each with orders of its own."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from bybit_sync.simulator.world import World

from .world_hand import LINEAR, Hand

LONG, SHORT = {**LINEAR, "positionIdx": 1}, {**LINEAR, "positionIdx": 2}


@pytest.fixture
def hand() -> Hand:
    """An account in hedge mode that is 0.2 long and 0.3 short."""
    hand = Hand()
    hand.call("position.switch_position_mode", category="linear", symbol="BTCUSDT", mode=3)
    hand.place(LONG, orderType="Market", qty="0.2")
    hand.place(SHORT, side="Sell", orderType="Market", qty="0.3")
    return hand


def sizes(hand: Hand) -> list[tuple[str, str]]:
    rows = hand.call("position.get_positions", **LINEAR)["list"]
    assert [row["positionIdx"] for row in rows] == [1, 2]
    return [(row["side"], row["size"]) for row in rows]


def test_both_sides_are_held_at_once(hand: Hand) -> None:
    assert sizes(hand) == [("Buy", "0.200"), ("Sell", "0.300")]


def test_a_slot_never_turns_round(hand: Hand) -> None:
    hand.place(LONG, side="Sell", orderType="Market", qty="1")
    hand.place(SHORT, side="Buy", orderType="Market", qty="1")

    assert sizes(hand) == [("", "0"), ("", "0")]


def test_closing_both_sides_leaves_the_difference_less_fees(hand: Hand) -> None:
    hand.wait(900)
    hand.place(LONG, side="Sell", orderType="Market", qty="0.2")
    hand.place(SHORT, side="Buy", orderType="Market", qty="0.3")

    flow = sum(
        Decimal(deal["execValue"]) * (1 if deal["side"] == "Sell" else -1)
        for deal in hand.deals(LINEAR)
    )
    fees = sum(Decimal(deal["execFee"]) for deal in hand.deals(LINEAR))
    assert hand.balance("USDT") == 1_000_000 + flow - fees
    assert hand.coin("USDT")["totalPositionIM"] == "0"
    assert hand.totals()["USDT"] == 0


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"positionIdx": 0}, 10001),
        ({"positionIdx": 1, "reduceOnly": True}, 110017),  # a buy does not reduce a long
        ({"positionIdx": 2, "side": "Sell", "reduceOnly": True}, 110017),
    ],
)
def test_an_order_must_fit_its_slot(hand: Hand, order: dict[str, object], code: int) -> None:
    asked = {**LINEAR, "side": "Buy", "orderType": "Limit", "qty": "0.1", "price": "50000"}

    assert hand.refused("trade.place_order", **{**asked, **order})[0] == code


def test_an_empty_slot_has_nothing_to_close() -> None:
    hand = Hand()
    hand.call("position.switch_position_mode", category="linear", symbol="BTCUSDT", mode=3)

    sell = {**LONG, "side": "Sell", "orderType": "Market", "qty": "0.1"}

    assert hand.refused("trade.place_order", **sell)[0] == 110017


def test_a_stop_loss_closes_its_own_side_only(hand: Hand) -> None:
    bid, _ = hand.best(LINEAR)
    asked = {"tpslMode": "Full", "stopLoss": str(bid - 40)}
    hand.call("position.set_trading_stop", **LONG, **asked)

    hand.wait(6 * 3600)

    assert sizes(hand) == [("", "0"), ("Sell", "0.300")]


def test_a_conditional_order_opens_in_its_slot(hand: Hand) -> None:
    bid, _ = hand.best(LINEAR)
    waits = {"triggerPrice": str(bid - 25), "triggerDirection": 2, "orderType": "Market"}
    hand.place(SHORT, side="Sell", qty="0.1", **waits)

    hand.wait(6 * 3600)

    assert sizes(hand) == [("Buy", "0.200"), ("Sell", "0.400")]


def test_closing_orders_of_a_slot_shrink_with_it(hand: Hand) -> None:
    _, ask = hand.best(LINEAR)
    rests = hand.place(LONG, side="Sell", price=str(ask + 5000), qty="0.2")
    other = hand.place(SHORT, side="Sell", price=str(ask + 5000), qty="0.2")

    hand.place(LONG, side="Sell", orderType="Market", qty="0.15")

    assert hand.order(LINEAR, rests)["leavesQty"] == "0.050"
    assert hand.order(LINEAR, other)["leavesQty"] == "0.200"


def test_the_mode_stays_while_anything_is_open(hand: Hand) -> None:
    one_way = {"category": "linear", "symbol": "BTCUSDT", "mode": 0}
    assert hand.refused("position.switch_position_mode", **one_way)[0] == 110024

    hand.place(LONG, side="Sell", orderType="Market", qty="0.2")
    hand.place(SHORT, side="Buy", orderType="Market", qty="0.3")
    hand.call("position.switch_position_mode", **one_way)

    assert hand.position(LINEAR)["positionIdx"] == 0


def test_a_saved_world_remembers_both_sides(hand: Hand) -> None:
    state = json.loads(json.dumps(hand.world.dump()))

    hand.world = World.load(state, now_ms=lambda: hand.now_ms)
    hand.account = hand.world.account(hand.account.uid)

    assert sizes(hand) == [("Buy", "0.200"), ("Sell", "0.300")]
    assert hand.refused("position.switch_position_mode", **LINEAR, mode=3)[0] == 110025

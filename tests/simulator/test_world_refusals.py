"""What the exchange says no to, and how."""

from __future__ import annotations

from typing import Any

import pytest

from .world_hand import INVERSE, LINEAR, SPOT, Hand

BUY = {"side": "Buy", "orderType": "Limit"}
SPOT_BUY = {**SPOT, **BUY, "price": "50000", "qty": "0.01"}
LINEAR_BUY = {**LINEAR, **BUY, "price": "50000", "qty": "0.01"}
INVERSE_BUY = {**INVERSE, **BUY, "price": "50000", "qty": "100"}
MARKET = {"orderType": "Market"}

PLACED: list[tuple[str, dict[str, Any], int, str]] = [
    ("spot symbol", {**SPOT_BUY, "symbol": "NOUSDT"}, 10001, "params error: symbol invalid"),
    ("linear symbol", {**LINEAR_BUY, "symbol": "BTCUSD"}, 10001, "params error: symbol invalid"),
    ("spot price step", {**SPOT_BUY, "price": "50000.01"}, 170134, "decimals"),
    ("spot price high", {**SPOT_BUY, "price": "99999999"}, 170132, "too high"),
    ("spot quantity step", {**SPOT_BUY, "qty": "0.0100001"}, 170137, "decimal too long"),
    ("spot quantity low", {**SPOT_BUY, "qty": "0.00001"}, 170136, "lower limit"),
    ("spot quantity high", {**SPOT_BUY, "qty": "84"}, 170341, "maximum limit"),
    ("spot value low", {**SPOT_BUY, "qty": "0.00005"}, 170140, "lower limit"),
    ("spot amount low", {**SPOT_BUY, **MARKET, "qty": "4"}, 170140, "lower limit"),
    ("spot balance", {**SPOT_BUY, "qty": "30"}, 170131, "Insufficient balance."),
    ("spot sell balance", {**SPOT_BUY, "side": "Sell", "qty": "11"}, 170131, "Insufficient"),
    ("spot market balance", {**SPOT_BUY, **MARKET, "qty": "2000000"}, 170131, "Insufficient"),
    ("linear price step", {**LINEAR_BUY, "price": "50000.05"}, 10001, "Price invalid"),
    ("linear price high", {**LINEAR_BUY, "price": "9999999"}, 110003, "allowable range"),
    ("linear quantity step", {**LINEAR_BUY, "qty": "0.0105"}, 10001, "Qty invalid"),
    ("linear quantity zero", {**LINEAR_BUY, "qty": "0"}, 10001, "minimum limit"),
    ("linear quantity high", {**LINEAR_BUY, "qty": "1191"}, 10001, "maximum limit"),
    ("linear value low", {**LINEAR_BUY, "price": "4000", "qty": "0.001"}, 110094, "5USDT"),
    ("linear balance", {**LINEAR_BUY, "price": "90000", "qty": "500"}, 110007, "ab not enough"),
    ("linear market balance", {**LINEAR_BUY, **MARKET, "qty": "500"}, 110007, "ab not enough"),
    ("inverse balance", {**INVERSE_BUY, "qty": "20000000"}, 110007, "ab not enough"),
    ("inverse quantity step", {**INVERSE_BUY, "qty": "1.5"}, 10001, "Qty invalid"),
    ("nothing to reduce", {**LINEAR_BUY, "reduceOnly": True}, 110017, "position is zero"),
    ("hedge slot", {**LINEAR_BUY, "positionIdx": 1}, 10001, "position idx not match"),
    ("no price", {**LINEAR, **BUY, "qty": "1"}, 10001, "price invalid"),
    (
        "no trigger direction",
        {**LINEAR_BUY, "triggerPrice": "60000"},
        10001,
        "triggerDirection",
    ),
    (
        "rising trigger below the market",
        {**LINEAR_BUY, "triggerPrice": "60000", "triggerDirection": 1},
        110092,
        "expect Rising",
    ),
    (
        "falling trigger above the market",
        {**LINEAR_BUY, "triggerPrice": "200000", "triggerDirection": 2},
        110093,
        "expect Falling",
    ),
    ("take profit below", {**LINEAR_BUY, "takeProfit": "40000"}, 10001, "should be higher"),
    ("stop loss above", {**LINEAR_BUY, "stopLoss": "55000"}, 10001, "should be lower"),
    ("link with spaces", {**LINEAR_BUY, "orderLinkId": "a b"}, 10001, "orderLinkId invalid"),
]


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.mark.parametrize(
    ("order", "code", "words"), [row[1:] for row in PLACED], ids=[row[0] for row in PLACED]
)
def test_a_bad_order_is_refused_and_leaves_no_trace(
    hand: Hand, order: dict[str, Any], code: int, words: str
) -> None:
    before = hand.world.dump()

    refusal = hand.refused("trade.place_order", **order)

    assert refusal[0] == code
    assert words in refusal[1]
    assert hand.world.accepted_orders() == []
    assert hand.world.dump() == before


def test_an_option_needs_an_order_link_id(hand: Hand) -> None:
    listed = hand.call("market.get_instruments_info", category="option")["list"]
    where = {"category": "option", "symbol": listed[0]["symbol"]}

    code, text = hand.refused("trade.place_order", **where, **BUY, price="100", qty="1")

    assert code == 10001
    assert "orderLinkId" in text


@pytest.mark.parametrize(("order", "code"), [(SPOT_BUY, 170141), (LINEAR_BUY, 110072)])
def test_an_order_link_id_is_used_once_for_ever(
    hand: Hand, order: dict[str, Any], code: int
) -> None:
    hand.call("trade.place_order", **order, orderLinkId="once")
    hand.call("trade.cancel_order", **order, orderLinkId="once")

    assert hand.refused("trade.place_order", **order, orderLinkId="once")[0] == code
    other = hand.world.open_account()
    assert hand.call("trade.place_order", other, **order, orderLinkId="once")["orderId"]


@pytest.mark.parametrize(
    ("where", "doing", "said"),
    [
        (SPOT, "cancel", (170213, "Order does not exist.")),
        (SPOT, "amend", (170213, "Order does not exist.")),
        (LINEAR, "cancel", (110001, "order not exists or too late to cancel")),
        (LINEAR, "amend", (110001, "order not exists or too late to replace")),
    ],
    ids=str,
)
def test_what_is_unknown_or_over_does_not_exist(
    hand: Hand, where: dict[str, str], doing: str, said: tuple[int, str]
) -> None:
    gone = hand.place(where, price="50000", qty="0.01")
    hand.call("trade.cancel_order", **where, orderId=gone)
    done = hand.place(where, orderType="Market", qty="1000" if where is SPOT else "0.01")

    asked = [
        {"orderId": "no-such"}, {"orderLinkId": "no-such"}, {"orderId": gone}, {"orderId": done},
    ]  # fmt: skip
    told = [hand.refused(f"trade.{doing}_order", **where, **who, qty="1") for who in asked]
    assert told == [said] * 4
    assert hand.refused(f"trade.{doing}_order", **where, qty="1")[0] == 10001


def test_another_accounts_order_does_not_exist(hand: Hand) -> None:
    mine = hand.place(SPOT, price="50000", qty="0.01")
    other = hand.world.open_account()

    assert hand.refused("trade.cancel_order", other, **SPOT, orderId=mine)[0] == 170213
    found = hand.call("trade.get_open_orders", other, category="spot", orderId=mine)
    assert found["list"] == []


@pytest.mark.parametrize(
    ("where", "change", "code"),
    [
        (SPOT, {"price": "50000"}, 10001),
        (SPOT, {"price": "50000.01"}, 170134),
        (SPOT, {"qty": "0.0000001"}, 170137),
        (SPOT, {"qty": "40"}, 170131),
        (LINEAR, {"qty": "0.0001"}, 10001),
        (LINEAR, {"qty": "1000"}, 110007),
    ],
)
def test_a_bad_change_leaves_the_order_as_it_was(
    hand: Hand, where: dict[str, str], change: dict[str, str], code: int
) -> None:
    order_id = hand.place(where, price="50000", qty="0.01")
    before = hand.order(where, order_id), hand.coin("USDT")

    assert hand.refused("trade.amend_order", **where, orderId=order_id, **change)[0] == code

    assert (hand.order(where, order_id), hand.coin("USDT")) == before


def test_a_quantity_cannot_shrink_below_what_is_filled(hand: Hand) -> None:
    price, size = hand.call("market.get_orderbook", **SPOT, limit="1")["a"][0]
    order_id = hand.place(SPOT, price=price, qty="5")

    code, _ = hand.refused("trade.amend_order", **SPOT, orderId=order_id, qty=size)

    assert code == 170313


def test_leverage_and_mode_say_when_nothing_changes(hand: Hand) -> None:
    five = {"buyLeverage": "5", "sellLeverage": "5"}
    hand.call("position.set_leverage", **LINEAR, **five)
    assert hand.refused("position.set_leverage", **LINEAR, **five)[0] == 110043
    high = {"buyLeverage": "101", "sellLeverage": "101"}
    assert hand.refused("position.set_leverage", **LINEAR, **high)[0] == 110013
    assert hand.refused("position.switch_position_mode", **LINEAR, mode=0)[0] == 110025

    hand.place(LINEAR, price="50000", qty="0.01")
    assert hand.refused("position.switch_position_mode", **LINEAR, mode=3)[0] == 110028
    hand.place(LINEAR, orderType="Market", qty="0.01")
    assert hand.refused("position.switch_position_mode", **LINEAR, mode=3)[0] == 110024


def test_leverage_decides_how_much_can_be_bought(hand: Hand) -> None:
    big = {**LINEAR_BUY, "qty": "300"}
    assert hand.refused("trade.place_order", **big)[0] == 110007

    hand.call("position.set_leverage", **LINEAR, buyLeverage="50", sellLeverage="50")

    assert hand.call("trade.place_order", **big)["orderId"]


def test_no_more_than_500_orders_wait(hand: Hand) -> None:
    for i in range(500):
        hand.place(LINEAR, price=str(40_000 + i), qty="0.001")

    assert hand.refused("trade.place_order", **LINEAR_BUY)[0] == 110020
    assert hand.refused("trade.place_order", **LINEAR_BUY)[0] == 110020
    assert hand.place(SPOT, price="50000", qty="0.01")

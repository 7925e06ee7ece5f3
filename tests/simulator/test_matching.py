"""How orders meet: the outside market, each other, time in force, triggers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from .world_hand import INVERSE, LINEAR, SPOT, Hand

TICK = Decimal("0.1")


@pytest.fixture
def hand() -> Hand:
    return Hand()


def between(hand: Hand, where: dict[str, str]) -> Decimal:
    """A price at which nobody of the outside market stands: there is none within the spread, so
    the level is first emptied."""
    _, ask = hand.best(where)
    size = hand.call("market.get_orderbook", **where, limit="1")["a"][0][1]
    hand.place(where, price=str(ask), qty=size)
    return ask


def test_a_far_order_waits_and_is_shown_in_the_book(hand: Hand) -> None:
    bid, _ = hand.best(SPOT)
    before = hand.call("market.get_orderbook", **SPOT, limit="5")["b"]
    hand.place(SPOT, price=str(bid), qty="0.5")

    after = hand.call("market.get_orderbook", **SPOT, limit="5")["b"]

    assert after[0][0] == before[0][0]
    assert Decimal(after[0][1]) == Decimal(before[0][1]) + Decimal("0.5")
    assert after[1:] == before[1:]


@pytest.mark.parametrize(("where", "more"), [(SPOT, "3"), (LINEAR, "30"), (INVERSE, "300000")])
def test_a_market_order_walks_the_book(hand: Hand, where: dict[str, str], more: str) -> None:
    levels = hand.call("market.get_orderbook", **where, limit="50")["a"]

    order_id = hand.place(
        where, orderType="Market", qty=more, **({"marketUnit": "baseCoin"} if where is SPOT else {})
    )

    deals = hand.deals(where)
    order = hand.order(where, order_id)
    assert order["orderStatus"] == "Filled"
    assert sum(Decimal(deal["execQty"]) for deal in deals) == Decimal(more)
    assert len(deals) > 1
    shown = {Decimal(price): Decimal(size) for price, size in levels}
    for deal in deals[:-1]:
        assert shown[Decimal(deal["execPrice"])] == Decimal(deal["execQty"])
    assert Decimal(order["cumExecValue"]) == sum(Decimal(deal["execValue"]) for deal in deals)
    assert Decimal(order["cumExecFee"]) == sum(Decimal(deal["execFee"]) for deal in deals)


def test_what_was_taken_is_gone_until_the_market_trades_again(hand: Hand) -> None:
    untouched = Hand()
    asked = {**SPOT, "limit": "5"}

    price = between(hand, SPOT)

    book = hand.call("market.get_orderbook", **asked)["a"]
    assert Decimal(book[0][0]) > price
    assert book[:4] == untouched.call("market.get_orderbook", **asked)["a"][1:]
    hand.wait(6)
    untouched.wait(6)
    renewed = hand.call("market.get_orderbook", **asked)
    assert renewed == untouched.call("market.get_orderbook", **asked)


def test_a_limit_order_takes_what_it_can_and_waits_for_the_rest(hand: Hand) -> None:
    price, size = hand.call("market.get_orderbook", **SPOT, limit="1")["a"][0]

    order_id = hand.place(SPOT, price=price, qty=str(Decimal(size) + 1))

    order = hand.order(SPOT, order_id)
    assert order["orderStatus"] == "PartiallyFilled"
    assert Decimal(order["cumExecQty"]) == Decimal(size)
    assert Decimal(order["leavesQty"]) == 1
    assert hand.best(SPOT)[0] == Decimal(price)


def test_ioc_cancels_the_rest_and_fok_all(hand: Hand) -> None:
    price, size = hand.call("market.get_orderbook", **LINEAR, limit="1")["a"][0]
    more = str(Decimal(size) + 1)

    fok = hand.order(LINEAR, hand.place(LINEAR, price=price, qty=more, timeInForce="FOK"))
    ioc = hand.order(LINEAR, hand.place(LINEAR, price=price, qty=more, timeInForce="IOC"))

    assert (fok["orderStatus"], Decimal(fok["cumExecQty"])) == ("Cancelled", 0)
    assert (ioc["orderStatus"], Decimal(ioc["cumExecQty"])) == ("Cancelled", Decimal(size))
    assert Decimal(ioc["leavesQty"]) == 0


def test_a_fok_that_fits_is_filled(hand: Hand) -> None:
    levels = hand.call("market.get_orderbook", **LINEAR, limit="3")["a"]
    qty = sum(Decimal(size) for _, size in levels)

    order_id = hand.place(LINEAR, price=levels[-1][0], qty=str(qty), timeInForce="FOK")

    assert hand.order(LINEAR, order_id)["orderStatus"] == "Filled"


def test_post_only_that_would_take_is_accepted_and_cancelled(hand: Hand) -> None:
    _, ask = hand.best(LINEAR)

    order_id = hand.place(LINEAR, price=str(ask), qty="0.1", timeInForce="PostOnly")

    order = hand.order(LINEAR, order_id)
    assert order["orderStatus"] == "Cancelled"
    assert order["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"
    assert hand.deals(LINEAR) == []


def test_post_only_below_the_market_waits(hand: Hand) -> None:
    bid, _ = hand.best(LINEAR)

    order_id = hand.place(LINEAR, price=str(bid), qty="0.1", timeInForce="PostOnly")

    assert hand.order(LINEAR, order_id)["orderStatus"] == "New"


def test_accounts_meet_each_other_first_come_first_served(hand: Hand) -> None:
    early, late, taker = (hand.world.open_account() for _ in range(3))
    bid, _ = hand.best(LINEAR)
    price = str(bid)
    first = hand.place(LINEAR, early, price=price, qty="0.2")
    second = hand.place(LINEAR, late, price=price, qty="0.2")

    hand.place(LINEAR, taker, side="Sell", orderType="Market", qty="0.3")

    assert hand.order(LINEAR, first, early)["orderStatus"] == "Filled"
    assert hand.order(LINEAR, second, late)["orderStatus"] == "PartiallyFilled"
    assert hand.position(LINEAR, early)["size"] == "0.200"
    assert hand.position(LINEAR, late)["size"] == "0.100"
    assert hand.position(LINEAR, taker)["side"] == "Sell"
    (deal,) = hand.deals(LINEAR, early)
    assert (deal["isMaker"], deal["feeRate"]) == (True, "0.0002")
    assert {d["isMaker"] for d in hand.deals(LINEAR, taker)} == {False}


def test_the_better_price_comes_before_the_older_order(hand: Hand) -> None:
    old, new = hand.world.open_account(), hand.world.open_account()
    bid, _ = hand.best(SPOT)
    waits = hand.place(SPOT, old, price=str(bid - TICK), qty="0.1")
    better = hand.place(SPOT, new, price=str(bid), qty="0.1")

    hand.place(SPOT, side="Sell", price=str(bid - TICK), qty="0.1")

    assert hand.order(SPOT, better, new)["orderStatus"] == "Filled"
    assert hand.order(SPOT, waits, old)["orderStatus"] == "New"


def test_a_smaller_quantity_keeps_its_place_a_new_price_does_not(hand: Hand) -> None:
    first, second = hand.world.open_account(), hand.world.open_account()
    bid, _ = hand.best(SPOT)
    price = str(bid)
    shrunk = hand.place(SPOT, first, price=price, qty="0.2")
    other = hand.place(SPOT, second, price=price, qty="0.2")
    hand.call("trade.amend_order", first, **SPOT, orderId=shrunk, qty="0.1")

    hand.place(SPOT, side="Sell", price=price, qty="0.1")
    assert hand.order(SPOT, shrunk, first)["orderStatus"] == "Filled"

    moved = hand.place(SPOT, first, price=price, qty="0.2")
    hand.call("trade.amend_order", second, **SPOT, orderId=other, qty="0.3")  # now behind
    hand.place(SPOT, side="Sell", price=price, qty="0.2")
    assert hand.order(SPOT, moved, first)["orderStatus"] == "Filled"
    assert hand.order(SPOT, other, second)["orderStatus"] == "New"


def test_a_resting_order_is_filled_when_the_market_comes_to_it(hand: Hand) -> None:
    bid, _ = hand.best(SPOT)
    order_id = hand.place(SPOT, price=str(bid - 20), qty="0.1")
    assert hand.order(SPOT, order_id)["orderStatus"] == "New"

    hand.wait(24 * 3600)

    order = hand.order(SPOT, order_id)
    low = hand.call("market.get_kline", **SPOT, interval="D", limit="2")["list"]
    touched = min(Decimal(row[3]) for row in low) <= bid - 20
    assert (order["orderStatus"] == "Filled") == touched
    if touched:
        deals = hand.deals(SPOT)
        assert {deal["isMaker"] for deal in deals} == {True}
        assert {Decimal(deal["execPrice"]) for deal in deals} == {bid - 20}


def test_fills_come_at_the_moment_the_market_was_there(hand: Hand) -> None:
    bid, _ = hand.best(LINEAR)
    order_id = hand.place(LINEAR, price=str(bid - 30), qty="0.1")
    start = hand.now_ms
    hand.wait(6 * 3600)

    order = hand.order(LINEAR, order_id)

    assert order["orderStatus"] == "Filled"
    at = int(hand.deals(LINEAR)[-1]["execTime"])
    rows = hand.call(
        "market.get_kline", **LINEAR, interval="1", start=str(start), end=str(at), limit="1000"
    )["list"]
    assert Decimal(rows[0][3]) <= bid - 30
    assert all(Decimal(row[3]) >= bid - 30 for row in rows[1:-1])


def test_how_often_time_is_looked_at_changes_nothing() -> None:
    def story(step: float) -> list[Any]:
        hand = Hand(seed=5)
        other = hand.world.open_account()
        for offset in (5, 15, 40, 120):
            bid, ask = hand.best(LINEAR)
            hand.place(LINEAR, price=str(bid - offset), qty="0.4")
            hand.place(LINEAR, other, side="Sell", price=str(ask + offset), qty="0.3")
            hand.place(SPOT, price=str(bid - offset), qty="0.2")
        hand.place(
            LINEAR,
            side="Sell",
            orderType="Market",
            qty="0.1",
            triggerPrice=str(bid - 60),
            triggerDirection=2,
        )
        for _ in range(int(1800 / step)):
            hand.wait(step)
        return [
            hand.world.accepted_orders(),
            hand.deals(LINEAR),
            hand.deals(SPOT),
            hand.deals(LINEAR, other),
            hand.totals(),
        ]

    assert story(1800) == story(1.5)


@pytest.mark.parametrize(
    ("smp", "maker", "taker"),
    [
        ("CancelMaker", "Cancelled", "New"),
        ("CancelTaker", "New", "Cancelled"),
        ("CancelBoth", "Cancelled", "Cancelled"),
    ],
)
def test_an_account_does_not_meet_itself_when_it_says_so(
    hand: Hand, smp: str, maker: str, taker: str
) -> None:
    price = between(hand, LINEAR)
    rests = hand.place(LINEAR, price=str(price), qty="0.1")
    assert hand.order(LINEAR, rests)["orderStatus"] == "New"

    crosses = hand.place(LINEAR, side="Sell", price=str(price), qty="0.1", smpType=smp)

    assert hand.order(LINEAR, rests)["orderStatus"] == maker
    assert hand.order(LINEAR, crosses)["orderStatus"] == taker


def test_reduce_only_never_turns_a_position_round(hand: Hand) -> None:
    hand.place(LINEAR, orderType="Market", qty="0.5")
    _, ask = hand.best(LINEAR)
    rests = hand.place(LINEAR, side="Sell", price=str(ask + 500), qty="0.5", reduceOnly=True)

    hand.place(LINEAR, side="Sell", orderType="Market", qty="0.3")
    assert Decimal(hand.order(LINEAR, rests)["leavesQty"]) == Decimal("0.2")

    hand.place(LINEAR, side="Sell", orderType="Market", qty="9", reduceOnly=True)

    assert hand.position(LINEAR)["size"] == "0"
    order = hand.order(LINEAR, rests)
    assert (order["orderStatus"], order["cancelType"]) == ("Cancelled", "CancelByReduceOnly")


def test_a_conditional_order_fires_at_its_trigger(hand: Hand) -> None:
    bid, _ = hand.best(LINEAR)
    trigger = bid - 25
    order_id = hand.place(
        LINEAR,
        side="Sell",
        orderType="Market",
        qty="0.2",
        triggerPrice=str(trigger),
        triggerDirection=2,
    )
    assert hand.order(LINEAR, order_id)["orderStatus"] == "Untriggered"

    hand.wait(6 * 3600)

    assert hand.order(LINEAR, order_id)["orderStatus"] == "Filled"
    assert all(Decimal(deal["execPrice"]) <= trigger for deal in hand.deals(LINEAR))


def test_take_profit_and_stop_loss_follow_the_position(hand: Hand) -> None:
    bid, _ = hand.best(LINEAR)
    hand.place(
        LINEAR,
        orderType="Market",
        qty="0.2",
        takeProfit=str(bid + 5000),
        stopLoss=str(bid - 40),
    )
    stops = hand.call("trade.get_open_orders", **LINEAR)["list"]
    assert {stop["stopOrderType"] for stop in stops} == {"TakeProfit", "StopLoss"}

    hand.wait(6 * 3600)

    assert hand.position(LINEAR)["size"] == "0"
    done = {stop["stopOrderType"]: hand.order(LINEAR, stop["orderId"]) for stop in stops}
    assert done["StopLoss"]["orderStatus"] == "Filled"
    assert done["TakeProfit"]["orderStatus"] == "Deactivated"
    assert len(hand.world.accepted_orders()) == 1  # the exchange's own orders are not the user's


@pytest.mark.parametrize("orderType", ["Market", "Limit"])
def test_a_spot_buy_brings_its_own_pair_of_stops(hand: Hand, orderType: str) -> None:
    bid, ask = hand.best(SPOT)
    qty = "10000" if orderType == "Market" else "0.1"
    hand.place(
        SPOT,
        orderType=orderType,
        qty=qty,
        price=str(ask + 5),
        takeProfit=str(bid + 5000),
        stopLoss=str(bid - 40),
    )
    stops = hand.call("trade.get_open_orders", **SPOT)["list"]
    assert {stop["createType"] for stop in stops} == {"CreateByTakeProfit", "CreateByStopLoss"}
    assert hand.coin("BTC")["locked"] == "0"

    hand.wait(6 * 3600)

    done = {stop["createType"]: hand.order(SPOT, stop["orderId"]) for stop in stops}
    assert done["CreateByStopLoss"]["orderStatus"] == "Filled"
    assert done["CreateByTakeProfit"]["orderStatus"] == "Cancelled"
    assert hand.balance("BTC") - 10 < Decimal("0.000001")


def test_trading_stop_sets_moves_and_clears(hand: Hand) -> None:
    bid, _ = hand.best(LINEAR)
    hand.place(LINEAR, orderType="Market", qty="0.2")
    asked = {**LINEAR, "tpslMode": "Full", "positionIdx": 0}
    hand.call("position.set_trading_stop", **asked, takeProfit=str(bid + 4000))
    hand.call("position.set_trading_stop", **asked, takeProfit=str(bid + 5000))
    assert Decimal(hand.position(LINEAR)["takeProfit"]) == bid + 5000
    assert len(hand.call("trade.get_open_orders", **LINEAR)["list"]) == 1

    hand.call("position.set_trading_stop", **asked, takeProfit="0")

    assert hand.position(LINEAR)["takeProfit"] == ""
    assert hand.call("trade.get_open_orders", **LINEAR)["list"] == []
    code, _ = hand.refused("position.set_trading_stop", **asked, takeProfit="0")
    assert code == 34040


def test_an_amended_price_that_crosses_is_filled(hand: Hand) -> None:
    bid, ask = hand.best(SPOT)
    order_id = hand.place(SPOT, price=str(bid - 100), qty="0.05")

    hand.call("trade.amend_order", **SPOT, orderId=order_id, price=str(ask + 5))

    order = hand.order(SPOT, order_id)
    assert order["orderStatus"] == "Filled"
    assert Decimal(order["avgPrice"]) <= ask + 5


def test_a_trigger_can_be_moved_ahead_of_the_market_only(hand: Hand) -> None:
    bid, _ = hand.best(LINEAR)
    order_id = hand.place(
        LINEAR, price=str(bid), qty="0.1", triggerPrice=str(bid + 900), triggerDirection=1
    )
    asked = {**LINEAR, "orderId": order_id}

    assert hand.refused("trade.amend_order", **asked, triggerPrice=str(bid - 5))[0] == 110092
    hand.call("trade.amend_order", **asked, triggerPrice=str(bid + 10))
    hand.wait(24 * 3600)

    assert hand.order(LINEAR, order_id)["orderStatus"] == "Filled"


def test_a_spot_order_cancelled_after_a_part_says_so(hand: Hand) -> None:
    price, size = hand.call("market.get_orderbook", **SPOT, limit="1")["a"][0]
    order_id = hand.place(SPOT, price=price, qty=str(Decimal(size) + 1))

    hand.call("trade.cancel_order", **SPOT, orderId=order_id)

    order = hand.order(SPOT, order_id)
    assert order["orderStatus"] == "PartiallyFilledCanceled"
    assert order["cancelType"] == "CancelByUser"
    assert hand.coin("USDT")["locked"] == "0"


def test_a_trailing_stop_is_refused_not_forgotten(hand: Hand) -> None:
    hand.place(LINEAR, orderType="Market", qty="0.2")

    code, text = hand.refused(
        "position.set_trading_stop", **LINEAR, tpslMode="Full", positionIdx=0, trailingStop="50"
    )

    assert code == 10001
    assert "trailingStop" in text


def test_cancel_all_takes_only_what_was_named(hand: Hand) -> None:
    bid, _ = hand.best(SPOT)
    mine = [hand.place(SPOT, price=str(bid - 100 - i), qty="0.01") for i in range(3)]
    eth = {"category": "spot", "symbol": "ETHUSDT"}
    other = hand.place(eth, price="1000", qty="0.1")

    done = hand.call("trade.cancel_all_orders", **SPOT)

    assert [row["orderId"] for row in done["list"]] == mine
    assert done["success"] == "1"
    assert hand.order(eth, other)["orderStatus"] == "New"
    assert hand.coin("USDT")["locked"] == "100"


def test_a_batch_tells_each_fate(hand: Hand) -> None:
    good = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "price": "50000"}
    answer = hand.world.handle(
        "trade.place_batch_order",
        hand.account,
        {
            "category": "spot",
            "request": [
                {**good, "qty": "0.01", "orderLinkId": "one"},
                {**good, "qty": "0.00000001", "orderLinkId": "two"},
                {**good, "qty": "0.01", "orderLinkId": "one"},
            ],
        },
    )

    rows, notes = answer.result["list"], answer.ext_info["list"]
    assert [note["code"] for note in notes] == [0, 170137, 170141]
    assert [bool(row["orderId"]) for row in rows] == [True, False, False]
    assert [row["orderLinkId"] for row in rows] == ["one", "two", "one"]
    assert len(hand.world.accepted_orders()) == 1

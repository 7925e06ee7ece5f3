"""Every coin that somebody has, somebody else has given."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bybit_sync.simulator.refusal import Refusal
from bybit_sync.simulator.world import Account, World

from .world_hand import INVERSE, LINEAR, SPOT, Hand

START = {"USDT": Decimal(1_000_000), "BTC": Decimal(10)}


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_a_spot_buy_costs_what_its_deals_say(hand: Hand) -> None:
    hand.place(SPOT, orderType="Market", qty="50000")

    deals = hand.deals(SPOT)
    paid = sum(Decimal(deal["execPrice"]) * Decimal(deal["execQty"]) for deal in deals)
    got = sum(Decimal(deal["execQty"]) for deal in deals)
    fee = sum(Decimal(deal["execFee"]) for deal in deals)
    assert Decimal(49_900) < paid <= 50_000
    assert {deal["feeCurrency"] for deal in deals} == {"BTC"}
    assert fee == sum(round(Decimal(deal["execQty"]) * Decimal("0.001"), 8) for deal in deals)
    assert hand.balance("USDT") == START["USDT"] - paid
    assert hand.balance("BTC") == START["BTC"] + got - fee


def test_a_spot_order_holds_back_what_it_may_spend(hand: Hand) -> None:
    order_id = hand.place(SPOT, price="50000", qty="0.5")
    hand.place(SPOT, side="Sell", price="200000", qty="1.5")
    assert (hand.coin("USDT")["locked"], hand.coin("BTC")["locked"]) == ("25000", "1.5")

    hand.call("trade.amend_order", **SPOT, orderId=order_id, qty="0.2")
    assert hand.coin("USDT")["locked"] == "10000"

    hand.call("trade.cancel_all_orders", **SPOT)
    assert (hand.coin("USDT")["locked"], hand.coin("BTC")["locked"]) == ("0", "0")
    assert hand.balance("USDT") == START["USDT"]


@pytest.mark.parametrize("side", ["Buy", "Sell"])
def test_a_linear_round_trip_earns_the_difference_less_fees(hand: Hand, side: str) -> None:
    back = "Sell" if side == "Buy" else "Buy"
    hand.place(LINEAR, side=side, orderType="Market", qty="2")
    hand.wait(3600)
    hand.place(LINEAR, side=back, orderType="Market", qty="2")

    deals = hand.deals(LINEAR)
    flow = sum(Decimal(deal["execValue"]) * (1 if deal["side"] == "Sell" else -1) for deal in deals)
    fees = sum(Decimal(deal["execFee"]) for deal in deals)
    (closed,) = hand.call("position.get_closed_pnl", **LINEAR)["list"]
    assert hand.balance("USDT") == START["USDT"] + flow - fees
    assert Decimal(closed["closedPnl"]) == flow - fees
    assert Decimal(hand.coin("USDT")["cumRealisedPnl"]) == flow - fees
    assert hand.position(LINEAR)["size"] == "0"


def test_an_inverse_round_trip_earns_in_coin(hand: Hand) -> None:
    hand.place(INVERSE, orderType="Market", qty="9000")
    hand.wait(3600)
    hand.place(INVERSE, side="Sell", orderType="Market", qty="9000")

    deals = hand.deals(INVERSE)
    flow = sum(Decimal(deal["execValue"]) * (1 if deal["side"] == "Buy" else -1) for deal in deals)
    fees = sum(Decimal(deal["execFee"]) for deal in deals)
    assert hand.balance("BTC") == START["BTC"] + flow - fees


def test_the_average_price_is_that_of_the_deals(hand: Hand) -> None:
    hand.place(LINEAR, orderType="Market", qty="1")
    hand.wait(900)
    hand.place(LINEAR, orderType="Market", qty="3")

    deals = hand.deals(LINEAR)
    value = sum(Decimal(deal["execValue"]) for deal in deals)
    row = hand.position(LINEAR)
    assert Decimal(row["positionValue"]) == value
    assert abs(Decimal(row["avgPrice"]) - value / 4) < Decimal("0.00000001")
    mark = Decimal(row["markPrice"])
    assert Decimal(row["unrealisedPnl"]) == 4 * mark - value


def test_closing_a_part_keeps_the_average(hand: Hand) -> None:
    hand.place(LINEAR, orderType="Market", qty="3")
    before = Decimal(hand.position(LINEAR)["avgPrice"])

    hand.place(LINEAR, side="Sell", orderType="Market", qty="1")

    after = Decimal(hand.position(LINEAR)["avgPrice"])
    assert abs(after - before) < Decimal("0.0000001")


def test_an_option_is_paid_for_at_once(hand: Hand) -> None:
    listed = hand.call("market.get_instruments_info", category="option")["list"]
    where = {"category": "option", "symbol": listed[0]["symbol"]}
    hand.place(where, orderType="Market", qty="1", orderLinkId="call")

    deals = hand.deals(where)
    premium = sum(Decimal(deal["execValue"]) for deal in deals)
    fees = sum(Decimal(deal["execFee"]) for deal in deals)
    assert premium > 0
    assert hand.balance("USDT") == START["USDT"] - premium - fees


def test_an_option_is_settled_at_its_delivery(hand: Hand) -> None:
    listed = hand.call("market.get_instruments_info", category="option")["list"]
    soonest = min(int(row["deliveryTime"]) for row in listed)
    for row in (row for row in listed if int(row["deliveryTime"]) == soonest):
        where = {"category": "option", "symbol": row["symbol"]}
        hand.place(where, orderType="Market", qty="1", orderLinkId=row["symbol"][-20:])
    before = hand.balance("USDT")

    hand.now_ms = soonest
    hand.world.tick()

    log = hand.call("account.get_transaction_log", type="DELIVERY")["list"]
    index = Decimal(hand.call("market.get_tickers", **SPOT)["list"][0]["usdIndexPrice"])
    worth = Decimal(0)
    for row in log:
        strike = Decimal(row["symbol"].split("-")[2])
        gain = index - strike if "-C-" in row["symbol"] else strike - index
        worth += max(gain, Decimal(0))
    assert len(log) == 6
    assert worth > 0
    assert hand.balance("USDT") == before + worth
    assert hand.totals()["USDT"] == 0


def test_funding_moves_from_longs_to_shorts(hand: Hand) -> None:
    short = hand.world.open_account()
    hand.place(LINEAR, orderType="Market", qty="1")
    hand.place(LINEAR, short, side="Sell", orderType="Market", qty="1")
    before = hand.balance("USDT"), hand.balance("USDT", short)

    hand.wait(8 * 3600)

    (paid,) = hand.call("account.get_transaction_log", type="SETTLEMENT")["list"]
    change = Decimal(paid["change"])
    assert change == -round(Decimal(paid["tradePrice"]) * Decimal(paid["feeRate"]), 8)
    assert hand.balance("USDT") == before[0] + change
    assert hand.balance("USDT", short) == before[1] - change


def test_two_accounts_that_deal_leave_the_house_as_it_was(hand: Hand) -> None:
    maker, taker = hand.world.open_account(), hand.world.open_account()
    bid, _ = hand.best(SPOT)
    house = dict(hand.world.wallets()["1"])
    hand.place(SPOT, maker, price=str(bid), qty="0.7")

    hand.place(SPOT, taker, side="Sell", price=str(bid), qty="0.7")

    assert hand.world.wallets()["1"] == house
    value = bid * Decimal("0.7")
    assert hand.balance("USDT", maker) == START["USDT"] - value
    assert hand.balance("BTC", maker) == START["BTC"] + Decimal("0.6993")
    assert hand.balance("BTC", taker) == START["BTC"] - Decimal("0.7")
    assert hand.balance("USDT", taker) == START["USDT"] + value * Decimal("0.999")


def test_the_transaction_log_adds_up_to_the_wallet(hand: Hand) -> None:
    hand.place(SPOT, orderType="Market", qty="1000")
    hand.place(LINEAR, orderType="Market", qty="1")
    hand.place(LINEAR, side="Sell", orderType="Market", qty="2")

    for coin in ("USDT", "BTC"):
        rows = hand.call("account.get_transaction_log", currency=coin, limit="50")["list"]
        assert sum(Decimal(row["change"]) for row in rows) == hand.balance(coin) - START[coin]
        assert Decimal(rows[0]["cashBalance"]) == hand.balance(coin)


# A flow is long and plays slowly: shrinking one that fails would outlast any patience.
FLOW = settings(deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
SIDES = st.sampled_from(["Buy", "Sell"])
STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "who": st.integers(0, 2),
            "what": st.sampled_from(
                ["place"] * 7
                + ["amend", "amend", "cancel", "cancel_all", "wait", "lever", "stop", "switch"]
            ),
            "where": st.sampled_from(["spot", "linear", "linear", "inverse", "option"]),
            "side": SIDES,
            "slot": st.integers(1, 2),
            "market": st.sampled_from([False, False, True]),
            "qty": st.integers(1, 400),
            "offset": st.integers(-60, 60),
            "tif": st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK", "PostOnly"]),
            "reduce": st.sampled_from([False, False, False, True]),
            "trigger": st.sampled_from([0, 0, 0, 0, 15, -15]),
            "stops": st.booleans(),
            "smp": st.sampled_from(["None", "None", "CancelMaker", "CancelTaker", "CancelBoth"]),
            "pick": st.integers(0, 50),
            "seconds": st.sampled_from([1, 3, 20, 200, 4000, 40_000]),
        }
    ),
    min_size=20,
    max_size=60,
)


class Flow:
    """Plays steps on a world; refusals are part of life."""

    def __init__(self, seed: int) -> None:
        self.hand = Hand(seed)
        rich = {"USDT": "500000", "BTC": "5"}
        self.accounts = [self.hand.world.open_account(rich) for _ in range(2)]
        self.accounts.append(self.hand.world.open_account({"USDT": "3000", "BTC": "0.02"}))
        # One account starts in hedge mode; any may switch while it has nothing open.
        self.hand.call("position.switch_position_mode", self.accounts[1], **LINEAR, mode=3)
        options = self.hand.call("market.get_instruments_info", category="option")["list"]
        self.where = {
            "spot": SPOT,
            "linear": LINEAR,
            "inverse": INVERSE,
            "option": {"category": "option", "symbol": options[2]["symbol"]},
        }
        self.links = 0
        self.accepted: list[str] = []
        self.answers: list[Any] = []

    def play(self, step: dict[str, Any]) -> None:
        account, where = self.accounts[step["who"]], self.where[step["where"]]
        act: Callable[[dict[str, Any], Account, dict[str, str]], Any] = getattr(self, step["what"])
        try:
            self.answers.append(act(step, account, where))
        except Refusal as refusal:
            self.answers.append((refusal.ret_code, refusal.ret_msg))

    def place(self, step: dict[str, Any], account: Account, where: dict[str, str]) -> Any:
        tick = Decimal(5) if where["category"] == "option" else Decimal("0.1")
        bid, _ = self.hand.best(where)
        price = max(bid + step["offset"] * tick * 3, tick)
        self.links += 1
        order = {
            "side": step["side"],
            "orderType": "Market" if step["market"] else "Limit",
            "qty": self.qty(step, where),
            "price": str(price),
            "timeInForce": step["tif"],
            "reduceOnly": step["reduce"],
            "smpType": step["smp"],
            "orderLinkId": f"link-{self.links}",
            "positionIdx": self.slot(step, account, where),
        }
        if step["trigger"] and where["category"] != "option":
            order["triggerPrice"] = str(bid + step["trigger"])
            order["triggerDirection"] = 1 if step["trigger"] > 0 else 2
        if step["stops"] and where["category"] != "option":
            sign = 1 if step["side"] == "Buy" else -1
            order["takeProfit"] = str(price + sign * 30)
            order["stopLoss"] = str(price - sign * 30)
        order_id = self.hand.place(where, account, **order)
        self.accepted.append(order_id)
        return order_id

    @staticmethod
    def slot(step: dict[str, Any], account: Account, where: dict[str, str]) -> int:
        is_hedged = (where["category"], where["symbol"]) in account.hedged
        return int(step["slot"]) if is_hedged else 0

    @staticmethod
    def qty(step: dict[str, Any], where: dict[str, str]) -> str:
        if where["category"] == "inverse":
            return str(step["qty"] * 20)
        if where["category"] == "spot" and step["market"] and step["side"] == "Buy":
            return str(step["qty"] * 10)
        return str(Decimal(step["qty"]) / 100)

    def some_order(self, step: dict[str, Any], account: Account, where: dict[str, str]) -> str:
        mine = self.hand.call("trade.get_open_orders", account, **where)["list"]
        return str(mine[step["pick"] % len(mine)]["orderId"]) if mine else "none"

    def amend(self, step: dict[str, Any], account: Account, where: dict[str, str]) -> Any:
        tick = Decimal(5) if where["category"] == "option" else Decimal("0.1")
        price = max(self.hand.best(where)[0] + step["offset"] * tick, tick)
        order_id = self.some_order(step, account, where)
        change = {"qty": self.qty({**step, "market": False}, where), "price": str(price)}
        return self.hand.call("trade.amend_order", account, **where, orderId=order_id, **change)

    def cancel(self, step: dict[str, Any], account: Account, where: dict[str, str]) -> Any:
        order_id = self.some_order(step, account, where)
        return self.hand.call("trade.cancel_order", account, **where, orderId=order_id)

    def cancel_all(self, step: dict[str, Any], account: Account, where: dict[str, str]) -> Any:
        return self.hand.call("trade.cancel_all_orders", account, **where)

    def wait(self, step: dict[str, Any], account: Account, where: dict[str, str]) -> Any:
        self.hand.wait(step["seconds"])

    def lever(self, step: dict[str, Any], account: Account, where: dict[str, str]) -> Any:
        leverage = str(1 + step["pick"])
        both = {"buyLeverage": leverage, "sellLeverage": leverage}
        return self.hand.call("position.set_leverage", account, **where, **both)

    def stop(self, step: dict[str, Any], account: Account, where: dict[str, str]) -> Any:
        price = self.hand.best(where)[0] + step["offset"]
        slot = self.slot(step, account, where)
        asked = {"tpslMode": "Full", "positionIdx": slot, "stopLoss": str(price)}
        return self.hand.call("position.set_trading_stop", account, **where, **asked)

    def switch(self, step: dict[str, Any], account: Account, where: dict[str, str]) -> Any:
        mode = 3 if step["slot"] == 1 else 0
        return self.hand.call("position.switch_position_mode", account, **LINEAR, mode=mode)

    def check(self) -> None:
        assert set(self.hand.totals().values()) == {Decimal(0)}
        assert [row["orderId"] for row in self.hand.world.accepted_orders()] == self.accepted
        for account in self.accounts:
            self.check_wallet(account)
            self.check_orders(account)
        self.check_positions()

    def check_wallet(self, account: Account) -> None:
        """The log tells all that has ever happened to the wallet, and spot coins do not run out."""
        for coin in ("USDT", "BTC"):
            changes = [Decimal(row["change"]) for row in account.log if row["currency"] == coin]
            start = {"USDT": "500000", "BTC": "5"}
            if account is self.accounts[2]:
                start = {"USDT": "3000", "BTC": "0.02"}
            assert account.balance(coin) == Decimal(start[coin]) + sum(changes)
            assert account.locked.get(coin, 0) >= 0

    def check_orders(self, account: Account) -> None:
        """Orders and deals tell the same, and what is held back is what open orders need."""
        locked = {"USDT": Decimal(0), "BTC": Decimal(0)}
        for order in account.history:
            deals = [deal for deal in account.executions if deal["orderId"] == order.orderId]
            assert order.filled == sum(Decimal(deal["execQty"]) for deal in deals)
            assert order.value == sum(Decimal(deal["execValue"]) for deal in deals)
            assert order.fee == sum(Decimal(deal["execFee"]) for deal in deals)
            if not order.by_amount:
                assert order.filled <= order.qty
                assert (order.status == "Filled") == (order.filled == order.qty)
            is_held = order.status in ("New", "PartiallyFilled") or (
                order.kind == "tpslOrder" and order.createType == "CreateByUser"
            )
            if order.category == "spot" and order.is_live and is_held:
                coin = "USDT" if order.is_buy else "BTC"
                worth = order.leaves * order.price if order.is_buy else order.leaves
                locked[coin] += order.qty if order.by_amount else worth
            known = order.orderId in account.live_orders(order.key)
            assert known == order.is_live
        assert {coin: account.locked.get(coin, Decimal(0)) for coin in locked} == locked

    def check_positions(self) -> None:
        """Sizes are the sums of the deals; what one holds long another holds short."""
        house = self.hand.world.account("1")
        for name in ("linear", "inverse", "option"):
            where = self.where[name]
            key = where["category"], where["symbol"]
            sizes = Decimal(0)
            for account in (*self.accounts, self.hand.account):
                dealt = sum(
                    Decimal(deal["execQty"]) * (1 if deal["side"] == "Buy" else -1)
                    for deal in account.executions
                    if (deal["category"], deal["symbol"]) == key
                )
                one_way, long, short = (account.size((*key, idx)) for idx in (0, 1, 2))
                assert long >= 0 >= short
                assert key in account.hedged or not (long or short)
                assert key not in account.hedged or not one_way
                held = one_way + long + short
                delivered = any(row["type"] == "DELIVERY" for row in account.log)
                assert held == dealt or (name == "option" and delivered)
                sizes += held
            assert sizes + house.size((*key, 0)) == 0


@settings(FLOW, max_examples=40)
@given(st.integers(0, 999), STEPS)
def test_nothing_is_made_or_lost_in_any_flow_of_orders(
    seed: int, steps: list[dict[str, Any]]
) -> None:
    flow = Flow(seed)
    for step in steps:
        flow.play(step)
        assert set(flow.hand.totals().values()) == {Decimal(0)}
    flow.check()


@settings(FLOW, max_examples=10)
@given(st.integers(0, 999), STEPS, st.integers(0, 40))
def test_a_saved_world_goes_on_as_if_it_had_never_stopped(
    seed: int, steps: list[dict[str, Any]], cut: int
) -> None:
    straight, stopped = Flow(seed), Flow(seed)
    for step in steps[:cut]:
        straight.play(step)
        stopped.play(step)

    state = json.loads(json.dumps(stopped.hand.world.dump()))
    hand = stopped.hand
    hand.world = World.load(state, now_ms=lambda: hand.now_ms)
    stopped.accounts = [hand.world.account(account.uid) for account in stopped.accounts]
    hand.account = hand.world.account(hand.account.uid)
    for step in steps[cut:]:
        straight.play(step)
        stopped.play(step)

    assert stopped.answers == straight.answers
    assert hand.world.dump() == straight.hand.world.dump()
    stopped.check()


@settings(FLOW, max_examples=10)
@given(st.integers(0, 999), STEPS)
def test_the_same_seed_and_calls_give_the_same_answers(
    seed: int, steps: list[dict[str, Any]]
) -> None:
    one, two = Flow(seed), Flow(seed)
    for step in steps:
        one.play(step)
        two.play(step)

    assert one.answers == two.answers
    assert one.hand.world.dump() == two.hand.world.dump()

"""From a request to an order: every check that can refuse one before it exists."""

from __future__ import annotations

import re
from decimal import Decimal

from ..answer import MAY_REPEAT, Params, decimal, flag, number, text
from ..market.instruments import Instrument
from ..market.tape import Tape
from ..refusal import bad_params, unknown_symbol
from . import refusals
from .account import Account
from .floor import Floor
from .money import ZERO, is_multiple
from .order import Order

MOST_OPEN = 500
_LINK = re.compile(r"[A-Za-z0-9_-]{1,45}")


class Intake:
    """Reads order requests against an instrument's filters and the account's state."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def tape(self, params: Params) -> Tape:
        """The instrument of a request.

        Raises:
            Refusal: it is not listed.
        """
        found = self._floor.listed.tape(
            text(params, "category"), text(params, "symbol"), self._floor.now_ms
        )
        if found is None:
            raise unknown_symbol()
        return found

    def read(self, account: Account, params: Params) -> Order:
        """A new order that passes all filters; it has no number and is in no index yet.

        Raises:
            Refusal: what is wrong first.
        """
        tape = self.tape(params)
        it = tape.instrument
        order = self._shape(account, params, tape)
        self._check_link(account, it, order, may_repeat=flag(params, MAY_REPEAT))
        if len(account.live_orders(it.key)) >= MOST_OPEN:
            raise refusals.too_many(it.is_spot)
        if not it.is_spot:
            self._check_slot(account, it, order)
        self.check_prices(tape, order)
        self.check_qty(tape, order)
        self.check_trigger(tape, order)
        return order

    def _shape(self, account: Account, params: Params, tape: Tape) -> Order:
        it, now = tape.instrument, self._floor.now_ms
        side, kind = text(params, "side"), text(params, "orderType")
        if side not in ("Buy", "Sell"):
            raise bad_params("params error: side invalid")
        if kind not in ("Limit", "Market"):
            raise bad_params("params error: orderType invalid")
        price = (decimal(params, "price") or ZERO) if kind == "Limit" else ZERO
        if kind == "Limit" and not price:
            raise bad_params("params error: price invalid")
        trigger = decimal(params, "triggerPrice") or ZERO
        unit = text(params, "marketUnit")
        by_amount = it.is_spot and kind == "Market" and side == "Buy" and unit != "baseCoin"
        if it.is_spot and kind == "Market" and side == "Sell" and unit == "quoteCoin":
            raise bad_params("params error: marketUnit quoteCoin is not supported for sells")
        take, stop = decimal(params, "takeProfit") or ZERO, decimal(params, "stopLoss") or ZERO
        filter_ = text(params, "orderFilter") or "Order"
        if trigger and filter_ == "Order":
            filter_ = "StopOrder" if not it.is_spot else "tpslOrder"
        return Order(
            number=0,
            uid=account.uid,
            category=it.category,
            symbol=it.symbol,
            orderId="",
            orderLinkId=text(params, "orderLinkId"),
            side=side,
            orderType=kind,
            qty=decimal(params, "qty") or ZERO,
            price=price,
            timeInForce=_time_in_force(kind, text(params, "timeInForce")),
            created_ms=now,
            updated_ms=now,
            positionIdx=number(params, "positionIdx") or 0,
            by_amount=by_amount,
            marketUnit=unit,
            isLeverage=text(params, "isLeverage"),
            reduceOnly=not it.is_spot
            and (flag(params, "reduceOnly") or flag(params, "closeOnTrigger")),
            closeOnTrigger=not it.is_spot and flag(params, "closeOnTrigger"),
            smpType=text(params, "smpType") or "None",
            status="Untriggered" if trigger else "New",
            kind=filter_,
            stopOrderType=("tpslOrder" if filter_ == "tpslOrder" else "Stop") if trigger else "",
            triggerPrice=trigger,
            triggerDirection=number(params, "triggerDirection") or 0 if trigger else 0,
            triggerBy=(text(params, "triggerBy") or "LastPrice") if trigger else "",
            takeProfit=take,
            stopLoss=stop,
            tpTriggerBy=(text(params, "tpTriggerBy") or "LastPrice") if take else "",
            slTriggerBy=(text(params, "slTriggerBy") or "LastPrice") if stop else "",
            tpslMode=(text(params, "tpslMode") or "Full") if take or stop else "",
            tpLimitPrice=decimal(params, "tpLimitPrice") or ZERO,
            slLimitPrice=decimal(params, "slLimitPrice") or ZERO,
            tpOrderType=text(params, "tpOrderType") or "Market",
            slOrderType=text(params, "slOrderType") or "Market",
            last_price=tape.price(tape.last(now).price),
            slippageToleranceType=text(params, "slippageToleranceType") or "UNKNOWN",
            slippageTolerance=text(params, "slippageTolerance"),
        )

    def _check_link(
        self, account: Account, it: Instrument, order: Order, *, may_repeat: bool
    ) -> None:
        link = order.orderLinkId
        if not link:
            if it.category == "option":
                raise bad_params("params error: orderLinkId is required")
            return
        if not _LINK.fullmatch(link):
            raise bad_params("params error: orderLinkId invalid")
        if link in account.links and not may_repeat:
            raise refusals.duplicate(it.is_spot)

    def _check_slot(self, account: Account, it: Instrument, order: Order) -> None:
        is_hedged = it.key in account.hedged
        if is_hedged != (order.positionIdx in (1, 2)) or order.positionIdx not in (0, 1, 2):
            raise refusals.wrong_slot()
        closes = (order.positionIdx, order.side) in ((1, "Sell"), (2, "Buy"))
        if closes:  # a hedge slot never turns round
            order.reduceOnly = True
        if order.reduceOnly and order.status != "Untriggered":
            size = account.size(order.slot)
            room = -size if order.is_buy else size
            if room <= 0:
                raise refusals.nothing_to_close()
            order.qty = min(order.qty, room)

    def check_prices(self, tape: Tape, order: Order) -> None:
        """Refuse prices off the tick or out of bounds, and TP/SL on the wrong side."""
        it = tape.instrument
        prices = (
            order.price,
            order.triggerPrice,
            order.takeProfit,
            order.stopLoss,
            order.tpLimitPrice,
            order.slLimitPrice,
        )
        for price in prices:
            if not price:
                continue
            if not is_multiple(price, it.tick):
                raise refusals.price_step(it.is_spot)
            if price > it.max_price:
                raise refusals.price_high(it.is_spot)
        base = order.price or order.last_price
        check_stops(it, order.is_buy, order.takeProfit, order.stopLoss, base)

    def check_qty(self, tape: Tape, order: Order) -> None:
        """Refuse quantities off the step, too small, too large, or worth too little."""
        it, spot = tape.instrument, tape.instrument.is_spot
        if order.by_amount:
            if order.qty < it.min_value:
                raise refusals.value_low(spot, str(it.min_value), it.quote)
            return
        if order.qty <= 0 or not is_multiple(order.qty, it.step):
            raise refusals.qty_low(spot) if order.qty <= 0 else refusals.qty_step(spot)
        if order.qty < it.min_qty:
            raise refusals.qty_low(spot)
        if order.qty > (it.max_market_qty if order.orderType == "Market" else it.max_qty):
            raise refusals.qty_high(spot)
        price = order.price or order.triggerPrice or order.last_price
        value = order.qty if it.category == "inverse" else order.qty * price
        if value < it.min_value and not order.reduceOnly:
            raise refusals.value_low(spot, str(it.min_value), it.quote)

    def check_trigger(self, tape: Tape, order: Order) -> None:
        """A trigger must lie ahead of the market; spot tells the direction by that."""
        if order.status != "Untriggered":
            return
        it = tape.instrument
        trigger = tape.as_last(order.triggerBy, int(order.triggerPrice / it.tick))
        last = tape.last(self._floor.now_ms).price
        if it.is_spot:
            order.triggerDirection = 1 if trigger > last else 2
            return
        if order.triggerDirection not in (1, 2):
            raise bad_params("params error: triggerDirection invalid")
        passed = trigger <= last if order.triggerDirection == 1 else trigger >= last
        if passed:
            raise refusals.trigger_passed(
                order.triggerDirection, it.spell_price(order.triggerPrice), tape.spell(last)
            )


def check_stops(it: Instrument, is_long: bool, take: Decimal, stop: Decimal, base: Decimal) -> None:
    """Refuse a take profit that would lose and a stop loss that would win.

    Raises:
        Refusal: 10001 with Bybit's text.
    """
    side, scale = ("Buy" if is_long else "Sell"), it.spell_price(base)
    for name, price, above in (("TakeProfit", take, is_long), ("StopLoss", stop, not is_long)):
        if price and (price <= base if above else price >= base):
            what = "higher" if above else "lower"
            raise bad_params(
                f"{name}:{it.spell_price(price)} set for {side} position should be {what} than "
                f"base_price:{scale}??LastPrice"
            )


def _time_in_force(kind: str, asked: str) -> str:
    if kind == "Market":
        return "FOK" if asked == "FOK" else "IOC"
    return asked or "GTC"

"""Booking of fills: coins, positions, fees, and the rows that tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..market.instruments import Instrument
from ..market.tape import Tape
from .account import Account
from .floor import Floor
from .margin import MAKER, TAKER, release, reserve
from .money import ZERO, cut, spell
from .order import Order
from .position import Closing, worth


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of a deal."""

    qty: Decimal
    price: Decimal
    value: Decimal
    is_maker: bool
    rate: Decimal
    fee: Decimal
    fee_coin: str
    seq: int
    exec_id: str


class Clearing:
    """Books each side of a deal against the house, so that nothing is made or lost.

    Where two accounts deal with each other the house's two legs cancel out.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def book(self, order: Order, qty: Decimal, price: Decimal, *, is_maker: bool) -> bool:
        """Book a fill of a live order; True when it closed part of a position."""
        floor, account = self._floor, self._floor.owner(order)
        tape = floor.listed.known(order.category, order.symbol)
        it = tape.instrument
        fill = self._fill(order, tape, qty, price, is_maker)
        release(account, order, it)
        closing = None
        if it.is_spot:
            self._swap(account, order, it, fill)
        else:
            closing = self._trade(account, order, it, fill)
        order.filled += qty
        order.value += fill.value
        order.fee += fill.fee
        order.fee_coin = fill.fee_coin
        order.updated_ms = floor.now_ms
        order.status = (
            "Filled" if order.filled == order.qty and not order.by_amount else "PartiallyFilled"
        )
        reserve(account, order, it)
        account.executions.append(self._execution(order, tape, fill, closing))
        return closing is not None

    def _fill(self, order: Order, tape: Tape, qty: Decimal, price: Decimal, is_maker: bool) -> Fill:
        it = tape.instrument
        value = worth(it.category, qty, price)
        rate = (MAKER if is_maker else TAKER)[it.category]
        base, coin = value, it.settle
        if it.is_spot:  # paid in what is received
            base, coin = (qty, it.base) if order.is_buy else (value, it.quote)
        fee = cut(base * rate)
        if it.category == "option":
            index = Decimal(tape.spell_index(self._floor.now_ms))
            fee = cut(min(index * qty * rate, value / 8))
        seq, exec_id = self._floor.next_deal(it.category)
        return Fill(qty, price, value, is_maker, rate, fee, coin, seq, exec_id)

    def _swap(self, account: Account, order: Order, it: Instrument, fill: Fill) -> None:
        floor = self._floor
        sign = 1 if order.is_buy else -1
        floor.move(floor.house, account, it.base, sign * fill.qty)
        floor.move(account, floor.house, it.quote, sign * fill.value)
        floor.move(account, floor.fees, fill.fee_coin, fill.fee)
        for coin, flow in ((it.base, sign * fill.qty), (it.quote, -sign * fill.value)):
            fee = fill.fee if coin == fill.fee_coin else ZERO
            self._log(account, order, fill, coin=coin, flow=flow, fee=fee, size=ZERO)

    def _trade(self, account: Account, order: Order, it: Instrument, fill: Fill) -> Closing | None:
        floor = self._floor
        position = account.position(order.slot)
        if not position.size:
            position.created_ms, position.realised = floor.now_ms, ZERO
        closing = position.trade(order.is_buy, fill.qty, fill.value, fill.price)
        signed = fill.qty if order.is_buy else -fill.qty
        floor.house.position((*order.key, 0)).size -= signed
        if it.category == "option":
            flow = -fill.value if order.is_buy else fill.value
        else:
            flow = closing.profit if closing else ZERO
        floor.move(floor.house, account, it.settle, flow)
        floor.move(account, floor.fees, it.settle, fill.fee)
        position.updated_ms, position.seq = floor.now_ms, fill.seq
        opened = fill.qty - (closing.qty if closing else ZERO)
        open_fee = cut(fill.fee * opened / fill.qty)
        position.open_fee += open_fee
        earned = (closing.profit if closing else ZERO) - fill.fee
        position.realised += earned
        position.ever_realised += earned
        account.realised[it.settle] = account.realised.get(it.settle, ZERO) + earned
        self._log(account, order, fill, coin=it.settle, flow=flow, fee=fill.fee, size=position.size)
        if closing and it.category != "option":
            self._tell_closing(account, order, closing, closing.open_fee, fill.fee - open_fee)
        return closing

    def _execution(
        self, order: Order, tape: Tape, fill: Fill, closing: Closing | None
    ) -> dict[str, Any]:
        it, now_ms = tape.instrument, self._floor.now_ms
        is_option = it.category == "option"
        return {
            "category": order.category,
            "symbol": order.symbol,
            "orderId": order.orderId,
            "orderLinkId": order.orderLinkId,
            "side": order.side,
            "orderPrice": it.spell_price(order.price),
            "orderQty": spell(order.qty) if order.by_amount else it.spell_qty(order.qty),
            "leavesQty": it.spell_qty(order.leaves),
            "createType": order.createType,
            "orderType": order.orderType,
            "stopOrderType": order.stopOrderType or "UNKNOWN",
            "execFee": spell(fill.fee),
            "execFeeV2": "",
            "execId": fill.exec_id,
            "execPrice": it.spell_price(fill.price),
            "execQty": it.spell_qty(fill.qty),
            "execType": "Trade",
            "execValue": spell(fill.value),
            "execTime": str(now_ms),
            "feeCurrency": fill.fee_coin if it.is_spot else "",
            "isMaker": fill.is_maker,
            "feeRate": spell(fill.rate),
            "tradeIv": "0.55" if is_option else "",
            "markIv": "0.55" if is_option else "",
            "markPrice": tape.spell(tape.mark(now_ms)),
            "indexPrice": tape.spell_index(now_ms) if is_option else "",
            "underlyingPrice": tape.spell_index(now_ms) if is_option else "",
            "blockTradeId": "",
            "closedSize": it.spell_qty(closing.qty) if closing else ("" if it.is_spot else "0"),
            "seq": fill.seq,
            "extraFees": "",
        }

    def _log(
        self,
        account: Account,
        order: Order,
        fill: Fill,
        *,
        coin: str,
        flow: Decimal,
        fee: Decimal,
        size: Decimal,
    ) -> None:
        account.log.append(
            {
                "id": f"{account.uid}_{order.symbol}_{fill.seq}",
                "symbol": order.symbol,
                "category": order.category,
                "side": order.side,
                "transactionTime": str(self._floor.now_ms),
                "type": "TRADE",
                "transSubType": "",
                "qty": spell(fill.qty),
                "size": spell(size),
                "currency": coin,
                "tradePrice": spell(fill.price),
                "funding": "",
                "fee": spell(fee),
                "cashFlow": spell(flow),
                "change": spell(flow - fee),
                "cashBalance": spell(account.balance(coin)),
                "feeRate": spell(fill.rate),
                "bonusChange": "",
                "tradeId": fill.exec_id,
                "orderId": order.orderId,
                "orderLinkId": order.orderLinkId,
                "extraFees": "",
            }
        )

    def _tell_closing(
        self, account: Account, order: Order, closing: Closing, open_fee: Decimal, fee: Decimal
    ) -> None:
        """One row for each order that closes, however many fills it takes."""
        now = str(self._floor.now_ms)
        row = account.closings.get(order.orderId)
        if row is None:
            row = account.closings[order.orderId] = {
                "category": order.category,
                "symbol": order.symbol,
                "orderId": order.orderId,
                "side": order.side,
                "qty": spell(order.qty),
                "orderPrice": spell(order.price),
                "orderType": order.orderType,
                "execType": "Trade",
                "leverage": spell(account.leverage_of(order.key)),
                "createdTime": now,
                **dict.fromkeys(_SUMS, "0"),
            }
        added = (
            closing.qty,
            closing.entry,
            closing.exit,
            closing.profit - open_fee - fee,
            Decimal(1),
            open_fee,
            fee,
        )
        for name, amount in zip(_SUMS, added, strict=True):
            row[name] = spell(Decimal(row[name]) + amount)
        size, entry, exit_value = (Decimal(row[name]) for name in _SUMS[:3])
        row["avgEntryPrice"] = spell(_mean(order.category, size, entry))
        row["avgExitPrice"] = spell(_mean(order.category, size, exit_value))
        row["updatedTime"] = now


_SUMS = (
    "closedSize",
    "cumEntryValue",
    "cumExitValue",
    "closedPnl",
    "fillCount",
    "openFee",
    "closeFee",
)


def _mean(category: str, size: Decimal, value: Decimal) -> Decimal:
    return cut(size / value if category == "inverse" else value / size)

"""Conditional orders, and the take-profit and stop-loss orders that follow a position."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .account import Account, Slot
from .book import Book
from .floor import Floor
from .margin import Margin
from .money import ZERO, floor_to
from .order import Order

TAKE, STOP = "TakeProfit", "StopLoss"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a TP or SL shall do."""

    what: str
    price: Decimal
    by: str
    """Which price triggers it, as in triggerBy."""
    limit: Decimal = ZERO
    """The price of the order that it lets loose; 0 for a market order."""


class Stops:
    """Makes TP/SL orders and says which conditional orders are due."""

    def __init__(self, floor: Floor, margin: Margin) -> None:
        self._floor = floor
        self._margin = margin

    def due(self, book: Book, ticks: int) -> list[Order]:
        """Conditional orders whose trigger the market has reached, in the order of arrival."""
        found = [order for at, _, order in book.rising.rows if at <= ticks]
        found += [order for at, _, order in book.falling.rows if -at >= ticks]
        return sorted(found, key=lambda order: order.number)

    def wake(self, order: Order) -> str:
        """Fit a triggered order to the present; tell why it cannot go on, or nothing."""
        account, book = self._floor.owner(order), self._floor.book_of(order)
        if order.reduceOnly:
            size = account.size(order.slot)
            room = max(-size if order.is_buy else size, ZERO)
            if not room:
                return "EC_ReachMaxPositionSize"
            order.qty = room if order.tpslMode == "Full" else min(order.qty, room)
            return ""
        last = book.tape.price(book.tape.last(self._floor.now_ms).price)
        it = book.tape.instrument
        is_covered = self._margin.covers(account, order, it, order.price or last)
        return "" if is_covered else "EC_NotEnoughBalance"

    def follow(self, order: Order) -> list[Order]:
        """After a fill: arm the order's TP/SL; give back the stops that are void now."""
        account = self._floor.owner(order)
        position = account.positions[order.slot]
        if not position.size:
            position.takeProfit = position.stopLoss = ZERO
            return self.armed(account, order.slot)
        if (position.size > 0) != order.is_buy:
            return []
        void = []
        for wish in wishes(order):
            void += self.armed(account, order.slot, wish.what)
            self.arm(account, order.slot, wish)
        return void

    def armed(self, account: Account, slot: Slot, what: str = "") -> list[Order]:
        """The stops of a position that wait: all, or those of the whole position of one sort."""
        return [
            order
            for order in account.live_orders(slot[:2]).values()
            if order.slot == slot
            and order.status == "Untriggered"
            and order.createType != "CreateByUser"
            and what in ("", order.stopOrderType)
        ]

    def arm(self, account: Account, slot: Slot, wish: Wish, qty: Decimal | None = None) -> None:
        """A new TP or SL order for a position, or, with `qty`, for part of it."""
        position = account.position(slot)
        size = abs(position.size) if qty is None else qty
        name = wish.what if qty is None else f"Partial{wish.what}"
        order = self._draft(account.uid, slot, wish, size, is_long=position.size > 0)
        order.reduceOnly = order.closeOnTrigger = True
        order.stopOrderType, order.createType = name, f"CreateBy{name}"
        order.tpslMode = "Full" if qty is None else "Partial"
        if qty is None and wish.what == TAKE:
            position.takeProfit = wish.price
        elif qty is None:
            position.stopLoss = wish.price
        self._wait(account, order)

    def pair(self, parent: Order) -> None:
        """After a spot order is filled: TP and SL for what it brought, one ending the other."""
        account = self._floor.owner(parent)
        it = self._floor.book_of(parent).tape.instrument
        qty = floor_to(parent.filled - (parent.fee if parent.is_buy else ZERO), it.step)
        if qty < it.min_qty:
            return
        made = []
        for wish in wishes(parent):
            order = self._draft(account.uid, parent.slot, wish, qty, is_long=parent.is_buy)
            order.kind = order.stopOrderType = "tpslOrder"
            order.marketUnit = "" if wish.limit else "baseCoin"
            order.createType = f"CreateBy{wish.what}"
            self._wait(account, order)
            made.append(order)
        if len(made) == 2:
            made[0].sibling, made[1].sibling = made[1].orderId, made[0].orderId

    def _draft(self, uid: str, slot: Slot, wish: Wish, qty: Decimal, *, is_long: bool) -> Order:
        floor = self._floor
        tape = floor.books[slot[:2]].tape
        number, order_id = floor.next_order(slot[0])
        return Order(
            number=number,
            uid=uid,
            category=slot[0],
            symbol=slot[1],
            orderId=order_id,
            orderLinkId="",
            side="Sell" if is_long else "Buy",
            orderType="Limit" if wish.limit else "Market",
            qty=qty,
            price=wish.limit,
            timeInForce="GTC" if wish.limit else "IOC",
            created_ms=floor.now_ms,
            updated_ms=floor.now_ms,
            positionIdx=slot[2],
            status="Untriggered",
            rank=floor.next_rank(),
            kind="StopOrder",
            triggerPrice=wish.price,
            triggerDirection=1 if is_long == (wish.what == TAKE) else 2,
            triggerBy=wish.by or "LastPrice",
            last_price=tape.price(tape.last(floor.now_ms).price),
        )

    def _wait(self, account: Account, order: Order) -> None:
        book = self._floor.book_of(order)
        account.keep(order)
        self._floor.watch(book)
        book.wait(order)


def wishes(order: Order) -> list[Wish]:
    """The TP and SL that an order brings along."""
    found = []
    if order.takeProfit:
        limit = order.tpLimitPrice if order.tpOrderType == "Limit" else ZERO
        found.append(Wish(TAKE, order.takeProfit, order.tpTriggerBy, limit))
    if order.stopLoss:
        limit = order.slLimitPrice if order.slOrderType == "Limit" else ZERO
        found.append(Wish(STOP, order.stopLoss, order.slTriggerBy, limit))
    return found

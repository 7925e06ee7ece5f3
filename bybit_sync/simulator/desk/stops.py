"""Conditional orders, and the take-profit and stop-loss orders that follow a position."""

from __future__ import annotations

from decimal import Decimal

from .account import Account, Slot
from .book import Book
from .floor import Floor
from .margin import Margin
from .money import ZERO
from .order import Order

TAKE, STOP = "TakeProfit", "StopLoss"


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
        if not (order.takeProfit or order.stopLoss) or (position.size > 0) != order.is_buy:
            return []
        void = []
        if order.takeProfit:
            void += self.armed(account, order.slot, TAKE)
            self.arm(
                account,
                order.slot,
                TAKE,
                order.takeProfit,
                order.tpTriggerBy,
                limit=order.tpLimitPrice if order.tpOrderType == "Limit" else ZERO,
            )
        if order.stopLoss:
            void += self.armed(account, order.slot, STOP)
            self.arm(
                account,
                order.slot,
                STOP,
                order.stopLoss,
                order.slTriggerBy,
                limit=order.slLimitPrice if order.slOrderType == "Limit" else ZERO,
            )
        return void

    def pair(self, parent: Order) -> None:
        """After a spot order is filled: its TP and SL for what it brought, one ending the other."""
        it = self._floor.book_of(parent).tape.instrument
        qty = parent.filled - (parent.fee if parent.is_buy else ZERO)
        qty = floor_to(qty, it.step)
        if qty < it.min_qty:
            return
        made = []
        if parent.takeProfit:
            limit = parent.tpLimitPrice if parent.tpOrderType == "Limit" else ZERO
            made.append(self._spot(parent, TAKE, parent.takeProfit, limit, qty))
        if parent.stopLoss:
            limit = parent.slLimitPrice if parent.slOrderType == "Limit" else ZERO
            made.append(self._spot(parent, STOP, parent.stopLoss, limit, qty))
        if len(made) == 2:
            made[0].sibling, made[1].sibling = made[1].orderId, made[0].orderId

    def _spot(
        self, parent: Order, what: str, price: Decimal, limit: Decimal, qty: Decimal
    ) -> Order:
        return self._wait(
            self._blank(parent.uid, parent.slot, is_long=parent.is_buy, limit=limit),
            what,
            qty=qty,
            price=price,
            kind="tpslOrder",
            stop="tpslOrder",
        )

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

    def arm(
        self,
        account: Account,
        slot: Slot,
        what: str,
        price: Decimal,
        trigger_by: str,
        *,
        limit: Decimal = ZERO,
        qty: Decimal | None = None,
    ) -> Order:
        """A new TP or SL order for a position, or, with `qty`, for part of it."""
        floor, position = self._floor, account.position(slot)
        is_long = position.size > 0
        category, symbol, idx = slot
        number, order_id = floor.next_order(category)
        book = floor.books[category, symbol]
        order = Order(
            number=number,
            uid=account.uid,
            category=category,
            symbol=symbol,
            orderId=order_id,
            orderLinkId="",
            side="Sell" if is_long else "Buy",
            orderType="Limit" if limit else "Market",
            qty=abs(position.size) if qty is None else qty,
            price=limit,
            timeInForce="GTC" if limit else "IOC",
            created_ms=floor.now_ms,
            updated_ms=floor.now_ms,
            positionIdx=idx,
            reduceOnly=True,
            closeOnTrigger=True,
            status="Untriggered",
            rank=floor.next_rank(),
            kind="StopOrder",
            stopOrderType=what if qty is None else f"Partial{what}",
            triggerPrice=price,
            triggerDirection=1 if is_long == (what == TAKE) else 2,
            triggerBy=trigger_by or "LastPrice",
            tpslMode="Full" if qty is None else "Partial",
            createType=f"CreateBy{'' if qty is None else 'Partial'}{what}",
            last_price=book.tape.price(book.tape.last(floor.now_ms).price),
        )
        if qty is None:
            if what == TAKE:
                position.takeProfit = price
            else:
                position.stopLoss = price
        account.keep(order)
        floor.watch(book)
        book.wait(order)
        return order

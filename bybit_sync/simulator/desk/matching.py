"""Matching: better price first, then accounts' orders in the order of their arrival, then the
outside market."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ..market.bars import Trade
from .account import Slot
from .book import Book, Queue
from .clearing import Clearing
from .floor import Floor
from .margin import release, reserve
from .money import ZERO, floor_to
from .order import Order
from .stops import Stops

Offer = tuple[int, Decimal, "Order | None"]


class Matcher:
    """Lets orders in, deals them out, ends them."""

    def __init__(self, floor: Floor, clearing: Clearing, stops: Stops) -> None:
        self._floor = floor
        self._clearing = clearing
        self._stops = stops

    def enter(self, order: Order) -> None:
        """Match a live order that is in no book; let the rest wait or end it."""
        book = self._floor.book_of(order)
        order.rank = self._floor.next_rank()
        if order.timeInForce == "PostOnly" and self.would_take(order):
            self.end(order, _cut_short(order), reason="EC_PostOnlyWillTakeLiquidity")
            return
        if order.timeInForce == "FOK" and self.fillable(order) < order.qty:
            self.end(order, "Cancelled", reason="EC_NoEnoughQtyToFill")
            return
        self._take(order, book)
        if not order.is_live:
            return
        if order.orderType == "Market" or order.timeInForce in ("IOC", "FOK"):
            self._end_rest(order)
        else:
            self._floor.watch(book)
            book.rest(order)

    def end(
        self,
        order: Order,
        status: str,
        *,
        reason: str = "EC_NoError",
        cancel: str = "UNKNOWN",
    ) -> None:
        """Close an order that is in no book."""
        account = self._floor.owner(order)
        book = self._floor.book_of(order)
        release(account, order, book.tape.instrument)
        order.status, order.rejectReason, order.cancelType = status, reason, cancel
        order.updated_ms = self._floor.now_ms
        self._forget(order)

    def cancel(self, order: Order, cancel: str, reason: str = "EC_PerCancelRequest") -> None:
        """Take a waiting order out of its book and end it."""
        self._floor.book_of(order).remove(order)
        if order.status == "Untriggered" and order.category != "spot":
            status = "Deactivated"
        else:
            status = _cut_short(order)
        self.end(order, status, reason=reason, cancel=cancel)

    def _end_rest(self, order: Order) -> None:
        """The unfilled rest of an order that does not wait."""
        if order.by_amount and order.filled:
            self.end(order, "Filled")  # what is left of the amount buys no further step
            self._stops.pair(order)
        elif order.filled:
            self.end(order, _cut_short(order), reason="EC_NoEnoughQtyToFill")
        else:
            self.end(order, "Cancelled", reason="EC_NoImmediateQtyToFill")

    def _forget(self, order: Order) -> None:
        account = self._floor.owner(order)
        account.live_orders(order.key).pop(order.orderId, None)
        account.recent.append(order.orderId)

    def _take(self, order: Order, book: Book) -> None:
        outside = book.offers(order.is_buy, self._floor.now_ms)
        level = next(outside, None)
        while order.is_live:
            maker = book.side(not order.is_buy).first
            if maker is not None and (level is None or self._first(book, maker, level[0])):
                if not self._reaches(order, book, book.ticks(maker.price)):
                    return
                if self._is_self_match(order, maker):
                    self._prevent(order, maker)
                    continue
                qty = self._wanted(order, maker.price, maker.leaves)
                if not qty:
                    return
                self._deal(order, maker, qty)
                continue
            if level is None or not self._reaches(order, book, level[0]):
                return
            ticks, offered = level
            price = book.tape.price(ticks)
            qty = self._wanted(order, price, offered)
            if not qty:
                return
            book.take(order.is_buy, ticks, qty)
            self._book(order, qty, price, is_maker=False)
            # Fills above may have cancelled resting orders, but they never change these levels.
            level = next(outside, None) if qty == offered else (ticks, offered - qty)

    def _deal(self, taker: Order, maker: Order, qty: Decimal) -> None:
        """A deal between two accounts, at the price of the one who was there first."""
        price = maker.price
        book = self._floor.book_of(maker)
        if maker.leaves == qty:
            book.remove(maker)
        self._clearing_of(maker, qty, price, is_maker=True)
        self._book(taker, qty, price, is_maker=False)
        self._after(maker, rests=True)

    def _book(self, order: Order, qty: Decimal, price: Decimal, *, is_maker: bool) -> None:
        self._clearing_of(order, qty, price, is_maker=is_maker)
        self._after(order, rests=is_maker)

    def _clearing_of(self, order: Order, qty: Decimal, price: Decimal, *, is_maker: bool) -> None:
        self._clearing.book(order, qty, price, is_maker=is_maker)
        if order.status == "Filled":
            self._forget(order)

    def _after(self, order: Order, *, rests: bool) -> None:
        """What a fill brings about: reduce-only orders shrink, TP/SL come and go."""
        if order.category == "spot":
            if order.status == "Filled":
                self._stops.pair(order)
            return
        self._trim(order, rests=rests)
        for stop in self._stops.follow(order):
            self.cancel(stop, "CancelByTpSlTsClear", "EC_NoError")

    def _wanted(self, order: Order, price: Decimal, offered: Decimal) -> Decimal:
        if not order.by_amount:
            return min(order.leaves, offered)
        step = self._floor.book_of(order).tape.instrument.step
        return min(floor_to((order.qty - order.value) / price, step), offered)

    @staticmethod
    def _first(book: Book, maker: Order, ticks: int) -> bool:
        """True when an account's order comes before the outside market's level."""
        own = book.ticks(maker.price)
        return own >= ticks if maker.is_buy else own <= ticks

    @staticmethod
    def _reaches(order: Order, book: Book, ticks: int) -> bool:
        if order.orderType == "Market" or not order.price:
            return True
        limit = book.ticks(order.price)
        return ticks <= limit if order.is_buy else ticks >= limit

    def offers(self, order: Order) -> Iterator[tuple[Decimal, Decimal]]:
        """Prices and quantities that an order could take now, best first."""
        book = self._floor.book_of(order)
        makers = [
            maker
            for maker in book.side(not order.is_buy)
            if not self._is_self_match(order, maker) and not maker.reduceOnly
        ]
        outside = book.offers(order.is_buy, self._floor.now_ms)
        level = next(outside, None)
        while makers or level is not None:
            if makers and (level is None or self._first(book, makers[0], level[0])):
                maker = makers.pop(0)
                ticks, qty = book.ticks(maker.price), maker.leaves
            else:
                assert level is not None
                ticks, qty = level
                level = next(outside, None)
            if not self._reaches(order, book, ticks):
                return
            yield book.tape.price(ticks), qty

    def would_take(self, order: Order) -> bool:
        """True when a deal would be made at once."""
        book = self._floor.book_of(order)
        maker = book.side(not order.is_buy).first
        if maker is not None and self._reaches(order, book, book.ticks(maker.price)):
            return True
        level = next(book.offers(order.is_buy, self._floor.now_ms), None)
        return level is not None and self._reaches(order, book, level[0])

    def fillable(self, order: Order) -> Decimal:
        """How much of an order would be filled at once."""
        found = ZERO
        for _, qty in self.offers(order):
            found += qty
            if found >= order.qty:
                return order.qty
        return found

    def cost(self, order: Order) -> Decimal:
        """What the order would cost at once, in the quote coin, as far as there are offers."""
        left, cost = order.qty, ZERO
        for price, offered in self.offers(order):
            qty = min(left, offered)
            cost += qty * price
            left -= qty
            if not left:
                break
        return cost

    @staticmethod
    def _is_self_match(order: Order, maker: Order) -> bool:
        return order.smpType != "None" and order.uid == maker.uid

    def _prevent(self, order: Order, maker: Order) -> None:
        if order.smpType in ("CancelMaker", "CancelBoth"):
            self.cancel(maker, "CancelBySmp", "EC_BySelfMatch")
        if order.smpType in ("CancelTaker", "CancelBoth"):
            self.end(order, _cut_short(order), reason="EC_BySelfMatch", cancel="CancelBySmp")

    def _trim(self, filled: Order, *, rests: bool) -> None:
        """Let the slot's reduce-only orders not close more than there is; the one that is being
        filled (and `rests` in the book meanwhile, or not) comes first, then the oldest."""
        account = self._floor.owner(filled)
        waiting = [
            order
            for order in account.live_orders(filled.key).values()
            if order.reduceOnly and order.status != "Untriggered" and order.slot == filled.slot
        ]
        if not waiting:
            return
        waiting.sort(key=lambda order: order is not filled)
        size = account.size(filled.slot)
        for order in waiting:
            room = max(-size, ZERO) if order.is_buy else max(size, ZERO)
            if order.leaves <= room:
                size += order.leaves if order.is_buy else -order.leaves
            elif room:
                order.qty = order.filled + room
                size = ZERO
            elif order is filled and not rests:
                self.end(order, "Cancelled", cancel="CancelByReduceOnly")
            else:
                self.cancel(order, "CancelByReduceOnly", "EC_NoError")

    def close_slot(self, slot: Slot, uid: str) -> None:
        """Cancel everything that waits in a slot, its contract being over."""
        account = self._floor.accounts[uid]
        for order in list(account.live_orders(slot[:2]).values()):
            if order.positionIdx == slot[2]:
                self.cancel(order, "CancelByDelivery", "EC_NoError")

    def show(self, book: Book, trade: Trade) -> None:
        """A deal of the outside market: fill what waited at its price, then release what it
        triggers."""
        self._show_side(book, book.bids, trade, 1)
        self._show_side(book, book.asks, trade, -1)
        for order in self._stops.due(book, trade.price):
            if order.status == "Untriggered":
                book.remove(order)
                self.trigger(order)

    def _show_side(self, book: Book, queue: Queue, trade: Trade, sign: int) -> None:
        """Fill the orders that the market's price has passed, and, by the size of the deal, those
        that it has just reached. `sign` is 1 for bids and -1 for asks."""
        size = book.tape.qty(trade.size)
        # A deal in which the other side came to this price leaves its quotes standing here, so
        # that nothing of ours can remain.
        comes = trade.is_buy == (sign > 0)
        for order in queue:
            beyond = sign * (book.ticks(order.price) - trade.price)
            if beyond < 0 or not (beyond or comes or size):
                return
            if not order.is_live:
                continue
            qty = order.leaves if beyond or comes else min(size, order.leaves)
            size -= ZERO if beyond or comes else qty
            self._meet(book, order, qty)

    def _meet(self, book: Book, order: Order, qty: Decimal) -> None:
        if qty == order.leaves:
            book.remove(order)
        self._book(order, qty, order.price, is_maker=True)

    def trigger(self, order: Order) -> None:
        """A conditional order that has left its queue becomes a plain one."""
        account = self._floor.owner(order)
        it = self._floor.book_of(order).tape.instrument
        release(account, order, it)
        order.status, order.updated_ms = "Triggered", self._floor.now_ms
        refusal = self._stops.wake(order)
        reserve(account, order, it)
        if refusal:
            self.end(order, "Cancelled" if order.reduceOnly else "Rejected", reason=refusal)
            return
        order.status = "New"
        sibling = account.orders.get(order.sibling)
        if sibling is not None and sibling.status == "Untriggered":
            self.cancel(sibling, "CancelByTpSlTsClear", "EC_NoError")
        self.enter(order)


def _cut_short(order: Order) -> str:
    """The status of an order that ends unfilled or partly filled; only spot tells the two apart."""
    is_partly = order.filled and order.category == "spot"
    return "PartiallyFilledCanceled" if is_partly else "Cancelled"

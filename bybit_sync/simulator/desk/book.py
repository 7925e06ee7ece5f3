"""The open orders of one instrument: by price and time, and those that wait for a trigger."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from ..market.tape import Tape
from .money import ZERO
from .order import Order


@dataclass(slots=True)
class Queue:
    """Orders sorted by a number and then by rank; the smallest is first."""

    rows: list[tuple[int, int, Order]] = field(default_factory=list)

    def add(self, at: int, order: Order) -> None:
        insort(self.rows, (at, order.rank, order), key=_place)

    def remove(self, at: int, order: Order) -> None:
        index = bisect_left(self.rows, (at, order.rank), key=_place)
        assert self.rows[index][2] is order
        del self.rows[index]

    @property
    def first(self) -> Order | None:
        return self.rows[0][2] if self.rows else None

    def __iter__(self) -> Iterator[Order]:
        return (order for _, _, order in list(self.rows))


def _place(row: tuple[int, int, Order] | tuple[int, int]) -> tuple[int, int]:
    return row[0], row[1]


class Book:
    """Open orders on one instrument, over the outside market's own liquidity."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.bids = Queue()  # by falling price
        self.asks = Queue()
        self.rising = Queue()
        self.falling = Queue()  # by falling trigger
        self.seen_ms = 0
        """Up to when the market's trades have been shown to these orders."""
        self.epoch = -1
        """The market trade at which the outside market quoted what `taken` counts."""
        self.taken: dict[tuple[bool, int], Decimal] = {}

    @property
    def is_empty(self) -> bool:
        return not (self.bids.rows or self.asks.rows or self.rising.rows or self.falling.rows)

    def side(self, is_buy: bool) -> Queue:
        """Where orders of a side rest."""
        return self.bids if is_buy else self.asks

    def rest(self, order: Order) -> None:
        """Let a limit order wait in its place."""
        self.side(order.is_buy).add(self._at(order), order)

    def wait(self, order: Order) -> None:
        """Let a conditional order wait for its trigger."""
        ticks = self.trigger_ticks(order)
        if order.triggerDirection == 1:
            self.rising.add(ticks, order)
        else:
            self.falling.add(-ticks, order)

    def remove(self, order: Order) -> None:
        """Take an order out, wherever it waits."""
        if order.status != "Untriggered":
            self.side(order.is_buy).remove(self._at(order), order)
        elif order.triggerDirection == 1:
            self.rising.remove(self.trigger_ticks(order), order)
        else:
            self.falling.remove(-self.trigger_ticks(order), order)

    def bounds(self) -> tuple[int | None, int | None]:
        """Market prices, in ticks, at or beyond which something here happens."""
        low = max((-q.rows[0][0] for q in (self.bids, self.falling) if q.rows), default=None)
        high = min((q.rows[0][0] for q in (self.asks, self.rising) if q.rows), default=None)
        return low, high

    def trigger_ticks(self, order: Order) -> int:
        """The last price, in ticks, at which an order's own trigger price is reached."""
        return self.tape.as_last(order.triggerBy, self.ticks(order.triggerPrice))

    def ticks(self, price: Decimal) -> int:
        return int(price / self.tape.instrument.tick)

    def _at(self, order: Order) -> int:
        ticks = self.ticks(order.price)
        return -ticks if order.is_buy else ticks

    def offers(self, is_buy: bool, now_ms: int) -> Iterator[tuple[int, Decimal]]:
        """What the outside market offers to a taker, best price first: ticks and quantity.

        A taker's fills are gone until the market trades again and quotes anew.
        """
        tape, shown = self.tape, 0
        for count in (10, 100, 1000):
            number, bids, asks = tape.book(now_ms, count)
            self._renew(number)
            levels = asks if is_buy else bids
            for ticks, lots in levels[shown:]:
                rest = tape.qty(lots) - self.taken.get((is_buy, ticks), ZERO)
                if rest > 0:
                    yield ticks, rest
            if len(levels) < count:
                return
            shown = len(levels)

    def take(self, is_buy: bool, ticks: int, qty: Decimal) -> None:
        """The outside market has sold to (or bought from) a taker."""
        at = (is_buy, ticks)
        self.taken[at] = self.taken.get(at, ZERO) + qty

    def _renew(self, number: int) -> None:
        if number != self.epoch:
            self.epoch = number
            self.taken.clear()

    def overlays(self, now_ms: int) -> tuple[dict[int, Decimal], dict[int, Decimal]]:
        """What the public book shows beside the outside market: our orders, less what was taken."""
        self._renew(self.tape.last(now_ms).number)
        bids: dict[int, Decimal] = {}
        asks: dict[int, Decimal] = {}
        for side, queue in ((bids, self.bids), (asks, self.asks)):
            for order in queue:
                ticks = self.ticks(order.price)
                side[ticks] = side.get(ticks, ZERO) + order.leaves
        for (is_buy, ticks), qty in self.taken.items():
            side = asks if is_buy else bids
            side[ticks] = side.get(ticks, ZERO) - qty
        return bids, asks

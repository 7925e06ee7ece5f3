"""A position: what is held, what it cost, and what closing part of it earns."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .money import ZERO, cut


@dataclass(frozen=True, slots=True)
class Closing:
    """The part of a fill that closed something."""

    qty: Decimal
    entry: Decimal
    """What the closed part had cost, in the settle coin."""
    exit: Decimal
    profit: Decimal
    """Before fees."""
    open_fee: Decimal


@dataclass(slots=True, eq=False)
class Position:
    """One slot of an account. The cost is kept, not the average price: nothing is lost by it."""

    category: str
    symbol: str
    idx: int
    size: Decimal = ZERO
    """Below zero when short."""
    cost: Decimal = ZERO
    open_fee: Decimal = ZERO
    realised: Decimal = ZERO
    """Since the position was opened, fees and funding included."""
    ever_realised: Decimal = ZERO
    created_ms: int = 0
    updated_ms: int = 0
    seq: int = 0
    takeProfit: Decimal = ZERO
    stopLoss: Decimal = ZERO
    tpslMode: str = "Full"

    @property
    def slot(self) -> tuple[str, str, int]:
        return self.category, self.symbol, self.idx

    @property
    def average(self) -> Decimal:
        """The mean entry price, 0 when flat."""
        if not self.size:
            return ZERO
        size = abs(self.size)
        return size / self.cost if self.category == "inverse" else self.cost / size

    def worth(self, price: Decimal) -> Decimal:
        """The position's value at a price, in the settle coin, never negative."""
        return worth(self.category, abs(self.size), price)

    def profit(self, price: Decimal) -> Decimal:
        """What closing all of it at a price would earn."""
        return self._gain(self.cost, self.worth(price), is_long=self.size > 0)

    def trade(self, is_buy: bool, qty: Decimal, value: Decimal, price: Decimal) -> Closing | None:
        """Book a fill; tell what it closed."""
        signed = qty if is_buy else -qty
        if self.size * signed >= 0:
            self.size += signed
            self.cost += value
            return None
        closed = min(qty, abs(self.size))
        exit_value = value if closed == qty else worth(self.category, closed, price)
        entry = self._take(closed)
        fee = self._take_fee(closed)
        profit = self._gain(entry, exit_value, is_long=self.size > 0)
        self.size += signed
        if closed < qty:  # turned round: the rest opens the other way
            self.cost = value - exit_value
        return Closing(closed, entry, exit_value, profit, fee)

    def _take(self, closed: Decimal) -> Decimal:
        part = self.cost if closed == abs(self.size) else cut(self.cost * closed / abs(self.size))
        self.cost -= part
        return part

    def _take_fee(self, closed: Decimal) -> Decimal:
        size = abs(self.size)
        part = self.open_fee if closed == size else cut(self.open_fee * closed / size)
        self.open_fee -= part
        return part

    def _gain(self, entry: Decimal, exit_value: Decimal, *, is_long: bool) -> Decimal:
        # An inverse contract is worth less coin the higher its price.
        rises = is_long == (self.category != "inverse")
        return exit_value - entry if rises else entry - exit_value


def worth(category: str, qty: Decimal, price: Decimal) -> Decimal:
    """The value of a quantity in the coin that it is settled in."""
    return cut(qty / price) if category == "inverse" else qty * price

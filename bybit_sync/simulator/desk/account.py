"""What one user has: coins, orders, positions and their history."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .money import ZERO
from .order import Order
from .position import Position

Key = tuple[str, str]
Slot = tuple[str, str, int]
Row = dict[str, Any]
RECENT = 500  # closed orders that order/realtime still finds


@dataclass(slots=True)
class Exposure:
    """What the open orders of a slot may still buy and sell; reduce-only ones do not count."""

    buy_qty: Decimal = ZERO
    buy_value: Decimal = ZERO
    sell_qty: Decimal = ZERO
    sell_value: Decimal = ZERO

    def add(self, is_buy: bool, qty: Decimal, value: Decimal) -> None:
        """Count an order in, or out with negative figures."""
        if is_buy:
            self.buy_qty += qty
            self.buy_value += value
        else:
            self.sell_qty += qty
            self.sell_value += value


@dataclass(slots=True, eq=False)
class Account:
    """A unified account. `uid` is its number."""

    uid: str
    opened_ms: int = 0
    wallet: dict[str, Decimal] = field(default_factory=dict)
    realised: dict[str, Decimal] = field(default_factory=dict)
    """Profit of closed positions, fees and funding included, for each coin."""
    locked: dict[str, Decimal] = field(default_factory=dict)
    """Coins that open spot orders will spend."""
    exposures: dict[Slot, Exposure] = field(default_factory=dict)
    positions: dict[Slot, Position] = field(default_factory=dict)
    leverage: dict[Key, Decimal] = field(default_factory=dict)
    hedged: set[Key] = field(default_factory=set)
    """Contracts in hedge mode."""
    history: list[Order] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    links: dict[str, Order] = field(default_factory=dict)
    live: dict[Key, dict[str, Order]] = field(default_factory=dict)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT))
    executions: list[Row] = field(default_factory=list)
    closings: dict[str, Row] = field(default_factory=dict)
    """Closed profit by the orderId that closed."""
    log: list[Row] = field(default_factory=list)

    def balance(self, coin: str) -> Decimal:
        """What is in the wallet."""
        return self.wallet.get(coin, ZERO)

    def position(self, slot: Slot) -> Position:
        """The position of a slot, a flat one when there never was any."""
        found = self.positions.get(slot)
        if found is None:
            found = self.positions[slot] = Position(*slot)
        return found

    def size(self, slot: Slot) -> Decimal:
        """How much is held, below zero when short."""
        found = self.positions.get(slot)
        return found.size if found else ZERO

    def leverage_of(self, key: Key) -> Decimal:
        """The leverage set for a contract, 10 when none was."""
        return self.leverage.get(key, Decimal(10))

    def keep(self, order: Order) -> None:
        """Put a new order into every index."""
        self.history.append(order)
        self.orders[order.orderId] = order
        if order.orderLinkId:
            self.links[order.orderLinkId] = order
        if order.is_live:
            self.live_orders(order.key)[order.orderId] = order

    def live_orders(self, key: Key) -> dict[str, Order]:
        """Open orders of an instrument by orderId, oldest first."""
        return self.live.setdefault(key, {})

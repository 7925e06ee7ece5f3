"""What an account's orders and positions hold back, and what it may still spend."""

from __future__ import annotations

from decimal import Decimal

from ..market.instruments import Instrument
from .account import Account, Exposure, Slot
from .floor import Floor
from .money import ZERO
from .order import Order
from .position import Position, worth

TAKER = {
    "spot": Decimal("0.001"),
    "linear": Decimal("0.00055"),
    "inverse": Decimal("0.00055"),
    "option": Decimal("0.0003"),
}
MAKER = {
    **TAKER,
    "spot": Decimal("0.001"),
    "linear": Decimal("0.0002"),
    "inverse": Decimal("0.0002"),
}
MAINTENANCE = Decimal("0.005")
OPTION_SHORT = Decimal("0.1")
"""Margin of a short option, as a part of the underlying's price."""


def reserve(account: Account, order: Order, it: Instrument) -> None:
    """Hold back what a live order may spend."""
    _count(account, order, it, 1)


def release(account: Account, order: Order, it: Instrument) -> None:
    """Undo `reserve`; must see the order exactly as `reserve` saw it."""
    _count(account, order, it, -1)


def _count(account: Account, order: Order, it: Instrument, sign: int) -> None:
    if it.is_spot:
        coin, amount = spot_need(order, it)
        if amount:
            account.locked[coin] = account.locked.get(coin, ZERO) + sign * amount
    elif not order.reduceOnly and order.status != "Untriggered" and order.price:
        leaves = order.leaves
        value = worth(order.category, leaves, order.price)
        exposure_of(account, order.slot).add(order.is_buy, sign * leaves, sign * value)


def spot_need(order: Order, it: Instrument) -> tuple[str, Decimal]:
    """The coin that a live spot order spends, and how much of it is held back.

    A conditional order holds nothing until it is triggered. A TP/SL order does, unless it came
    with another order: both of a pair cannot hold the same coins.
    """
    coin = it.quote if order.is_buy else it.base
    waits_free = order.kind == "StopOrder" or order.createType != "CreateByUser"
    if not order.is_live or (order.status == "Untriggered" and waits_free):
        return coin, ZERO
    if order.by_amount:
        return coin, order.qty - order.value
    return coin, order.leaves * order.price if order.is_buy else order.leaves


def exposure_of(account: Account, slot: Slot) -> Exposure:
    """The open orders of a slot, summed up."""
    found = account.exposures.get(slot)
    if found is None:
        found = account.exposures[slot] = Exposure()
    return found


class Margin:
    """Figures of an account at the market's present prices."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def mark(self, slot: Slot) -> Decimal:
        """The mark price of a slot's contract."""
        tape = self._floor.listed.known(slot[0], slot[1])
        return tape.price(tape.mark(self._floor.now_ms))

    def settle_coin(self, slot: Slot) -> str:
        return self._floor.listed.known(slot[0], slot[1]).instrument.settle

    def slots(self, account: Account, coin: str) -> list[Slot]:
        """Slots settled in a coin that hold a position or open orders."""
        busy = [slot for slot, held in account.positions.items() if held.size]
        busy += [
            slot
            for slot, exposure in account.exposures.items()
            if (exposure.buy_qty or exposure.sell_qty) and not account.size(slot)
        ]
        return [slot for slot in busy if self.settle_coin(slot) == coin]

    def free(self, account: Account, coin: str) -> Decimal:
        """What may still be put up as margin."""
        left = account.balance(coin) - account.locked.get(coin, ZERO)
        for slot in self.slots(account, coin):
            left += self.unrealised(account, slot)
            left -= self.initial(account, slot) + self.ordered(account, slot)
        return left

    def spendable(self, account: Account, coin: str) -> Decimal:
        """What may still be spent: gains that are not realised are not there yet."""
        gains = sum(
            (max(self.unrealised(account, slot), ZERO) for slot in self.slots(account, coin)), ZERO
        )
        return self.free(account, coin) - gains

    def covers(self, account: Account, order: Order, it: Instrument, price: Decimal) -> bool:
        """True when a live order that holds nothing back yet can be paid for at this price."""
        if it.is_spot:
            coin, need = spot_need(order, it)
            if order.is_buy and not order.by_amount:
                need = order.leaves * price
            return need <= self.spendable(account, coin)
        if order.reduceOnly:
            return True
        leaves = order.leaves
        value = worth(order.category, leaves, price)
        exposure = exposure_of(account, order.slot)
        before = self.free(account, it.settle)
        exposure.add(order.is_buy, leaves, value)
        after = self.free(account, it.settle)
        exposure.add(order.is_buy, -leaves, -value)
        # Orders that only close are allowed even to an account in trouble.
        return after >= 0 or after >= before

    def unrealised(self, account: Account, slot: Slot) -> Decimal:
        """Profit at the mark price. Of options, whose premium has been paid, only the debt of a
        short one counts."""
        position = account.positions.get(slot)
        if position is None or not position.size:
            return ZERO
        if slot[0] == "option":
            return position.size * self.mark(slot) if position.size < 0 else ZERO
        return position.profit(self.mark(slot))

    def initial(self, account: Account, slot: Slot) -> Decimal:
        """Margin of the position."""
        position = account.positions.get(slot)
        if position is None or not position.size:
            return ZERO
        if slot[0] == "option":
            return max(-position.size, ZERO) * self._underlying(slot) * OPTION_SHORT
        return position.worth(self.mark(slot)) / account.leverage_of(slot[:2])

    def maintenance(self, position: Position) -> Decimal:
        """Margin below which a position would be liquidated."""
        if position.category == "option":
            short = max(-position.size, ZERO)
            return short * self._underlying(position.slot) * OPTION_SHORT / 2
        return position.worth(self.mark(position.slot)) * MAINTENANCE

    def ordered(self, account: Account, slot: Slot) -> Decimal:
        """Margin of the open orders, as far as they would open something."""
        exposure = account.exposures.get(slot)
        if exposure is None:
            return ZERO
        size = account.size(slot)
        buys = _opening(exposure.buy_qty, exposure.buy_value, -size, slot[2] == 2)
        sells = _opening(exposure.sell_qty, exposure.sell_value, size, slot[2] == 1)
        if slot[0] == "option":
            short = max(exposure.sell_qty - max(size, ZERO), ZERO)
            return exposure.buy_value + short * self._underlying(slot) * OPTION_SHORT
        return max(buys, sells) * (1 / account.leverage_of(slot[:2]) + TAKER[slot[0]])

    def _underlying(self, slot: Slot) -> Decimal:
        return Decimal(self._floor.listed.known(slot[0], slot[1]).spell_index(self._floor.now_ms))


def _opening(qty: Decimal, value: Decimal, against: Decimal, only_closes: bool) -> Decimal:
    """The value of orders that go beyond the position `against` which they close."""
    if only_closes or qty <= 0:
        return ZERO
    if against <= 0:
        return value
    return value * (qty - against) / qty if qty > against else ZERO

"""Rules of rounding: sums are exact, and whatever has to be divided is cut at eight decimals."""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

ZERO = Decimal(0)
UNIT = Decimal("0.00000001")


def cut(amount: Decimal) -> Decimal:
    """An amount of money in whole units of 10^-8."""
    return amount.quantize(UNIT, ROUND_HALF_UP)


def floor_to(amount: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `amount`."""
    return (amount / step).to_integral_value(ROUND_FLOOR) * step


def is_multiple(amount: Decimal, step: Decimal) -> bool:
    """True when nothing is left over."""
    return amount % step == 0


def spell(amount: Decimal) -> str:
    """Plain notation without needless zeros."""
    if not amount:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text

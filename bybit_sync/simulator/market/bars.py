"""What a market's past is made of: bars and trades, in whole ticks and lots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

SPANS = (1440, 60, 15, 5, 1)  # minutes of a bar on each level
MINUTE = 4  # the level of the minutes
SLOTS = 20  # trades in a minute, one in every three seconds
SLOT_MS = 60_000 // SLOTS
MINUTE_MS = 60_000
WHOLE = 10_000  # a day's turnover is a multiple of this, so that inverse contracts come out even


class Bar(NamedTuple):
    """A stretch of time, in ticks and lots; turnover in ticks times lots."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    before: int
    """Turnover since midnight UTC when the bar began."""


class Trade(NamedTuple):
    """One deal of the outside market."""

    number: int
    ms: int
    price: int
    size: int
    is_buy: bool
    """True when the taker bought."""
    before: int
    """Turnover since midnight UTC, this trade not included."""


def merge(bars: Iterable[Bar]) -> Bar:
    """One bar over neighbouring bars, earliest first; there must be at least one."""
    rows = list(bars)
    first = rows[0]
    return Bar(
        first.open,
        max(row.high for row in rows),
        min(row.low for row in rows),
        rows[-1].close,
        sum(row.volume for row in rows),
        sum(row.turnover for row in rows),
        first.before,
    )

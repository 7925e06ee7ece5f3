"""The clock of the local exchange, which can be set wrong."""

from __future__ import annotations

import time


class ServerClock:
    """The exchange's idea of now. ``offset_ms`` shifts it; the market's own time stays right."""

    def __init__(self) -> None:
        self.offset_ms = 0

    def now_ms(self) -> int:
        """What the server takes for the time: auth, envelopes, headers and /v5/market/time."""
        return time.time_ns() // 1_000_000 + self.offset_ms

    def now_ns(self) -> int:
        """The same in nanoseconds."""
        return time.time_ns() + self.offset_ms * 1_000_000


def market_ms() -> int:
    """The market's time: never shifted, so that resting orders go on being filled."""
    return time.time_ns() // 1_000_000


class MarketClock:
    """`market_ms` for a market, which can be held while the past is played again."""

    def __init__(self) -> None:
        self.last_ms = 0
        """What it said last."""
        self.held_ms: int | None = None

    def __call__(self) -> int:
        """The time, or the moment at which it is held."""
        self.last_ms = market_ms() if self.held_ms is None else self.held_ms
        return self.last_ms

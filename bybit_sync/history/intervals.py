"""Intervals, in Bybit's spelling and in people's, and the grid of time that each cuts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from bybit_sync.exceptions import ConfigError

MINUTE_MS = 60_000
_HOUR_MS = 60 * MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
_MONDAY_MS = 4 * _DAY_MS  # the first one after 1970


@dataclass(frozen=True, slots=True)
class Grid:
    """Equal steps of time, UTC; all values are unix milliseconds."""

    step_ms: int
    origin_ms: int = 0

    def floor(self, ms: int) -> int:
        """The start of the step that holds a moment."""
        return ms - (ms - self.origin_ms) % self.step_ms

    def ceil(self, ms: int) -> int:
        """The first start of a step at the moment or later."""
        start = self.floor(ms)
        return start if start == ms else self.after(start, 1)

    def after(self, start_ms: int, steps: int) -> int:
        """The start of the step that comes `steps` later."""
        return start_ms + steps * self.step_ms


@dataclass(frozen=True, slots=True)
class Months(Grid):
    """Calendar months."""

    step_ms: int = 31 * _DAY_MS

    def floor(self, ms: int) -> int:
        """The start of the month that holds a moment."""
        moment = datetime.fromtimestamp(ms / 1000, timezone.utc)
        return _month_ms(moment.year * 12 + moment.month - 1)

    def after(self, start_ms: int, steps: int) -> int:
        """The start of the month `steps` later."""
        moment = datetime.fromtimestamp(start_ms / 1000, timezone.utc)
        return _month_ms(min(moment.year * 12 + moment.month - 1 + steps, 9999 * 12))


def _month_ms(number: int) -> int:
    start = datetime(number // 12, number % 12 + 1, 1, tzinfo=timezone.utc)
    return int(start.timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """What is sent, and the grid."""

    code: str
    grid: Grid


_MINUTES = {
    "1": "1m",
    "3": "3m",
    "5": "5m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "120": "2h",
    "240": "4h",
    "360": "6h",
    "720": "12h",
}
_DAY, _WEEK, _MONTH = (
    Interval("D", Grid(_DAY_MS)),
    Interval("W", Grid(7 * _DAY_MS, _MONDAY_MS)),
    Interval("M", Months()),
)
CANDLES: Mapping[str, Interval] = {
    **{code: Interval(code, Grid(int(code) * MINUTE_MS)) for code in _MINUTES},
    **{name: Interval(code, Grid(int(code) * MINUTE_MS)) for code, name in _MINUTES.items()},
    **dict.fromkeys(("D", "1d", "1D"), _DAY),
    **dict.fromkeys(("W", "1w", "1W"), _WEEK),
    **dict.fromkeys(("M", "1M"), _MONTH),
}
"""Of candles; ``1m`` is a minute and ``1M`` a month."""

_SAMPLES_MS = {
    "5min": 5 * MINUTE_MS,
    "15min": 15 * MINUTE_MS,
    "30min": 30 * MINUTE_MS,
    "1h": _HOUR_MS,
    "4h": 4 * _HOUR_MS,
    "1d": _DAY_MS,
}
SAMPLES: Mapping[str, Interval] = {
    name: Interval(code, Grid(step))
    for code, step in _SAMPLES_MS.items()
    for name in (code, code.replace("min", "m"), code.replace("1d", "D"))
}
"""Of open interest and of the long/short ratio."""


def find_interval(known: Mapping[str, Interval], name: str, value: Any) -> Interval:
    """The interval that people mean by a text, or by a whole number of minutes.

    Raises:
        ConfigError: there is no such interval; the message lists what there is.
    """
    is_text = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
    found = known.get(str(value).strip()) if is_text else None
    if found is None:
        raise ConfigError(f"{name}: {value!r} is not one of {', '.join(known)}"[:300])
    return found

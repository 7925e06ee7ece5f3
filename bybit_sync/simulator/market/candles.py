"""Klines of every interval, newest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from .bars import MINUTE_MS, Bar
from .instruments import LAUNCH_MS

MONDAY = 4 * 1440  # the first one, in minutes since 1970
Row = list[str]


@dataclass(frozen=True, slots=True)
class Interval:
    """A regular cut of time, in minutes since 1970."""

    minutes: int
    origin: int = 0

    def index(self, minute: int) -> int:
        """The number of the bar that holds a minute."""
        return (minute - self.origin) // self.minutes

    def start(self, index: int) -> int:
        """The first minute of a bar."""
        return self.origin + index * self.minutes


class Months(Interval):
    """Calendar months, UTC."""

    def index(self, minute: int) -> int:
        at = datetime.fromtimestamp(minute * 60, timezone.utc)
        return (at.year - 1970) * 12 + at.month - 1

    def start(self, index: int) -> int:
        year, month = divmod(index, 12)
        return int(datetime(1970 + year, month + 1, 1, tzinfo=timezone.utc).timestamp()) // 60


INTERVALS: dict[str, Interval] = {
    **{str(n): Interval(n) for n in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": Interval(1440),
    "W": Interval(7 * 1440, MONDAY),
    "M": Months(0),
}


def rows(
    window: Callable[[int, int, int], Bar],
    spell: Callable[[Bar], Row],
    interval: Interval,
    *,
    start_ms: int | None,
    end_ms: int | None,
    limit: int,
    now_ms: int,
    run: Callable[[int, int, int], list[Row]] | None = None,
) -> list[Row]:
    """Bars whose start lies from `start_ms` to `end_ms`, both included; the newest `limit` of
    them. The first row may still be forming.

    `run` may give many past bars at once, oldest first and without their times; none where it
    cannot.
    """
    newest = interval.index(min(end_ms if end_ms is not None else now_ms, now_ms) // MINUTE_MS)
    oldest = interval.index(LAUNCH_MS // MINUTE_MS)
    if start_ms is not None and start_ms > LAUNCH_MS:
        first = interval.index(start_ms // MINUTE_MS)
        oldest = first if interval.start(first) * MINUTE_MS >= start_ms else first + 1
    oldest = max(oldest, newest - limit + 1)
    found: list[Row] = []
    if run is not None and interval.start(newest + 1) * MINUTE_MS <= now_ms and oldest <= newest:
        found = run(interval.minutes, oldest, newest)
    if found:
        step = interval.minutes * MINUTE_MS
        times = range(
            interval.start(oldest) * MINUTE_MS, interval.start(newest + 1) * MINUTE_MS, step
        )
        return [[str(ms), *row] for ms, row in zip(times, found, strict=True)][::-1]
    for index in range(newest, oldest - 1, -1):
        minute = interval.start(index)
        bar = window(minute, interval.start(index + 1), now_ms)
        found.append([str(minute * MINUTE_MS), *spell(bar)])
    return found

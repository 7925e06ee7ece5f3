"""Cuts a stretch of time into tasks that can be fetched in any order, anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .intervals import Grid
from .series import Series


@dataclass(frozen=True, slots=True)
class Task:
    """One window of a download: rows from `start_ms` up to, not including, `end_ms`.

    It holds nothing but plain values, so that it can be pickled and fetched on another machine.
    """

    series: Series
    params: Mapping[str, Any]
    start_ms: int
    end_ms: int
    is_on_grid: bool
    """Whether a row's own time says to which window it belongs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole download, before anything is asked for."""

    series: Series
    params: Mapping[str, Any]
    start_ms: int
    end_ms: int
    """Not included."""
    grid: Grid | None = None
    rows_per_call: int = 200

    def tasks(self, from_ms: int | None = None) -> Iterator[Task]:
        """The windows from `from_ms` (the start, if None) to the end: they touch, none overlaps."""
        at = self.start_ms if from_ms is None else from_ms
        while at < self.end_ms:
            end = min(self._window_end(at), self.end_ms)
            yield Task(self.series, self.params, at, end, self.grid is not None)
            at = end

    def count(self, from_ms: int | None = None) -> int:
        """How many tasks there are."""
        return sum(1 for _ in self.tasks(from_ms))

    def _window_end(self, start_ms: int) -> int:
        if self.grid is None:
            return start_ms + self.series.span_ms
        return self.grid.after(self.grid.ceil(start_ms), self.rows_per_call)

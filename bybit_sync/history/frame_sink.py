"""Rows in memory, for a DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bybit_sync.frames import frame_of_rows

from .fetch import Row
from .series import Series
from .sink import Packed, Rows

if TYPE_CHECKING:
    import pandas

_CHUNK_ROWS = 50_000  # converted at a time: texts take ten times the memory of numbers


class FrameSink:
    """Collects a DataFrame."""

    outlives = False
    reader = None
    until_ms: int | None = None
    rows = 0

    def __init__(self, series: Series, decimals: type[float | Decimal]) -> None:
        """Nothing yet.

        Raises:
            ImportError: pandas is not installed; told before anything is asked for.
            ConfigError: `decimals` is neither float nor Decimal.
        """
        self._series = series
        self._decimals = decimals
        self._empty = self._frame([])
        self._done: list[Any] = []
        self._waiting: list[Row] = []

    def pack(self, rows: Rows) -> Packed:
        """The rows as they are: many are converted at a time."""
        return Packed(len(rows), rows)

    def add(self, packed: Packed, until_ms: int) -> None:
        """Take the next window."""
        self._waiting.extend(packed.data)
        self.rows += packed.rows
        self.until_ms = until_ms
        if len(self._waiting) >= _CHUNK_ROWS:
            self._convert()

    def keep(self) -> None:
        """Memory does not outlive the download."""

    def finish(self) -> pandas.DataFrame:
        """The frame."""
        if self._waiting:
            self._convert()
        if not self._done:
            return self._empty
        import pandas

        return pandas.concat(self._done, ignore_index=True)

    def close(self) -> None:
        """Nothing is held but memory."""

    def _convert(self) -> None:
        self._done.append(self._frame(self._waiting))
        self._waiting = []

    def _frame(self, rows: Sequence[Row]) -> pandas.DataFrame:
        series = self._series
        return frame_of_rows(rows, series.endpoint, names=series.names, decimals=self._decimals)

"""What a caller may say about a download besides what to load."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from bybit_sync.clock import Clock
from bybit_sync.exceptions import ConfigError

from .csv_file import CsvFile, CsvStream
from .fetch import Row
from .frame_sink import FrameSink
from .parquet_file import ParquetFile
from .plan import Task
from .series import Series
from .sink import Description, Sink

Out = str | os.PathLike[str] | IO[str] | None

_ENDINGS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
_MOST_WORKERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where rows go, and how they are fetched."""

    out: Out = None
    """A .parquet or .csv file, a stream that takes CSV, or None for a DataFrame."""
    decimals: type[float | Decimal] = float
    progress: bool | None = None
    workers: int = 16
    executor: Executor | None = None

    def __post_init__(self) -> None:
        if isinstance(self.workers, bool) or not isinstance(self.workers, int):
            raise ConfigError(f"workers: {self.workers!r} is not a whole number")
        if not 1 <= self.workers <= _MOST_WORKERS:
            raise ConfigError(f"workers: {self.workers} is not from 1 to {_MOST_WORKERS}")
        if self.decimals not in (float, Decimal):
            raise ConfigError(f"decimals: {self.decimals!r} is not allowed: float or Decimal")
        if self.executor is not None and not hasattr(self.executor, "submit"):
            raise ConfigError(f"executor: {self.executor!r} has no submit()"[:200])
        if self.path is not None and self.path.suffix.lower() not in _ENDINGS:
            raise ConfigError(f"out: {self.path} does not end in .parquet, .pq or .csv")

    @classmethod
    def split(cls, options: dict[str, Any]) -> tuple[Output, dict[str, Any]]:
        """The output that keywords ask for, and the keywords that are about something else."""
        names = {field.name for field in fields(cls)}
        own = {name: value for name, value in options.items() if name in names}
        return cls(**own), {name: value for name, value in options.items() if name not in names}

    @property
    def path(self) -> Path | None:
        """The file, if it is one.

        Raises:
            ConfigError: `out` is neither a path nor a stream.
        """
        if self.out is None or hasattr(self.out, "write"):
            return None
        if not isinstance(self.out, str | os.PathLike):
            raise ConfigError(f"out: {self.out!r} is neither a path nor a text stream"[:200])
        return Path(self.out)

    def sink(
        self,
        series: Series,
        about: dict[str, Any],
        clock: Clock,
        again: Callable[[Task], list[Row]],
    ) -> Sink:
        """Where the rows go; `about` are the facts of the `Description`, `again` fetches a window
        for a sink that has been misled."""
        path = self.path
        if path is None:
            if self.out is None:
                return FrameSink(series, self.decimals)
            assert not isinstance(self.out, str | os.PathLike)
            return CsvStream(self.out, series)
        if _ENDINGS[path.suffix.lower()] == "csv":
            return CsvFile(path, series, Description(**about, decimals="text"), clock)
        decimals = "float" if self.decimals is float else "exact"
        return ParquetFile(path, series, Description(**about, decimals=decimals), clock, again)

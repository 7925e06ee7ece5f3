"""Rows as Parquet, in parts that are joined when all are there.

A part is a file of Arrow's own format, which costs a tenth of what Parquet does to write and to
read once more. It is written beside its name and then renamed, so that what stands in the folder
is whole; its name tells the time that it covers. What a kill leaves is a chain of parts without a
gap, and perhaps a file that nobody has named yet. The finished file tells in its metadata what it
holds: a later download with a later end goes on from there.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, Any, NamedTuple

from bybit_sync.clock import Clock

from .arrow import (
    META,
    arrow_table,
    read_metadata,
    read_part,
    schema_of,
    table_from_text,
    the_package,
    write_part,
)
from .csv_file import csv_text
from .fetch import Row
from .lines import Lines, Reader
from .plan import Task
from .saved import Saved
from .series import Series
from .sink import (
    Description,
    Packed,
    Rows,
    is_about,
    lock,
    read_state,
    sync_folder,
    told_as_config_error,
    write_safely,
)
from .text_table import TextReader, Unread

log = logging.getLogger("bybit_sync.history")

_PATIENCE = 5.0  # seconds between two parts
_PART_ROWS = 50_000


class _Part(NamedTuple):
    """A file that covers a stretch of time."""

    path: Path
    start_ms: int
    until_ms: int


class ParquetFile:
    """A Parquet file that goes on where it stopped."""

    outlives = True

    def __init__(
        self,
        path: Path,
        series: Series,
        description: Description,
        clock: Clock,
        again: Callable[[Task], list[Row]],
    ) -> None:
        """Find what is there already; `again` fetches the rows of a window whose text misled.

        Raises:
            ImportError: pyarrow or numpy is not installed; the message names the command.
            ConfigError: the file or its parts hold something else, or cannot be written.
        """
        the_package()
        self._path = path
        self._folder = path.with_name(path.name + ".parts")
        self._series = series
        self._description = description
        self._schema = schema_of(series, description.decimals)
        self._clock = clock
        self._saved_at = clock.monotonic()
        self._again = again
        self._is_plain = series.is_plain
        self._texts = TextReader(series, self._schema)
        self.reader: Reader[Packed] | None = self._texts if series.is_plain else None
        self._waiting: list[Any] = []  # windows that are in no part yet
        self._taken: tuple[int, int, int | None] = (0, 0, None)  # waiting windows, rows, until
        self._guard: IO[bytes] | None = None
        with told_as_config_error(path):
            self._begin()

    @property
    def until_ms(self) -> int | None:
        """Everything before it has been taken."""
        return self._taken[2]

    @property
    def rows(self) -> int:
        """How many rows have been taken, those of earlier downloads included."""
        return self._taken[1]

    def pack(self, rows: Rows) -> Packed:
        """The rows as lines where they are plain: a part's are read at once, which costs half of
        what a table of each window would. Else as a table."""
        if self._is_plain or isinstance(rows, Lines):
            return Packed(len(rows), csv_text(rows))
        return Packed(len(rows), arrow_table(self._series, self._schema, rows))

    def add(self, packed: Packed, until_ms: int) -> None:
        """Take the next window; now and then a part is written."""
        count, total, _ = self._taken
        self._waiting[count:] = [packed.data]
        # One assignment: an interrupt finds the window whole, or not there.
        self._taken = (count + 1, total + packed.rows, until_ms)
        waiting = total + packed.rows - self._part_rows
        if waiting >= _PART_ROWS or self._clock.monotonic() - self._saved_at >= _PATIENCE:
            self._write_part()

    def keep(self) -> None:
        """Write what is in no part yet."""
        self._write_part()

    def finish(self) -> Saved:
        """Join the parts; the file is there at once, or not yet."""
        self._write_part()
        if self._parts or not self._path.exists():
            self._join()
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        return Saved(self._path, self.rows, self._description.start_ms, self.until_ms)

    def close(self) -> None:
        """Let go of the parts; twice is fine."""
        if self._guard is not None:
            self._guard.close()

    # --- what is there --------------------------------------------------------------------

    def _begin(self) -> None:
        finished = read_metadata(self._path)
        if finished is None and self._path.exists():
            raise is_about(self._path)
        until, rows = None, 0
        if finished is not None:
            state = self._description.check(self._path, finished)
            until, rows = state["until"], state["rows"]
        self._lock_folder()
        try:
            self._parts = self._chain(self._description.start_ms if until is None else until)
            rows += sum(read_part(part.path).num_rows for part in self._parts)
        except BaseException:
            self.close()
            raise
        if self._parts:
            until = self._parts[-1].until_ms
        self._part_rows = rows
        self._part_until = until
        self._taken = (0, rows, until)

    def _lock_folder(self) -> None:
        self._folder.mkdir(exist_ok=True)
        about = self._folder / "download.json"
        state = read_state(about)
        if state is None:
            write_safely(about, json.dumps(self._description.state()))
        else:
            self._description.check(about, state)
        self._guard = about.open("rb")
        try:
            lock(self._guard, self._path)
        except BaseException:
            self._guard.close()
            raise

    def _chain(self, start_ms: int) -> list[_Part]:
        """The parts that follow one another from a moment on; others are of no use any more."""
        found = []
        for path in sorted(self._folder.iterdir()):
            part = _part(path)
            if part is not None and part.start_ms == start_ms:
                found.append(part)
                start_ms = part.until_ms
            elif part is not None or path.suffix == ".tmp":
                path.unlink()
        return found

    # --- writing --------------------------------------------------------------------------

    def _write_part(self) -> None:
        count, _, until = self._taken
        if not count or until is None:
            return
        start = self._description.start_ms if self._part_until is None else self._part_until
        path = self._folder / f"{start:013d}-{until:013d}.arrow"
        table = self._table(self._waiting[:count])
        rows = self._part_rows + table.num_rows  # a window that misled may have others than it told
        beside = path.with_suffix(".tmp")
        with beside.open("wb") as file:
            write_part(table, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(self._folder)
        if not self._parts or self._parts[-1].path != path:  # else an interrupt came in between
            self._parts.append(_Part(path, start, until))
        self._taken = (0, rows, until)
        self._part_rows, self._part_until = rows, until
        self._waiting = []
        self._saved_at = self._clock.monotonic()

    def _table(self, windows: list[Any]) -> Any:
        arrow, _ = the_package()
        tables: list[Any] = []
        for kind, run in groupby(windows, type):
            tables += self._tables(kind, list(run))
        return tables[0] if len(tables) == 1 else arrow.concat_tables(tables).combine_chunks()

    def _tables(self, kind: type, windows: list[Any]) -> list[Any]:
        if kind is Unread:
            return self._read(windows)
        if kind is bytes:
            return [table_from_text(self._series, self._schema, b"".join(windows))]
        return windows

    def _read(self, windows: list[Unread]) -> list[Any]:
        """Tables of the texts that are what they seem, and of rows in place of the others."""
        table = self._texts.table(windows)
        if table is not None:
            return [table]
        if len(windows) > 1:
            return [table for window in windows for table in self._read([window])]
        (window,) = windows
        self.reader = None  # what is yet to come had better be rows at once
        log.info("%s: the window from %d is fetched as rows", self._path, window.task.start_ms)
        return self._tables(bytes, [csv_text(self._again(window.task))])

    def _join(self) -> None:
        """One file of all rows, a part or row group at a time: memory holds no more than one."""
        _, parquet = the_package()
        facts = self._description.state(until=self.until_ms, rows=self.rows)
        schema = self._schema.with_metadata({META: json.dumps(facts)})
        beside = self._path.with_name(self._path.name + ".tmp")
        with beside.open("wb") as file:
            with parquet.ParquetWriter(file, schema, **self._how()) as writer:
                for group in self._groups():
                    # Even a cast that does nothing would load pandas.
                    is_so = group.schema.equals(schema)
                    writer.write_table(group if is_so else group.cast(schema))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        sync_folder(self._path.parent)

    def _how(self) -> dict[str, Any]:
        """Dictionaries for texts, which repeat; of times, which rise evenly, the steps. The least
        and the greatest of the times only, which readers ask for: to find those of numbers costs a
        third of the writing."""
        time = self._series.time
        texts = [column.name for column in self._series.columns if column.type == "text"]
        return {
            "use_dictionary": texts or False,
            "column_encoding": {time: "DELTA_BINARY_PACKED"},
            "write_statistics": [time],
        }

    def _groups(self) -> Iterator[Any]:
        _, parquet = the_package()
        if self._path.exists():
            with parquet.ParquetFile(self._path) as file:
                for number in range(file.num_row_groups):
                    yield file.read_row_group(number)
        for part in self._parts:
            yield read_part(part.path)


def _part(path: Path) -> _Part | None:
    start, _, until = path.stem.partition("-")
    if path.suffix != ".arrow" or not (start.isdecimal() and until.isdecimal()):
        return None
    return _Part(path, int(start), int(until))

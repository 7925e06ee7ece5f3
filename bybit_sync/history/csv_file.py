"""Rows as CSV: texts exactly as Bybit sent them, times in unix milliseconds.

A checkpoint beside the file says how many of its bytes are whole windows. What stands behind them
after a kill is cut off when the download goes on.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal

from bybit_sync.clock import Clock

from .fetch import Row
from .lines import Lines, lines_of
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

_PATIENCE = 1.0  # seconds between two checkpoints


class CsvFile:
    """A CSV file that goes on where it stopped."""

    outlives = True
    reader = staticmethod(lines_of)

    def __init__(self, path: Path, series: Series, description: Description, clock: Clock) -> None:
        """Open it, and cut off what no checkpoint covers.

        Raises:
            ConfigError: it holds something else, or cannot be written.
        """
        self._path = path
        self._checkpoint = path.with_name(path.name + ".checkpoint")
        self._description = description
        self._clock = clock
        self._saved_at = clock.monotonic()
        with told_as_config_error(path):
            state = read_state(self._checkpoint)
            if state is not None:
                state = description.check(self._checkpoint, state)
            elif path.exists() and path.stat().st_size:
                raise is_about(path)
            # Not "a": that would write behind the end, whatever is cut off.
            self._file: IO[bytes] = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        try:
            lock(self._file, path)
            self._begin(series, state)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, series: Series, state: dict[str, Any] | None) -> None:
        """Stand behind the last whole window; the header counts as one."""
        self._is_plain = series.is_plain
        if state is None or state["bytes"] > self._path.stat().st_size:
            state = {"bytes": 0, "rows": 0, "until": None}  # the file was removed, or is another
        self._whole: tuple[int, int, int | None] = (state["bytes"], state["rows"], state["until"])
        self._back_to_whole()
        if not self._whole[0]:
            self._save()  # a kill from here on must not leave a file that nobody knows
            written = self._file.write(csv_text([series.names]))
            self._whole = (written, 0, None)
            self._save()

    @property
    def until_ms(self) -> int | None:
        """Everything before it is in the file."""
        return self._whole[2]

    @property
    def rows(self) -> int:
        """How many rows the file holds."""
        return self._whole[1]

    def pack(self, rows: Rows) -> Packed:
        """The rows as lines."""
        return Packed(len(rows), csv_text(rows, is_plain=self._is_plain))

    def add(self, packed: Packed, until_ms: int) -> None:
        """Write the next window."""
        size, count, _ = self._whole
        written = self._file.write(packed.data)
        # One assignment: an interrupt finds the window whole, or not there.
        self._whole = (size + written, count + packed.rows, until_ms)
        if self._clock.monotonic() - self._saved_at >= _PATIENCE:
            self._save()

    def keep(self) -> None:
        """Make the whole windows last."""
        self._back_to_whole()
        self._save()

    def finish(self) -> Saved:
        """Make everything last."""
        self._save()
        sync_folder(self._path.parent)
        return Saved(self._path, self.rows, self._description.start_ms, self.until_ms)

    def close(self) -> None:
        """Let go of the file; twice is fine."""
        self._file.close()

    def _back_to_whole(self) -> None:
        self._file.flush()
        self._file.seek(self._whole[0])
        self._file.truncate()

    def _save(self) -> None:
        """The data first: a checkpoint must never tell of more than there is."""
        self._file.flush()
        os.fsync(self._file.fileno())
        size, rows, until = self._whole
        state = self._description.state(bytes=size, rows=rows, until=until)
        write_safely(self._checkpoint, json.dumps(state))
        self._saved_at = self._clock.monotonic()


class CsvStream:
    """CSV on a stream: nothing to go on from."""

    outlives = False
    reader = staticmethod(lines_of)
    until_ms: int | None = None
    rows = 0

    def __init__(self, stream: IO[str], series: Series) -> None:
        self._stream = stream
        self._is_plain = series.is_plain
        self._stream.write(csv_text([series.names]).decode())

    def pack(self, rows: Rows) -> Packed:
        """The rows as lines."""
        return Packed(len(rows), csv_text(rows, is_plain=self._is_plain).decode())

    def add(self, packed: Packed, until_ms: int) -> None:
        """Write the next window."""
        self._stream.write(packed.data)
        self.rows += packed.rows
        self.until_ms = until_ms

    def keep(self) -> None:
        """Let the reader see what there is."""
        self._stream.flush()

    def finish(self) -> int:
        """How many rows were written."""
        self._stream.flush()
        return self.rows

    def close(self) -> None:
        """The stream is the caller's."""


def csv_text(rows: Rows, *, is_plain: bool = True) -> bytes:
    """Rows as lines; None is an empty field, and what is nested is JSON."""
    if isinstance(rows, Lines):
        return rows.text
    if is_plain and (joined := _joined(rows)) is not None:
        return joined
    if not is_plain:
        rows = [[_plain(value) for value in row] for row in rows]
    text = _written(rows, csv.QUOTE_MINIMAL)
    if "\r" in text:  # which the writer does not quote, but readers take for a line's end
        text = _written(rows, csv.QUOTE_ALL)
    return text.encode("utf-8")


def _written(rows: Sequence[Row], quoting: Literal[0, 1]) -> str:
    lines = io.StringIO(newline="")
    csv.writer(lines, lineterminator="\n", quoting=quoting).writerows(rows)
    return lines.getvalue()


def _joined(rows: Sequence[Row]) -> bytes | None:
    """The lines of texts in which nothing needs quotes; None where something does. A tenth of what
    the writer takes."""
    try:
        text = "\n".join(map(",".join, rows))
    except TypeError:  # a None
        return None
    commas = sum(map(len, rows)) - len(rows)
    if text.count(",") != commas or text.count("\n") + 1 != len(rows):
        return None
    if '"' in text or "\r" in text:
        return None
    return f"{text}\n".encode()


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else value

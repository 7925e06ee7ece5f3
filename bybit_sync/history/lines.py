"""Candles as lines of CSV, made of an answer's text without making rows of it first.

Bybit's list ``["1704067260000","1.5",…],["1704067200000","1.4",…]`` is turned around and loses its
quotes and brackets. That is done only where the text proves to be what it should be from end to
end, so that the lines are those that its rows would have made; all else goes the way of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from operator import lt
from typing import Any, Generic, TypeVar

from bybit_sync.api._paging import PAGING

from .plan import Task

_DIGITS = b"0123456789"
_NUMERIC = _DIGITS + b".-"
_TIME_DIGITS = 13  # of unix milliseconds from 2001 to 2286: so texts are in the order of numbers


@dataclass(frozen=True, slots=True)
class Lines:
    """A window's rows as lines, each with its end: oldest first, and none needs quotes."""

    rows: int
    text: bytes

    def __len__(self) -> int:
        return self.rows


Taken = TypeVar("Taken")
Reader = Callable[[Task, bytes], Taken | None]
"""Makes something of the text of a task's rows, newest first, if these are all of them."""


class TextTaker(Generic[Taken]):
    """Takes the candles of a task out of its first answer, if that holds all of them.

    Belongs to the thread that fetches the task.
    """

    def __init__(self, task: Task, read: Reader[Taken]) -> None:
        self._task = task
        self._read = read
        self._is_open = True
        self.taken: Taken | None = None
        """What the reader has made of it."""

    def close(self) -> None:
        """Take nothing more: a further page is not all of the window."""
        self._is_open = False

    def __call__(self, text: bytes) -> bool:
        """Whether the text of the answer's list was all that was wanted, and is `taken`."""
        if self._is_open:
            self.taken = self._read(self._task, text)
        return self._is_open and self.taken is not None


def has_lines(task: Task) -> bool:
    """Whether an answer may be the task's lines: rows of plain values, the time first, the newest
    row at the top, and no more pages than it takes to reach the window's start."""
    series = task.series
    paging = PAGING[series.endpoint]
    return (
        task.is_on_grid
        and series.is_plain
        and paging.time_field == series.time_place == 0
        and paging.max_span_ms is None
        and not paging.is_oldest_first
    )


def lines_of(task: Task, text: bytes) -> Lines | None:
    """The window's lines from the inside of a JSON list of rows, newest first.

    None unless it is without a doubt all of the window: rows of numbers in quotes with nothing
    between, as many in each as the series has columns, each a moment later than the one before,
    and the first at the window's start (a page that ends later is followed by another).
    """
    if text[:1] != b'"' or text[-1:] != b'"':
        return None
    lines = text[1:-1].split(b'"],["')
    lines.reverse()
    if not _is_whole(task, [line[: _TIME_DIGITS + 1] for line in lines]):
        return None
    count = len(lines)
    lines.append(b"")  # so that the last one, too, has its end
    quoted = b"\n".join(lines)
    plain = quoted.translate(None, b'"')
    commas = len(task.series.columns) - 1
    # Every quote belongs to one of the three characters between two values, every comma as well,
    # and between those is nothing but numbers: so this is what JSON would have read.
    separators = quoted.count(b'","')
    if separators != count * commas or len(quoted) - len(plain) != 2 * separators:
        return None
    if plain.translate(None, _NUMERIC) != (b"," * commas + b"\n") * count:
        return None
    return Lines(count, plain)


def _is_whole(task: Task, starts: list[bytes]) -> bool:
    """Whether lines that start so begin with times that rise from the window's start to its end."""
    joined = b"".join(starts)
    times = joined.translate(None, b'"')
    return (
        joined[_TIME_DIGITS :: _TIME_DIGITS + 1] == b'"' * len(starts)
        and times.isdigit()
        and rises(starts)
        and int(times[:_TIME_DIGITS]) == task.start_ms
        and int(times[-_TIME_DIGITS:]) < task.end_ms
    )


def rises(values: list[Any]) -> bool:
    """Whether each is greater than the one before."""
    later: Iterable[Any] = islice(values, 1, None)
    return all(map(lt, values, later))

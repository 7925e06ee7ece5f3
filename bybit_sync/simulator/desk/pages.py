"""Pages of a history, newest first, and the cursors between them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, unquote

from ..answer import Params, number, text
from ..refusal import bad_params

T = TypeVar("T")
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, both ends included."""

    start_ms: int
    end_ms: int


def window(params: Params, now_ms: int, default_ms: int = WEEK_MS) -> Window:
    """The time asked for, at most seven days; the last `default_ms` when nothing is asked.

    Raises:
        Refusal: the two times are the wrong way round or too far apart.
    """
    start, end = number(params, "startTime"), number(params, "endTime")
    if start is None and end is None:
        return Window(now_ms - default_ms, now_ms)
    if start is None:
        assert end is not None
        return Window(end - WEEK_MS, end)
    if end is None:
        return Window(start, start + WEEK_MS)
    if end < start:
        raise bad_params("params error: startTime is after endTime")
    if end - start > WEEK_MS:
        raise bad_params("params error: startTime and endTime span more than 7 days")
    return Window(start, end)


def page(
    rows: Sequence[T],
    name: Callable[[T], str],
    time_ms: Callable[[T], int],
    fits: Callable[[T], bool],
    *,
    within: Window | None,
    limit: int,
    params: Params,
    place: Callable[[T], int] | None = None,
) -> tuple[list[T], str]:
    """The newest `limit` rows that fit, before the place where the cursor says, and the cursor to
    what follows ("" at the end). `rows` are oldest first; where rows may vanish between two pages,
    `place` gives a number of each that rises and stays.

    Raises:
        Refusal: the cursor is none of ours.
    """
    found: list[tuple[int, T]] = []
    for index in range(_start(rows, params, place) - 1, -1, -1):
        item = rows[index]
        at = time_ms(item)
        if within is not None and at < within.start_ms:
            break
        if (within is None or at <= within.end_ms) and fits(item):
            if len(found) == limit:
                return [item for _, item in found], _cursor(found, name)
            found.append((place(item) if place else index, item))
    return [item for _, item in found], ""


def _start(rows: Sequence[T], params: Params, place: Callable[[T], int] | None) -> int:
    """The index behind the first row to look at. A cursor may come as it was given out or with
    its percent signs decoded: clients differ in that."""
    cursor = unquote(text(params, "cursor"))
    if not cursor:
        return len(rows)
    try:
        last = int(cursor.rsplit(":", 1)[1])
    except (IndexError, ValueError):
        raise bad_params("params error: cursor invalid") from None
    return min(last, len(rows)) if place is None else bisect_left(rows, last, key=place)


def _cursor(found: list[tuple[int, T]], name: Callable[[T], str]) -> str:
    (first, newest), (last, oldest) = found[0], found[-1]
    return quote(f"{name(newest)}:{first},{name(oldest)}:{last}", safe="")

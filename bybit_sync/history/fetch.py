"""Fetches one task: the only part of a download that talks to the exchange.

`fetch` brings rows. `fetch_lines` brings the text of candles where the answer is the usual one, for
less than half of what rows, and lines made of them, cost; where it cannot be sure, it brings rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from bybit_sync.api._paging import PAGING
from bybit_sync.call.records import DEFAULT_OPTIONS
from bybit_sync.exceptions import BadAnswerError

from .lines import Lines, Reader, Taken, TextTaker, has_lines, lines_of, rises
from .plan import Task

if TYPE_CHECKING:
    from bybit_sync.client import BybitClient

log = logging.getLogger("bybit_sync.history")

Row = Sequence[Any]
"""The values of a row in the order of the series' columns, as Bybit sent them."""

_told: set[tuple[str, str]] = set()


def fetch(client: BybitClient, task: Task) -> list[Row]:
    """The task's rows, oldest first. It keeps no state: it may run again, or in another process.

    Raises:
        BybitError: they could not be had.
    """
    return _put_together(task, _pages(client, task, task.params))


def fetch_lines(client: BybitClient, task: Task) -> Lines | list[Row]:
    """The task's rows as lines of CSV where they can be had so, else as `fetch`: oldest first.

    Raises:
        BybitError: they could not be had.
    """
    return fetch_text(client, task, lines_of)


def fetch_text(client: BybitClient, task: Task, read: Reader[Taken]) -> Taken | list[Row]:
    """What a reader makes of the text of the task's rows, where it can, else as `fetch`.

    Raises:
        BybitError: they could not be had.
    """
    if not has_lines(task):
        return fetch(client, task)
    taker = TextTaker(task, read)
    options = replace(task.params.get("options", DEFAULT_OPTIONS), take_list=taker)
    pages = []
    for page in _pages(client, task, {**task.params, "options": options}):
        taker.close()
        pages.append(page)
    return taker.taken if taker.taken is not None else _put_together(task, pages)


def _pages(client: BybitClient, task: Task, params: Mapping[str, Any]) -> Iterator[list[Any]]:
    paging = PAGING[task.series.endpoint]
    group, name = task.series.endpoint.split(".")
    window = {paging.start_param: task.start_ms, paging.end_param: task.end_ms - 1}
    return client.pages(getattr(getattr(client, group), name), **params, **window).pages()


def _put_together(task: Task, pages: Iterable[list[Any]]) -> list[Row]:
    series = task.series
    rows: list[Any] = []
    for page in pages:
        rows += page
    rows.reverse()
    if rows and isinstance(rows[0], dict):
        _tell_new_fields(series.endpoint, series.names, rows[-1])
        rows = [list(map(row.get, series.names)) for row in rows]
    return _in_order(task, rows)


def _in_order(task: Task, rows: list[Row]) -> list[Row]:
    """The rows by time. On a grid each time is there once, and none is outside of the window."""
    place = task.series.time_place
    try:
        times = list(map(int, map(itemgetter(place), rows)))
    except (TypeError, ValueError, IndexError) as error:
        raise BadAnswerError(
            f"{task.series.endpoint}: a row of the answer has no {task.series.time}: {error}",
            effect_unknown=False,
        ) from error
    if task.is_on_grid:
        if rises(times) and (not times or _is_inside(task, times[0], times[-1])):
            return rows  # as it nearly always is
        by_time = {at: row for at, row in zip(times, rows, strict=True) if _is_inside(task, at, at)}
        return [by_time[at] for at in sorted(by_time)]
    if rises(times):
        return rows
    return [row for _, row in sorted(zip(times, rows, strict=True), key=itemgetter(0))]


def _is_inside(task: Task, first_ms: int, last_ms: int) -> bool:
    return task.start_ms <= first_ms and last_ms < task.end_ms


def _tell_new_fields(endpoint: str, names: Sequence[str], row: dict[str, Any]) -> None:
    """A field that Bybit has added since is not kept: say so, once."""
    for name in row.keys() - set(names):
        if (endpoint, name) not in _told:
            _told.add((endpoint, name))
            log.warning("%s: the field %s is new, and is not kept in the history", endpoint, name)

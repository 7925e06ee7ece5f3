"""A reply as columns and rows: a table for people, tab-separated lines for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from bybit_sync.call.moments import to_iso
from bybit_sync.frames import columns_of, kind_of

if TYPE_CHECKING:
    from rich.table import Table

    from bybit_sync.call.reply import Reply

_SIDES = (("b", "bid"), ("a", "ask"))
_LONGEST_CELL = 80
_BORDERS = 3


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows under named columns, every value as Bybit sent it."""

    endpoint: str
    names: tuple[str, ...]
    rows: list[list[Any]]

    def only(self, names: Sequence[str]) -> Grid:
        """These columns, in this order.

        Raises:
            click.UsageError: there is no such column.
        """
        for name in names:
            if name not in self.names:
                raise click.UsageError(f"no column {name!r}; there are {', '.join(self.names)}")
        places = [self.names.index(name) for name in names]
        return Grid(self.endpoint, tuple(names), [[row[i] for i in places] for row in self.rows])

    def lines(self) -> list[str]:
        """A head and a line per row, with tabs between, for programs."""
        head = "\t".join(self.names)
        return [head, *("\t".join(_plain(cell) for cell in row) for row in self.rows)]


def grid_of(reply: Reply[Any]) -> Grid:
    """The rows of a reply; both sides of an order book with their ``side`` first."""
    names: Sequence[str] = columns_of(reply.endpoint)
    result = reply.get("result")
    if names and isinstance(result, dict) and all(field in result for field, _ in _SIDES):
        levels = [[side, *level] for field, side in _SIDES for level in result[field] or ()]
        return Grid(reply.endpoint, ("side", *names), levels)
    rows = reply.rows()
    if rows and all(isinstance(row, dict) for row in rows):
        fields = tuple(dict.fromkeys(name for row in rows for name in row))
        return Grid(
            reply.endpoint, fields, [[row.get(name, "") for name in fields] for row in rows]
        )
    lists = [row if isinstance(row, list) else [row] for row in rows]
    width = max(map(len, lists), default=0)
    heads = (*names[:width], *(str(place) for place in range(len(names), width)))
    return Grid(reply.endpoint, heads, [row + [""] * (width - len(row)) for row in lists])


def table_of(grid: Grid, width: int) -> tuple[Table, int]:
    """The grid as a table that is at most so wide, and how many columns found no room.

    A single row is shown field by field. Columns that are empty in all rows go first, then the
    last ones.
    """
    from rich.markup import escape
    from rich.table import Table

    texts = [[_shown(grid, i, cell) for i, cell in enumerate(row)] for row in grid.rows]
    if len(texts) == 1:
        table = Table("field", "value", title=grid.endpoint, title_justify="left")
        for name, text in zip(grid.names, texts[0], strict=True):
            table.add_row(escape(name), escape(text))
        return table, 0
    places = _fitting(grid.names, texts, width)
    table = Table(title=grid.endpoint, title_justify="left")
    for i in places:
        justify: Any = "right" if all(_is_number(row[i]) for row in texts) else "left"
        table.add_column(escape(grid.names[i]), justify=justify, no_wrap=True)
    for row in texts:
        table.add_row(*(escape(row[i]) for i in places))
    return table, len(grid.names) - len(places)


def _fitting(names: Sequence[str], texts: list[list[str]], width: int) -> list[int]:
    widths = [max([len(name), *(len(row[i]) for row in texts)]) for i, name in enumerate(names)]
    full = [i for i in range(len(names)) if any(row[i] for row in texts)] or [0]
    room = width - 1
    places: list[int] = []
    for i in full:
        room -= widths[i] + _BORDERS
        if room < 0 and places:
            break
        places.append(i)
    return places


def _shown(grid: Grid, place: int, value: Any) -> str:
    if kind_of(grid.endpoint, grid.names[place]) == "time_ms" and _is_moment(value):
        return to_iso(int(value))
    text = _plain(value)
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _is_moment(value: Any) -> bool:
    text = str(value)
    return text.isdecimal() and 0 < int(text) < 10**14  # 0 is Bybit's "never"


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return " ".join(value.split("\n")).replace("\t", " ")


def _is_number(text: str) -> bool:
    return text == "" or text.lstrip("+-").replace(".", "", 1).isdecimal()

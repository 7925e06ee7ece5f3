"""What a runner shows: figures of the moment, and of a run that is over."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bybit_sync.exceptions import ConfigError

from .strategy import BACKING_OFF, FAILED, QUEUED, RUNNING, StrategyStats

if TYPE_CHECKING:
    from rich.table import Table

_ROWS = 30
_ERROR_LENGTH = 60
_HEAD = ("strategy", "status", "runs", "errors", "overruns", "lag max", "step mean", "last error")
_NUMBERS = range(2, 7)  # the columns that are aligned to the right


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerStats:
    """A runner at one moment."""

    strategies: Mapping[str, StrategyStats]
    """By name, in the order in which they were added."""

    @property
    def running(self) -> int:
        """Steps that run now."""
        return self._count(RUNNING)

    @property
    def queued(self) -> int:
        """Steps that are due and wait for a worker."""
        return self._count(QUEUED)

    @property
    def runs(self) -> int:
        """Steps that have ended."""
        return sum(each.runs for each in self.strategies.values())

    @property
    def errors(self) -> int:
        """… of them with an exception."""
        return sum(each.errors for each in self.strategies.values())

    def _count(self, status: str) -> int:
        return sum(each.status == status for each in self.strategies.values())

    def headline(self) -> str:
        """The sums, in a line."""
        return (
            f"{len(self.strategies)} strategies, {self.running} running, {self.queued} queued; "
            f"{self.runs} steps, {self.errors} errors"
        )

    def __str__(self) -> str:
        return "\n".join([self.headline(), *_lines(self.strategies.values())])

    def _repr_html_(self) -> str:
        return as_html(self.headline(), self.strategies.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How a run ended. ``print(report)`` shows all of it."""

    reason: str
    """``duration``, ``stopped``, ``SIGINT``, ``SIGTERM``, or ``over``: no strategy was left."""
    seconds: float
    """How long it ran, the drain included."""
    stats: RunnerStats
    left: Sequence[str] = ()
    """A line for each strategy that had not ended when the drain was over, and where it was."""

    @property
    def exit_code(self) -> int:
        """0 where all ended well; 1 where a step was left behind or a strategy failed for good."""
        has_failed = any(each.status == FAILED for each in self.stats.strategies.values())
        return 1 if self.left or has_failed else 0

    def __str__(self) -> str:
        head = f"ended after {self.seconds:.1f} s ({self.reason}): {self.stats.headline()}"
        left = [f"left behind: {each}" for each in self.left]
        return "\n".join([head, *_lines(self.stats.strategies.values()), *left])

    def _repr_html_(self) -> str:
        head = f"ended after {self.seconds:.1f} s ({self.reason}): {self.stats.headline()}"
        left = "".join(f"<p>left behind: {html.escape(each)}</p>" for each in self.left)
        return as_html(head, self.stats.strategies.values()) + left


def _row(one: StrategyStats) -> tuple[str, ...]:
    return (
        one.name,
        one.status,
        str(one.runs),
        str(one.errors),
        str(one.overruns),
        f"{one.lag_max * 1000:.0f} ms",
        f"{one.mean_seconds * 1000:.1f} ms",
        one.last_error.replace("\n", " ")[:_ERROR_LENGTH],
    )


def _worst(strategies: Iterable[StrategyStats]) -> tuple[list[StrategyStats], int]:
    """Those that a person should look at, first, and how many more there are."""
    every = list(strategies)
    if len(every) > _ROWS:
        every.sort(key=_trouble, reverse=True)
    return every[:_ROWS], max(0, len(every) - _ROWS)


def _trouble(one: StrategyStats) -> tuple[bool, int, int, float]:
    return one.status in (FAILED, BACKING_OFF), one.errors, one.overruns, one.lag_max


def _lines(strategies: Iterable[StrategyStats]) -> list[str]:
    """The table as aligned text."""
    shown, more = _worst(strategies)
    rows = [_HEAD, *map(_row, shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in _NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*lines, f"… and {more} more"] if more else lines


def as_html(head: str, strategies: Iterable[StrategyStats]) -> str:
    """The table for a notebook."""
    shown, more = _worst(strategies)
    rows = "".join(_html_row("td", _row(each)) for each in shown)
    rest = f"<p>… and {more} more</p>" if more else ""
    return f"<p>{html.escape(head)}</p><table>{_html_row('th', _HEAD)}{rows}</table>{rest}"


def _html_row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def as_rich(stats: RunnerStats) -> Table:
    """The table for a terminal.

    Raises:
        ConfigError: rich is not installed.
    """
    try:
        from rich.table import Table  # here: an extra
        from rich.text import Text
    except ImportError as error:
        raise ConfigError(
            'a live table needs the extra "cli": pip install "bybit-sync[cli]"'
        ) from error
    shown, more = _worst(stats.strategies.values())
    caption = f"… and {more} more" if more else None
    table = Table(title=stats.headline(), caption=caption, title_justify="left")
    for column, name in enumerate(_HEAD):
        table.add_column(name, justify="right" if column in _NUMBERS else "left")
    for each in shown:
        # Plain text: square brackets in a name are no markup.
        cells = [Text(cell) for cell in _row(each)]
        table.add_row(*cells, style="red" if each.status in (FAILED, BACKING_OFF) else None)
    return table

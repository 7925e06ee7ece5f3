"""A table that is kept up to date while a runner runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bybit_sync.exceptions import ConfigError
from bybit_sync.notebook.shell import is_notebook

from .report import RunnerStats, as_rich

REFRESH_SECONDS = 0.5


@contextmanager
def live_table(read: Callable[[], RunnerStats]) -> Iterator[Callable[[], None]]:
    """Show a table; yields what refreshes it. In a notebook it is drawn below the cell, in a
    terminal on stderr.

    Raises:
        ConfigError: rich is not installed, which a terminal needs.
    """
    if is_notebook():
        yield _in_notebook(read)
        return
    as_rich(read())  # says what to install, before the display is begun
    from rich.console import Console
    from rich.live import Live

    with Live(as_rich(read()), console=Console(stderr=True), auto_refresh=False) as live:
        yield lambda: live.update(as_rich(read()), refresh=True)


def _in_notebook(read: Callable[[], RunnerStats]) -> Callable[[], None]:
    try:
        from IPython.display import display
    except ImportError as error:  # pragma: no cover - a kernel without IPython is none
        raise ConfigError('a notebook needs: pip install "bybit-sync[jupyter]"') from error
    show: Any = display  # it has no types
    handle = show(read(), display_id=True)

    def refresh() -> None:
        handle.update(read())

    return refresh

"""A bar that shows how far a download is, where somebody can see it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any, Protocol

from bybit_sync.notebook.shell import is_notebook


class Progress(Protocol):
    """What the download tells as it goes."""

    def update(self, n: int) -> Any:
        """So many windows more are done."""
        ...

    def set_postfix_str(self, s: str) -> Any:
        """What to show beside the bar."""
        ...

    def close(self) -> Any:
        """It is over."""
        ...


class Silent:
    """Shows nothing."""

    def update(self, n: int) -> None:
        """Nothing."""

    def set_postfix_str(self, s: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def progress_bar(total: int, name: str, wanted: bool | None) -> Progress:
    """A bar of `total` windows on stderr; None shows it on a terminal and in a notebook only.

    Raises:
        ImportError: it is wanted, and tqdm is not installed.
    """
    if wanted is False or (wanted is None and not (_is_terminal() or is_notebook())):
        return Silent()
    try:
        bar: Progress = _tqdm()(total=total, desc=name, unit="window", leave=False)
    except ImportError as error:
        if wanted is None:
            return Silent()
        raise ImportError('progress needs tqdm: pip install "bybit-sync[history]"') from error
    return bar


def _tqdm() -> Any:
    """A bar of text on a terminal, one of HTML in a notebook that can show it."""
    from tqdm import tqdm as plain  # here: an extra

    if is_notebook() and find_spec("ipywidgets") is None:
        return plain  # tqdm.auto would warn below the cell, and do the same
    from tqdm.auto import tqdm

    return tqdm


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()

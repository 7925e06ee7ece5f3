"""A bar that shows how far a download is, where somebody can see it."""

from __future__ import annotations

import sys
from typing import Any, Protocol


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
    if wanted is False or (wanted is None and not (_is_terminal() or _is_notebook())):
        return Silent()
    try:
        from tqdm.auto import tqdm  # here: an extra
    except ImportError as error:
        if wanted is None:
            return Silent()
        raise ImportError('progress needs tqdm: pip install "bybit-sync[history]"') from error
    bar: Progress = tqdm(total=total, desc=name, unit="window", leave=False)
    return bar


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _is_notebook() -> bool:
    """Whether a notebook's kernel runs this; asks without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"

"""The notebook around us, if there is one; nobody imports IPython who does not have it already."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def is_notebook() -> bool:
    """True in a kernel that shows HTML: Jupyter's, Colab's, VS Code's. IPython in a terminal
    has no kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def show(html: str) -> Callable[[str], None]:
    """Show HTML below the cell that runs; returns what puts other HTML in its place, from any
    thread and while other cells run."""
    from IPython.display import HTML, display

    make: Any = HTML  # IPython has no types
    handle: Any = display(make(html), display_id=True)  # type: ignore[no-untyped-call]
    return lambda newer: handle.update(make(newer))

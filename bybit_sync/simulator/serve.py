"""The local exchange in this process, for the command line."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from .errors import SimulatorError
from .ready import Ready
from .settings import EXTRA, Settings


def serve(
    settings: Settings,
    ready: Callable[[Ready], None],
    *,
    directory: str | None = None,
    child: bool = False,
) -> None:
    """Run an exchange until SIGTERM or Ctrl-C, in the main thread.

    ``ready`` is told where it is, once it accepts connections. The CA file lies in `directory`, or
    in one of our own that is removed at the end. A `child` stops when its standard input ends and
    leaves Ctrl-C to its parent.

    Raises:
        SimulatorError: a package is missing, the port is taken, the state file is not ours.
    """
    try:
        from .server.run import run
    except ModuleNotFoundError as error:
        raise SimulatorError(f"{EXTRA} ({error.name} is missing)") from error
    place = Path(directory) if directory is not None else Path(tempfile.mkdtemp(prefix="bybit-"))
    try:
        run(settings, place, ready, child=child)
    except OSError as error:
        raise SimulatorError(f"the exchange cannot run: {error}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)

"""The local exchange in this process, for the command line."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
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
    with _place(directory) as place:
        try:
            from .server.run import run

            run(settings, place, ready, child=child)
        except ModuleNotFoundError as error:
            raise SimulatorError(f"{EXTRA} ({error.name} is missing)") from error
        except OSError as error:
            raise SimulatorError(f"the exchange cannot run: {error}") from error


@contextlib.contextmanager
def _place(directory: str | None) -> Iterator[Path]:
    if directory is None:
        with tempfile.TemporaryDirectory(prefix="bybit-exchange-") as own:
            yield Path(own)
        return
    yield Path(directory)
    # Only after an end in order: the log of a failure is for the parent to read.
    shutil.rmtree(directory, ignore_errors=True)

"""Keys that are pressed while a screen is shown, without Enter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bybit_sync.clock import SYSTEM_CLOCK

_LOOK_EVERY = 0.05

Wait = Callable[[float], str]


@contextmanager
def keys() -> Iterator[Wait]:
    """A function that waits so many seconds for a key; "" where none came.

    The terminal is put back at the end, also after Ctrl-C. Without a terminal no key ever comes.
    """
    if not sys.stdin.isatty():
        yield _no_key
    elif sys.platform == "win32":
        yield _windows_key
    else:
        with _unbuffered() as wait:
            yield wait


def _no_key(seconds: float) -> str:
    SYSTEM_CLOCK.sleep(seconds)
    return ""


@contextmanager
def _unbuffered() -> Iterator[Wait]:
    import select
    import termios
    import tty

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)

    def wait(seconds: float) -> str:
        ready, _, _ = select.select([stdin], [], [], seconds)
        return sys.stdin.read(1) if ready else ""

    tty.setcbreak(stdin)  # Ctrl-C still interrupts
    try:
        yield wait
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def _windows_key(seconds: float) -> str:
    import msvcrt

    end = SYSTEM_CLOCK.monotonic() + seconds
    while SYSTEM_CLOCK.monotonic() < end:
        if msvcrt.kbhit():  # type: ignore[attr-defined]
            return str(msvcrt.getwch())  # type: ignore[attr-defined]
        SYSTEM_CLOCK.sleep(_LOOK_EVERY)
    return ""

"""Ctrl-C and SIGTERM as words instead of exceptions, while a runner runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NAMES = tuple(each.name for each in SIGNALS)


@contextmanager
def heard(hear: Callable[[str], None]) -> Iterator[None]:
    """Meanwhile, call ``hear("SIGTERM")`` and the like, in place of what was done before.

    `hear` runs in the middle of whatever the main thread does: it may take no lock. On another
    than the main thread nothing changes, for only that one may set handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        hear(signal.Signals(number).name)

    before: dict[signal.Signals, Any] = {}
    try:
        for each in SIGNALS:
            before[each] = signal.signal(each, handle)
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, signal.SIG_DFL if handler is None else handler)

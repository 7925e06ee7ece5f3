"""Parts of a client that are made at first use and end with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from bybit_sync.forking import renew_after_fork


class Closable(Protocol):
    """What holds something."""

    def close(self) -> None:
        """Give back what is held; twice is fine."""


class Once:
    """A part that is made at first use, by whichever thread comes first, and ends with the client.

    The lock guards the part, and is held while it is made.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._part: Any = None
        self._is_closed = False

    def get(self) -> Any:
        """The part."""
        if self._part is None:
            with self._lock:
                if self._part is None:
                    part = self._make()
                    if self._is_closed:
                        part.close()
                    self._part = part
        return self._part

    def close(self) -> None:
        """End the part, if there is one."""
        with self._lock:
            self._is_closed = True
        if self._part is not None:
            self._part.close()


class Stopping:
    """A local exchange, as one of the parts that end with the client."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self.close = stop


def end(*parts: Closable) -> None:
    """Close them, in this order."""
    for part in parts:
        part.close()

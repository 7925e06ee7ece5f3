"""What stops every call while Bybit has shut the address out (HTTP 403, at least ten minutes)."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

from bybit_sync.clock import Clock
from bybit_sync.exceptions import IpBannedError
from bybit_sync.forking import renew_after_fork

BAN_SECONDS = 600.0
"""How long Bybit shuts out an address at least."""
PROBE_SECONDS = 10.0
"""After a ban one call goes ahead; while nothing is heard of it, the next follows after so long."""


class Breaker:
    """Open while the address is shut out; then lets one call try, and all once it succeeds.

    The lock guards the moment at which the next call may try.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._until: float | None = None
        self.is_open = False
        """True while not every call may go."""

    @property
    def seconds_left(self) -> float:
        """Seconds until a call may try whether the ban is over; 0 where none is held back."""
        until = self._until
        return 0.0 if until is None else max(0.0, until - self._clock.monotonic())

    def admit(self) -> bool:
        """Pass, or say until when not; True if the caller is the one who tries.

        Raises:
            IpBannedError: the ban lasts, or another call is just trying whether it is over.
        """
        with self._lock:
            until, now = self._until, self._clock.monotonic()
            if until is None:
                return False
            if until <= now:
                self._until = now + PROBE_SECONDS
                return True
        back = self._clock.wall() + until - now
        raise IpBannedError(
            f"Bybit has shut this address out; nothing is sent before {clock_time(back)}",
            until=back,
            effect_unknown=False,
        )

    def open(self, seconds: float = BAN_SECONDS) -> None:
        """Stop everything for so long."""
        with self._lock:
            self._until = self._clock.monotonic() + seconds
            self.is_open = True

    def close(self) -> None:
        """The call that tried was answered: the ban is over."""
        with self._lock:
            self._until = None
            self.is_open = False


def clock_time(unix_seconds: float) -> str:
    """A moment as a person reads it."""
    return datetime.fromtimestamp(unix_seconds, timezone.utc).strftime("%H:%M:%S UTC")

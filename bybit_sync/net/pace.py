"""How fast a host that takes no connections is tried again."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from bybit_sync.clock import Clock, Deadline

_SPACING_SECONDS = 0.006
"""Between two attempts: some 17 in 100 ms, however many threads call."""
_WATCHED_SECONDS = 1.0
"""How long after a failure attempts are still spaced out."""


@dataclass(slots=True)
class _Line:
    """Those who want to connect to one host that has failed."""

    watched_until: float
    next_turn: float
    may_start_at: float


class Pace:
    """Spaces out the attempts to connect to a host that has just failed.

    A server that comes back must not be met by every waiting thread in the same moment; a refused
    connection costs next to nothing, so nothing else would hold them back. A host that takes
    connections is not slowed down. The lock guards the lines.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}

    def take_turn(self, host: str, deadline: Deadline) -> None:
        """Return when it is this caller's turn to connect: at once, unless the host has failed.

        Raises:
            TimeoutError: the deadline comes before the turn.
        """
        if host not in self._lines:
            return
        wait = self._book(host, deadline)
        while wait > 0.0:
            self._clock.sleep(wait)
            wait = self._start(host)

    def _book(self, host: str, deadline: Deadline) -> float:
        """Seconds until this caller's turn, which is now taken."""
        with self._lock:
            now = self._clock.monotonic()
            line = self._lines.get(host)
            if line is None or now >= line.watched_until:
                self._lines.pop(host, None)
                return 0.0
            turn = max(now, line.next_turn)
            if turn - now > deadline.remaining():
                raise TimeoutError("too many others are trying to connect")
            line.next_turn = turn + _SPACING_SECONDS
            if turn > now:
                return turn - now
            line.may_start_at = now + _SPACING_SECONDS
            return 0.0

    def _start(self, host: str) -> float:
        """Seconds to go on waiting: on a busy machine, several wake late and together."""
        with self._lock:
            now = self._clock.monotonic()
            line = self._lines.get(host)
            if line is None:
                return 0.0
            if now < line.may_start_at:
                return line.may_start_at - now
            line.may_start_at = now + _SPACING_SECONDS * 0.9
            return 0.0

    def note_failure(self, host: str) -> None:
        """A connection to this host could not be made."""
        with self._lock:
            now = self._clock.monotonic()
            line = self._lines.setdefault(host, _Line(0.0, now + _SPACING_SECONDS, now))
            line.watched_until = now + _WATCHED_SECONDS

    def reset_after_fork(self) -> None:
        """The lock may have been held by a thread that the child does not have."""
        self._lock = threading.Lock()

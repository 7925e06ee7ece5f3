"""How fast a host that takes no connections is tried again."""

from __future__ import annotations

import threading
from collections import deque

from bybit_sync.clock import Clock, Deadline

_AT_ONCE = 18
"""Attempts on their way in `_SPAN_SECONDS` before one has succeeded: under 20 even where some
thread is late with what it began."""
_SPAN_SECONDS = 0.1
_SPACING_SECONDS = 0.00625
"""Between two attempts at a host that has failed: 16 in 100 ms, however many threads call."""
_LEAST_SPACING_SECONDS = 0.006
"""Between those who woke late and together: a little less, so that the line catches up."""
_WATCHED_SECONDS = 1.0
"""How long after a failure attempts are still spaced out."""


class NoTurnError(OSError):
    """So many others want to connect that the turn would come too late; told at once."""


class _Line:
    """Those who want to connect to one host."""

    __slots__ = ("begun", "may_start_at", "news", "next_turn", "watched_until")

    def __init__(self) -> None:
        self.begun: deque[float] = deque(maxlen=_AT_ONCE)
        """When the last attempts began, since one has succeeded."""
        self.watched_until = float("-inf")
        self.next_turn = self.may_start_at = float("-inf")
        self.news: threading.Event | None = None
        """Set once it is heard how an attempt went, for those who wait to hear it."""

    def full_until(self) -> float:
        """The moment from which on there is room for one more."""
        return self.begun[0] + _SPAN_SECONDS if len(self.begun) == _AT_ONCE else float("-inf")

    def begin(self, now: float) -> None:
        """One more is on its way."""
        self.begun.append(now)
        self.may_start_at = now + _LEAST_SPACING_SECONDS

    def tell(self) -> None:
        """Wake those who wait for news."""
        if self.news is not None:
            self.news.set()
            self.news = None


class Pace:
    """Spaces out the attempts to connect to a host that has just failed.

    A server that comes back must not be met by every waiting thread in the same moment; a refused
    connection costs next to nothing, so nothing else would hold them back. A host that takes
    connections is not slowed down: one success, and all go. Until the first of them is heard of,
    no more than a handful of attempts are made at once. The lock guards the lines.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}

    def take_turn(self, host: str, deadline: Deadline) -> None:
        """Return when it is this caller's turn to connect: at once, unless the host has failed or
        many others have just begun to connect to it.

        Raises:
            NoTurnError: the turn would come after the deadline.
            TimeoutError: the deadline has passed.
        """
        wait, news = self._ask(host, deadline)
        while wait > 0.0:
            if news is not None:
                self._clock.wait(news, wait)
                wait, news = self._ask(host, deadline)
            else:
                self._clock.sleep(wait)
                wait = self._start(host, deadline)

    def _ask(self, host: str, deadline: Deadline) -> tuple[float, threading.Event | None]:
        """Seconds until this caller's turn, which is now taken, and None; or an event to wait for
        at most so many seconds, and to ask again. A wait of zero: the attempt has begun."""
        with self._lock:
            line = self._lines.setdefault(host, _Line())
            now, left = self._clock.monotonic(), deadline.remaining()
            if now < line.watched_until:
                return self._book(line, now, left), None
            wait = line.full_until() - now
            if wait <= 0.0:
                line.begin(now)
                return 0.0, None
            if left <= 0.0:
                raise TimeoutError("the time is used up")
            if line.news is None:
                line.news = threading.Event()
            return min(wait, left), line.news

    def _book(self, line: _Line, now: float, left: float) -> float:
        """Seconds until the turn that is now taken."""
        turn = max(now, line.next_turn)
        if turn - now > left:
            raise NoTurnError("too many others are trying to connect")
        line.next_turn = turn + _SPACING_SECONDS
        return turn - now if turn > now else self._begin(line, now)

    def _start(self, host: str, deadline: Deadline) -> float:
        """Seconds to go on waiting: on a busy machine, several wake late and together."""
        with self._lock:
            line = self._lines.setdefault(host, _Line())
            wait = self._begin(line, self._clock.monotonic())
        if wait > deadline.remaining():
            raise NoTurnError("too many others are trying to connect")
        return wait

    def _begin(self, line: _Line, now: float) -> float:
        """Begin an attempt, or say in how many seconds one may begin."""
        wait = max(line.may_start_at, line.full_until()) - now
        if wait > 0.0:
            return wait
        line.begin(now)
        return 0.0

    def note_failure(self, host: str) -> None:
        """A connection to this host could not be made."""
        with self._lock:
            now = self._clock.monotonic()
            line = self._lines.setdefault(host, _Line())
            if now >= line.watched_until:
                line.next_turn = max(now + _SPACING_SECONDS, line.full_until())
            line.watched_until = now + _WATCHED_SECONDS
            line.tell()

    def note_success(self, host: str) -> None:
        """This host has taken a connection."""
        with self._lock:
            line = self._lines.get(host)
            if line is None or self._clock.monotonic() < line.watched_until:
                return
            del self._lines[host]  # a session may come to thousands of hosts
            line.tell()

    def reset_after_fork(self) -> None:
        """The lock may have been held by a thread that the child does not have."""
        self._lock = threading.Lock()
        self._lines = {}

"""What one process may use of a shared limit while nobody can tell what the others use."""

from __future__ import annotations

import threading
from collections import deque

from bybit_sync.forking import renew_after_fork

_PATIENCE = 2.0  # seconds that a ticket keeps its place in line after it should have asked again
TRY_AGAIN_SECONDS = 1.0
"""How often each process looks whether the store is back."""
_RETURN_SECONDS = 1.2 * TRY_AGAIN_SECONDS  # until every process counts in it again
_MEMORY = 10.0  # seconds for which fewer members than before are not believed
UNKNOWN_MEMBERS = 10
"""How many processes are taken to share a limit by one that has never heard of the others."""


class Share:
    """One window's last turns in this process, and the part of the window that is its own.

    Turns that the store grants are noted, so that the part is not given on top of them when the
    store goes away. The lock guards all; moments are this process's monotonic clock's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._turns: deque[tuple[float, int, str]] = deque()  # when, units, ticket
        self._line: dict[str, tuple[int, float]] = {}  # ticket: units, until when it is waited for
        self._seconds = 0.0
        self._members = 0
        self._members_until = 0.0
        self._epoch: object = None
        self._careful_until = 0.0
        self._used = 0
        self._heard_at = float("-inf")
        self._lost_at = float("-inf")

    def hear(self, members: int, used: int, epoch: object, now: float, seconds: float) -> None:
        """What the store says beside its answer: how many share the window, and use of it.

        Another epoch is that of a store which has lost its counts. Then what others did in the
        last window is unknown, and the members have yet to come back.
        """
        with self._lock:
            self._seconds = seconds
            if members >= self._members or now >= self._members_until:
                self._members = members
                self._members_until = now + _MEMORY
            if epoch != self._epoch:
                if self._epoch is not None:
                    self._careful_until = now + seconds + _RETURN_SECONDS
                self._epoch = epoch
            self._used, self._heard_at = used, now

    def lose(self, now: float) -> None:
        """The store has gone away. What it granted to others stands for one more window."""
        with self._lock:
            self._lost_at = now

    def be_careful(self, now: float) -> None:
        """Keep to the share, whatever the store grants: it may have lost turns.

        For one window from when everybody is back: until then others take turns it never sees.
        """
        with self._lock:
            self._careful_until = now + self._seconds + _RETURN_SECONDS

    def is_careful(self, now: float) -> bool:
        """The store's counts are not to be relied on yet."""
        return now < self._careful_until

    def note(self, ticket: str, units: int, now: float, seconds: float) -> None:
        """The store has granted a turn."""
        with self._lock:
            self._clear(now, seconds)
            self._book(ticket, units, now)

    def take(self, ticket: str, units: int, calls: int, seconds: float, now: float) -> float:
        """Take a turn of this process's part; returns 0, or the seconds until one may be free."""
        members = self._members or UNKNOWN_MEMBERS
        part = max(1, calls // members)
        span = seconds
        if calls < members:  # less than one call a window is one call a longer window
            span *= members / calls
        units = min(units, part)
        with self._lock:
            self._seconds = seconds
            self._clear(now, span)
            wait = self._wait(ticket, units, part, span, now)
            if wait == 0.0 and now < self._lost_at + seconds:
                wait = self._wait_after_loss(ticket, units, calls, members, seconds, now)
            if wait > 0.0:
                self._line[ticket] = units, now + wait + _PATIENCE
                return wait
            self._line.pop(ticket, None)
            self._book(ticket, units, now)
            return 0.0

    def forget(self, ticket: str) -> None:
        """A turn is not used."""
        with self._lock:
            self._line.pop(ticket, None)
            self._turns = deque(turn for turn in self._turns if turn[2] != ticket)

    # --- under the lock -------------------------------------------------------------------

    def _clear(self, now: float, seconds: float) -> None:
        while self._turns and self._turns[0][0] + seconds <= now:
            self._turns.popleft()
        dead = [ticket for ticket, (_, until) in self._line.items() if until <= now]
        for ticket in dead:
            del self._line[ticket]

    def _book(self, ticket: str, units: int, now: float) -> None:
        if any(turn[2] == ticket for turn in self._turns):  # dated anew
            self._turns = deque(turn for turn in self._turns if turn[2] != ticket)
        self._turns.append((now, units, ticket))

    def _wait(self, ticket: str, units: int, part: int, seconds: float, now: float) -> float:
        """Seconds until the part has room, behind those who asked before."""
        before = self._before(ticket)
        missing = self._taken(ticket) + before + units - part
        if missing <= 0:
            return 0.0
        rounds, missing = divmod(missing - 1, part)
        moment = now
        for at, its_units, _ in self._turns:
            moment = at + seconds
            missing -= its_units
            if missing < 0:
                break
        return max(0.001, moment - now + rounds * seconds)

    def _wait_after_loss(
        self, ticket: str, units: int, calls: int, members: int, seconds: float, now: float
    ) -> float:
        """In the first window without the store: the part of what was left, or 1 of the unknown."""
        is_known = self._heard_at >= self._lost_at - seconds
        spare = (calls - self._used) // members if is_known else 1
        if self._taken(ticket, since=self._lost_at) + self._before(ticket) + units <= spare:
            return 0.0
        return max(0.001, self._lost_at + seconds - now)

    def _taken(self, ticket: str, since: float = float("-inf")) -> int:
        return sum(units for at, units, its in self._turns if its != ticket and at >= since)

    def _before(self, ticket: str) -> int:
        before = 0
        for other, (units, _) in self._line.items():
            if other == ticket:
                break
            before += units
        return before

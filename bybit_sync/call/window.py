"""One rolling window: never more than so many calls in any stretch of so many seconds.

A caller gets its turn in advance: under the lock it is told when, then it sleeps on its own and
looks again. Turns are given in the order of asking, so nobody starves; a turn that would come
too late is refused at once and costs nothing.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from itertools import count

from bybit_sync.clock import Clock, Deadline
from bybit_sync.exceptions import RateLimitTimeoutError
from bybit_sync.forking import renew_after_fork

# Bybit counts arrivals, we count departures: what left late may arrive close behind what left in
# time. The window is kept this much longer than promised; 3 % of a second leaves 97 % of it, and
# 3 % of five seconds are 18 calls of room where a slip costs a ban of ten minutes.
_MARGIN_SHARE = 0.03
_MARGIN_MOST = 0.25
_LATE = 0.005  # seconds after its turn from which a departure is booked anew


class Turn:
    """When one call may leave, or has left. The window's lock guards it."""

    __slots__ = ("at", "cost", "number")

    def __init__(self, at: float, cost: int, number: int) -> None:
        self.at = at
        self.cost = cost
        self.number = number


def _in_order(turn: Turn) -> tuple[float, int]:
    return turn.at, turn.number


class Window:
    """At most `calls` in any `seconds`, first come first served.

    The lock guards the turns: past ones that still count, and coming ones.
    """

    def __init__(self, name: str, calls: float, seconds: float, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._numbers = count()
        self._turns: list[Turn] = []  # a turn of cost 3 stands here three times
        self._held_until = 0.0
        # Less than one call per window is one call per longer window.
        self._calls = max(1, int(calls))
        self._seconds = seconds if calls >= 1 else seconds / calls
        self._span = self._seconds + min(self._seconds * _MARGIN_SHARE, _MARGIN_MOST)

    @property
    def calls(self) -> int:
        """How many calls fit into the window."""
        return self._calls

    @property
    def seconds(self) -> float:
        """How long the window is."""
        return self._seconds

    def resize(self, calls: int) -> None:
        """Take another limit from now on."""
        with self._lock:
            self._calls = max(1, calls)

    def hold(self, seconds: float) -> None:
        """Let nothing leave for so long: the exchange says that the budget is gone."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def enter(self, cost: int, deadline: Deadline, *, may_wait: bool) -> tuple[Turn, float]:
        """Wait for a turn; returns it, with the seconds that were waited.

        A call that costs more than the whole window waits for an empty one.

        Raises:
            RateLimitTimeoutError: at once, when the turn would come after the deadline, or at
                all where `may_wait` is false.
        """
        with self._lock:
            now = self._clock.monotonic()
            cost = min(cost, self._calls)
            due = self._next_due(now, cost)
            is_in_time = due <= now or (may_wait and due - now < deadline.remaining())
            if is_in_time:
                turn = Turn(due, cost, next(self._numbers))
                self._turns.extend([turn] * cost)
        if not is_in_time:
            raise self._refusal(due - now)
        if due <= now:
            return turn, 0.0
        return turn, self._sit_out(turn, due - now, deadline)

    def depart(self, turn: Turn, deadline: Deadline, *, may_wait: bool) -> float:
        """Book the moment at which a call truly leaves; returns the seconds it had to wait.

        A call that was kept from its turn, by a full pool or a slow handshake, is in line again:
        all that had piled up would leave in one burst otherwise.

        Raises:
            RateLimitTimeoutError: as `enter`, for the new turn.
        """
        if self._clock.monotonic() - turn.at <= _LATE:
            return 0.0
        return self._sit_out(turn, 0.0, deadline if may_wait else deadline.sooner(0.0))

    def leave(self, turn: Turn) -> None:
        """Give back a turn that is not used."""
        with self._lock:
            self._turns = [each for each in self._turns if each is not turn]

    def _sit_out(self, turn: Turn, pause: float, deadline: Deadline) -> float:
        began = self._clock.monotonic()
        try:
            if pause > 0.0:
                self._clock.sleep(pause)
            while (pause := self._still_to_wait(turn)) > 0.0:
                if pause >= deadline.remaining():
                    break
                self._clock.sleep(pause)
        except BaseException:  # an interrupt: the turn would stand empty
            self.leave(turn)
            raise
        if pause > 0.0:
            self.leave(turn)
            raise self._refusal(pause)
        return self._clock.monotonic() - began

    def _still_to_wait(self, turn: Turn) -> float:
        """Take the turn now if that is right as things stand, else book the next right moment."""
        with self._lock:
            now = self._clock.monotonic()
            self._book(turn, now)
            due = self._due_in_line(turn, now)
            if due > now:
                self._book(turn, due)
            return due - now

    # --- under the lock -------------------------------------------------------------------

    def _next_due(self, now: float, cost: int) -> float:
        turns = self._turns
        gone = 0
        while gone < len(turns) and turns[gone].at + self._span <= now:
            gone += 1
        if gone:
            del turns[:gone]
        due = max(now, self._held_until)
        if turns:
            due = max(due, turns[-1].at)  # behind everybody who asked before
            room = self._calls - cost
            if len(turns) > room:
                due = max(due, turns[-1 - room].at + self._span)
        return due

    def _due_in_line(self, turn: Turn, now: float) -> float:
        """When a turn among the others may be taken, as things stand now."""
        due = max(now, self._held_until)
        first = self._find(turn)
        leaving = min(first + turn.cost - self._calls, first) - 1
        if leaving >= 0:
            due = max(due, self._turns[leaving].at + self._span)
        return due

    def _book(self, turn: Turn, at: float) -> None:
        """Put a turn at another moment; one so late that it was forgotten is remembered again."""
        place = self._find(turn)
        if place < len(self._turns) and self._turns[place] is turn:
            del self._turns[place : place + turn.cost]
        turn.at = at
        place = self._find(turn)
        self._turns[place:place] = [turn] * turn.cost

    def _find(self, turn: Turn) -> int:
        # The turns are in order; a late one is looked for on every call that waited for its
        # connection, among as many as fit into the window.
        return bisect_left(self._turns, _in_order(turn), key=_in_order)

    def _refusal(self, wait: float) -> RateLimitTimeoutError:
        return RateLimitTimeoutError(
            f"{self._name}: {self._calls} calls in {self._seconds:g} s are used up, "
            f"the next turn is in {wait:.3f} s; nothing was sent",
            phase="rate_limit",
        )

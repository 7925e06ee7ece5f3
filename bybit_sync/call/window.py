"""One rolling window: never more than so many calls in any stretch of so many seconds.

Bybit counts a call when it arrives, which is some time between its departure and its answer. So a
call holds its place from the moment it is let go until one window after its departure, and longer
where its answer came late: a call that was answered `late` seconds after the quickest ones may
have arrived as much later than them. The places are as many as the limit; who finds none waits,
in the order of `waiting`, and is refused at once where the wait would outlast its deadline.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from bybit_sync.clock import Clock, Deadline
from bybit_sync.exceptions import RateLimitTimeoutError
from bybit_sync.forking import renew_after_fork

from .waiting import Waiter, WaitingLine

# The window is kept this much longer than promised: room for the jitter of the way there, which
# no clock here can see. 3 % of a second leaves 97 % of it, and 3 % of five seconds are 18 calls of
# room where a slip costs a ban of ten minutes.
_MARGIN_SHARE = 0.03
_MARGIN_MOST = 0.25
_SLACK = 0.005  # the exchange's own clock counts in whole milliseconds
# An answer that comes later than this after the quickest is waited for before its place is free;
# but not for ever: one that never comes must not block an endpoint. Less than the margin, for the
# quickest one that was seen need not be the quickest there is.
LATE = 0.02
_LONGEST_LATE = 1.0
_LOOK_AGAIN = 0.01  # seconds between two looks for an answer that is awaited
_SOONEST = 0.001  # seconds after which somebody looks who is not the first in the line
# Who waits is served at a pace, or the burst that filled the window would come back with each
# window, and between two of them everybody would wait: over the first windows of a crowd the turns
# spread, until they fill this share of it. The rest makes up for threads that wake late.
_SPREAD = 0.75
_SPREADING = 4.0
_KEPT = 32  # turns that may lie there before their time is looked at, where there is room
_INSTANT = 1e-6  # seconds that are none: two readings of one moment, after arithmetic


class Turn:
    """One call's place in the windows that count it.

    The calling thread writes it without a lock: each field is one store, and a window that reads
    the former value keeps the place for too short a time only by what passed between the two.
    """

    # Defaults of the class and not stores for each call: most turns change three of them.
    taken = 0.0
    """When the place was taken."""
    at = 0.0
    """When the call left, or is to leave."""
    late = 0.0
    """By how many seconds its answer came later than it may."""
    is_abroad = False
    """Sent, and not answered yet."""
    usual_trip = 0.0
    """Seconds of the quickest round trips; known once the call has left."""
    ticket = ""
    """What a store that several processes share calls it."""

    def __init__(self, cost: int = 1) -> None:
        self.cost = cost


class Window:
    """At most `calls` in any `seconds`, first come first served.

    The lock guards the places and the line of those who wait for one.
    """

    def __init__(
        self, name: str, calls: float, seconds: float, clock: Clock, *, counts_calls: bool = False
    ) -> None:
        """`counts_calls`: a turn takes one place, whatever its cost."""
        self._name = name
        self._clock = clock
        self._counts_calls = counts_calls
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._turns: deque[Turn] = deque()  # in the order of `taken`
        self._overdue: list[Turn] = []  # kept for longer than their time
        self._used = 0
        """Places that are taken, those included whose time is over and which nobody has cleared."""
        self._most_kept = _KEPT
        self._line: WaitingLine[Turn] = WaitingLine()
        self._held_until = 0.0
        self._crowded_since = self._crowded_at = 0.0
        self._paced_until = 0.0
        # Less than one call per window is one call per longer window.
        self._calls = max(1, int(calls))
        self._seconds = seconds if calls >= 1 else seconds / calls
        self.span = self._seconds + min(self._seconds * _MARGIN_SHARE, _MARGIN_MOST)
        """Seconds from a departure until its place is free."""

    @property
    def calls(self) -> int:
        """How many calls fit into the window."""
        return self._calls

    @property
    def seconds(self) -> float:
        """How long the window is."""
        return self._seconds

    @property
    def waiting(self) -> int:
        """How many threads wait for a turn."""
        return self._line.count

    # --- what the exchange says -----------------------------------------------------------

    def resize(self, calls: int) -> None:
        """Take another limit from now on."""
        with self._lock:
            self._calls = max(1, calls)
            self._serve(self._clock.monotonic())

    def hold(self, seconds: float) -> None:
        """Let nothing leave for so long: the exchange says that the budget is gone."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def ban(self, seconds: float) -> None:
        """The exchange has shut the address out; other processes are told, where there are any."""

    def welcome(self) -> None:
        """The address is let in again."""

    # --- turns ----------------------------------------------------------------------------

    def enter(
        self, turn: Turn, now: float, deadline: Deadline, may_wait: bool = True, rank: int = 0
    ) -> float:
        """Take a place at `now`, or wait for one; returns when that came about.

        A call that costs more than the whole window waits for an empty one.

        Raises:
            RateLimitTimeoutError: at once, when the turn would come after the deadline, or at
                all where `may_wait` is false.
        """
        with self._lock:
            turns = self._turns
            units = turn.cost
            if units != 1:
                units = self._units(turn)
            used = self._used + units
            if used > self._calls or len(turns) > self._most_kept:
                self._clear(now)
                self._most_kept = 2 * len(turns) + _KEPT
                used = self._used + units
            if used <= self._calls and not self._line.count and self._held_until <= now:
                turn.taken = turn.at = now
                turns.append(turn)
                self._used = used
                return now
            self._note_crowd(now)
            waiter = Waiter(turn, units, rank)
            waiter.due = self._due(now, units, self._line.units_before(rank))
            is_in_time = may_wait and waiter.due < deadline.at
            if is_in_time:
                self._line.join(waiter)
        if not is_in_time:
            raise self._refusal(waiter.due - now)
        return self._wait(waiter, now, deadline)

    def reenter(self, turn: Turn, now: float, deadline: Deadline, *, may_wait: bool) -> float:
        """`enter` before everybody else, for a turn that was kept from leaving for too long.

        All that had piled up would leave in one burst otherwise.
        """
        with self._lock:
            self._drop(turn)
            self._clear(now)
            waiter = Waiter(turn, self._units(turn), 0)
            waiter.due = self._due(now, waiter.units, 0)
            is_in_time = waiter.due <= now + _INSTANT or (may_wait and waiter.due < deadline.at)
            if is_in_time:
                self._line.push_in(waiter)
                self._serve(now)
        if not is_in_time:
            raise self._refusal(waiter.due - now)
        return now if waiter.is_served else self._wait(waiter, now, deadline)

    def charge(self, turn: Turn, now: float) -> None:
        """Count a call that has left without asking: the limit is passed rather than not told."""
        with self._lock:
            turn.taken = turn.at = now
            self._turns.append(turn)
            self._used += self._units(turn)

    def redate(self, turn: Turn) -> None:
        """A call leaves later than its place was taken: ``turn.at`` has said so already."""

    def keep(self, turn: Turn) -> None:
        """A call was answered late: ``turn.late`` has said so already."""

    def leave(self, turn: Turn) -> None:
        """Give back a turn that is not used."""
        with self._lock:
            self._drop(turn)
            self._serve(self._clock.monotonic())

    def _wait(self, waiter: Waiter[Turn], now: float, deadline: Deadline) -> float:
        try:
            while True:
                self._clock.acquire(waiter.gate, max(0.0, min(waiter.due, deadline.at) - now))
                with self._lock:
                    now = self._clock.monotonic()
                    if not waiter.is_served:
                        self._serve(now)
                    if waiter.is_served:
                        return now
                    waiter.due = self._due_in_line(waiter, now)
                    if waiter.due >= deadline.at:
                        break
        except BaseException:  # an interrupt: the place would stay empty, or the line behind it
            self._give_up(waiter)
            raise
        self._give_up(waiter)
        raise self._refusal(waiter.due - now)

    def _give_up(self, waiter: Waiter[Turn]) -> None:
        with self._lock:
            if not self._line.leave(waiter):
                self._drop(waiter.turn)
            self._serve(self._clock.monotonic())

    # --- under the lock -------------------------------------------------------------------

    def _units(self, turn: Turn) -> int:
        if self._counts_calls:
            return 1
        if turn.cost > self._calls:
            turn.cost = self._calls
        return turn.cost

    def _clear(self, now: float) -> None:
        """Forget the turns whose time is over."""
        turns, overdue = self._turns, self._overdue
        latest = now + _INSTANT - self.span
        while turns and turns[0].taken <= latest:
            turn = turns.popleft()
            if turn.late or turn.is_abroad or turn.at > latest:
                overdue.append(turn)
            else:
                self._used -= 1 if self._counts_calls else turn.cost
        if not overdue:
            return
        self._overdue = []
        for turn in overdue:
            if self._free_at(turn, now) <= now + _INSTANT:
                self._used -= 1 if self._counts_calls else turn.cost
            else:
                self._overdue.append(turn)

    def _free_at(self, turn: Turn, now: float) -> float:
        """When a turn's place is free, as far as can be known now."""
        free_at = turn.at + self.span
        if turn.late:
            return max(free_at, turn.at + self._seconds + min(turn.late, _LONGEST_LATE) + _SLACK)
        if turn.is_abroad and now - turn.at - turn.usual_trip > LATE:
            # Not answered: it may be arriving only now. Its answer will tell; look again.
            return max(free_at, min(free_at + _LONGEST_LATE, now + _LOOK_AGAIN))
        return free_at

    def _serve(self, now: float) -> None:
        """Give the turns that are due, whoever looks first."""
        self._clear(now)
        while (waiter := self._line.first()) is not None:
            turn = waiter.turn
            waiter.units = self._units(turn)
            if (
                self._used + waiter.units > self._calls
                or max(self._held_until, self._paced_until) > now + _INSTANT
            ):
                break
            self._line.serve(waiter)
            self._pace(now, waiter.units)
            turn.taken = turn.at = now
            self._turns.append(turn)
            self._used += waiter.units
        if waiter is not None and waiter.due > self._due(now, waiter.units, 0) + _LOOK_AGAIN:
            waiter.wake()  # it meant to sleep for longer, behind others who have left

    def _due_in_line(self, waiter: Waiter[Turn], now: float) -> float:
        if self._line.first() is waiter:
            return self._due(now, waiter.units, 0)
        # Not in this very moment: whoever goes first has to look before.
        before = self._line.units_before(waiter.rank, waiter)
        return max(self._due(now, waiter.units, before), now + _SOONEST)

    def _due(self, now: float, units: int, before: int) -> float:
        """When so many units may leave after those `before` them, as things stand now."""
        due = max(now, self._held_until, self._paced_until + before * self._gap(now))
        missing = before + units + self._used - self._calls
        return max(due, self._free_after(missing, now)) if missing > 0 else due

    def _note_crowd(self, now: float) -> None:
        if now - self._crowded_at > 2.0 * self.span:
            self._crowded_since = now
        self._crowded_at = now

    def _gap(self, now: float) -> float:
        """Seconds from one turn to the next while there is a crowd."""
        share = min((now - self._crowded_since) / (_SPREADING * self._seconds), _SPREAD)
        return share * self.span / self._calls

    def _pace(self, now: float, units: int) -> None:
        # By the time that was meant, not by the one at which a thread woke: else each delay would
        # be handed on. A few turns may catch up; more would be the burst again.
        gap = self._gap(now)
        self._paced_until = max(self._paced_until, now - 2.0 * gap) + units * gap

    def _free_after(self, units: int, now: float) -> float:
        """When so many of the places, of which all are taken, will have come free."""
        rounds, units = divmod(units - 1, self._calls)
        turns: Iterable[Turn] = self._turns
        if self._overdue:
            every = (*self._overdue, *self._turns)
            turns = sorted(every, key=lambda turn: self._free_at(turn, now))
        free_at = now
        for turn in turns:
            free_at = max(free_at, self._free_at(turn, now))
            units -= 1 if self._counts_calls else turn.cost
            if units < 0:
                break
        return free_at + rounds * self.span

    def _drop(self, turn: Turn) -> None:
        for turns in (self._turns, self._overdue):
            if turn in turns:
                turns.remove(turn)
                self._used -= 1 if self._counts_calls else turn.cost
                return

    def _refusal(self, wait: float) -> RateLimitTimeoutError:
        return RateLimitTimeoutError(
            f"{self._name}: {self._calls} calls in {self._seconds:g} s are used up, "
            f"the next turn is in {wait:.3f} s; nothing was sent",
            phase="rate_limit",
        )

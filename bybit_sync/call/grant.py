"""Leave to make one attempt, from the moment it is given until the answer is in."""

from __future__ import annotations

from bybit_sync.clock import Clock, Deadline

from .shared_limits import Address
from .window import LATE, Turn, Window

_NO_TRIP = float("inf")
_TRIP_AGE = 60.0  # seconds; the quickest round trip counts for one to two of these
# Before so many calls in so many seconds the quickest round trip may be a slow one: the first
# burst of a busy machine has no other. Until then a call may have arrived as late as its answer.
_SURE_CALLS = 20
_SURE_SECONDS = 3.0
_SLIP = 0.01  # a departure later than this after its turn is told to whoever shares the window


class Lane:
    """What counts the calls of one endpoint, and of one product line where that counts apart."""

    __slots__ = (
        "_answers",
        "_current",
        "_is_sure",
        "_previous",
        "_sure_at",
        "_turn_at",
        "address",
        "is_counted_by_order",
        "least_trip",
        "most_calls",
        "name",
        "rank",
        "seen_line",
        "window",
    )

    def __init__(
        self,
        name: str,
        window: Window | None,
        address: Address,
        *,
        rank: int,
        most_calls: float,
        is_counted_by_order: bool,
    ) -> None:
        self.name = name
        self.window = window
        """None: only the address's window counts."""
        self.address = address
        self.rank = rank
        """Who goes first where several wait for the address."""
        self.most_calls = most_calls
        """What the user has set; the exchange's headers do not lift it."""
        self.is_counted_by_order = is_counted_by_order
        self.seen_line = b""
        """The headers that told the limit which the window has taken, up to the number of calls
        that are left; empty before that."""
        self.least_trip = 0.0
        """Seconds of the quickest round trip of the last minutes; 0 until that is known."""
        self._current = self._previous = _NO_TRIP
        self._turn_at = self._sure_at = 0.0
        self._answers = 0
        self._is_sure = False

    def note_trip(self, trip: float, at: float) -> None:
        """An answer came `at` this moment, after so many seconds.

        Threads may overwrite each other's sample: the next one will do as well.
        """
        if at >= self._turn_at:
            self._turn_at = at + _TRIP_AGE
            self._previous, self._current = self._current, trip
        elif trip < self._current:
            self._current = trip
        elif self._is_sure:
            return  # the usual case: nothing new
        if self._is_sure or self._has_become_sure(at):
            self.least_trip = min(self._previous, self._current)

    def _has_become_sure(self, at: float) -> bool:
        self._answers += 1
        if self._answers == 1:
            self._sure_at = at + _SURE_SECONDS
        self._is_sure = self._answers >= _SURE_CALLS and at >= self._sure_at
        return self._is_sure


class Grant(Turn):
    """Leave to make one attempt, and what it cost to get it; it belongs to the calling thread."""

    is_probe = False
    """The one call that tries whether a ban is over."""
    waited = 0.0
    """Seconds spent waiting for the limits."""

    def __init__(
        self, lane: Lane | None, cost: int, deadline: Deadline, clock: Clock, may_wait: bool
    ) -> None:
        self.cost = cost
        self.lane = lane
        """None where nothing is counted."""
        self._deadline = deadline
        self._clock = clock
        self._may_wait = may_wait

    def depart(self) -> None:
        """Say that the request leaves now; waits where the turn was missed by too much.

        Raises:
            RateLimitTimeoutError: there is no other turn in time.
            IpBannedError: Bybit has shut the address out meanwhile.
        """
        lane = self.lane
        if lane is None:
            return
        breaker = lane.address.breaker
        if breaker.is_open and not self.is_probe:
            self.is_probe = breaker.admit()
        now = self._clock.monotonic()
        slip = now - self.at
        if self.is_abroad:
            self._charge_twice(lane, now)
        elif slip > _SLIP:
            now = self._slipped(lane, now, slip)
        self.at = now
        self.usual_trip = lane.least_trip
        self.is_abroad = True

    def end(self, at: float) -> None:
        """The attempt is over: answered, failed, or never sent; then the turn goes back.

        An answer, and a failure too, comes after the call has arrived. How long after the
        quickest ones it came is how much later than they it may have arrived.
        """
        lane = self.lane
        if lane is None:
            return
        if not self.is_abroad:
            self.give_back()
            return
        self.is_abroad = False
        late = at - self.at - lane.least_trip
        if late > LATE:
            self.late = late
            for window in self._windows(lane):
                window.keep(self)

    def give_back(self) -> None:
        """Nothing was sent after all; twice is fine."""
        self.is_abroad = False
        if self.lane is not None:
            for window in self._windows(self.lane):
                window.leave(self)

    def _windows(self, lane: Lane) -> tuple[Window, ...]:
        own, shared = lane.window, lane.address.window
        return (shared,) if own is None else (own, shared)

    def _slipped(self, lane: Lane, now: float, slip: float) -> float:
        """A full pool or a slow handshake kept the call; returns when it may leave."""
        windows = self._windows(lane)
        if slip < min(window.seconds for window in windows):
            self.at = now  # the place is held still, and from now on for a whole window
            for window in windows:
                window.redate(self)
            return now
        began = now
        for window in windows:
            now = window.reenter(self, now, self._deadline, may_wait=self._may_wait)
        self.waited += now - began
        return now

    def _charge_twice(self, lane: Lane, now: float) -> None:
        """The same request leaves again: a dead connection may have delivered the first one."""
        for window in self._windows(lane):
            window.charge(Turn(self.cost), now)

"""Bybit's clock as seen from here: what a timestamp must say to be accepted.

Bybit takes a request whose timestamp is at most ``recv_window`` old and less than a second ahead.
The offset is learnt from the ``time`` of every reply, at no cost. It is kept against the
monotonic clock, so that a step of the machine's wall clock changes nothing.

A reply that says S and arrived at R proves that Bybit's clock had passed S by then: the greatest
``S - R`` of some minutes is the best such proof, and a delayed or cached reply can only prove
less. Timestamps are taken from the proof itself, so that they are never ahead; half of the least
round trip is what it lacks of the likeliest offset.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from bybit_sync.clock import Clock, Deadline
from bybit_sync.exceptions import FailedRequestError
from bybit_sync.forking import renew_after_fork

from .records import Endpoint, Limit

SERVER_TIME = Endpoint(
    group="market",
    name="get_server_time",
    method="GET",
    path="/v5/market/time",
    auth="none",
    repeat="always",
    limit=Limit(600, 5.0, scope="ip"),
)
"""The call that measures. It belongs to the protocol, not to a user's choice of endpoints."""

_SAMPLE_AGE = 150.0  # seconds; samples count for one to two of these
_SLOW_TRIP_MS = 1000.0  # a reply as slow as that is no better than a clock which it agrees with
_CREDIBLE_MS = 600_000.0  # a passing reply that is off by more is a mock or a fault, not the time
# Where two moments should agree they do so within this: one is told in whole milliseconds, and a
# busy machine may look at its own clock a little after the answer was in.
_TOLERANCE_MS = 50.0
_NOTABLE_MS = 1000.0
_RIGHT_MS = 500.0  # a clock that is as right as that may be warned of again

_log = logging.getLogger("bybit_sync.call")


class _Samples:
    """The best of the replies of one stretch of time."""

    __slots__ = ("least_trip", "passed")

    def __init__(self, passed: float, trip: float) -> None:
        self.passed = passed
        self.least_trip = trip

    def add(self, passed: float, trip: float) -> None:
        self.passed = max(self.passed, passed)
        self.least_trip = min(self.least_trip, trip)


class ExchangeTime:
    """Estimates Bybit's clock; safe for any number of threads.

    `mode` is ``passive`` (learn from replies), ``active`` (and measure every `interval` seconds)
    or ``off`` (this machine's clock is right).

    The lock guards the samples. ``_measuring`` is held by the one thread that asks Bybit while
    others wait for its result.
    """

    def __init__(self, mode: str, interval: float, clock: Clock) -> None:
        self._mode = mode
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._measuring = threading.Lock()
        renew_after_fork(self, "_lock", "_measuring")
        self._current: _Samples | None = None
        self._previous: _Samples | None = None
        self._turn_at = 0.0
        self._asked_at: float | None = None
        self._measured_at = 0.0
        self._has_warned = False
        # Bybit's time minus the monotonic clock's: what is proved, and what is likeliest.
        self._proved_ms: float | None = None
        self._base_ms: float | None = None
        self.generation = 0
        """Counts the measurements: a call that was refused with an old one need not ask anew."""

    def now_ms(self) -> int:
        """The timestamp to sign with: Bybit's time, rather a little behind than ahead."""
        proved = self._proved_ms
        if proved is None:
            return int(self._clock.wall() * 1000.0)
        return int(proved + self._clock.monotonic() * 1000.0)

    @property
    def offset_seconds(self) -> float:
        """Bybit's clock minus this machine's; 0.0 while nothing has been learnt."""
        base = self._base_ms
        if base is None:
            return 0.0
        return base / 1000.0 + self._clock.monotonic() - self._clock.wall()

    def known_offset(self) -> float | None:
        """`offset_seconds`, or None while nothing has been learnt."""
        return None if self._base_ms is None else self.offset_seconds

    def seconds_until(self, exchange_ms: float) -> float:
        """How long until Bybit's clock shows `exchange_ms`; negative once it has passed."""
        base = self._base_ms
        if base is None:
            return exchange_ms / 1000.0 - self._clock.wall()
        return (exchange_ms - base) / 1000.0 - self._clock.monotonic()

    def observe(self, server_ms: Any, round_trip: float, received_at: float) -> None:
        """Learn from a reply that said `server_ms` and was read at `received_at`, monotonic.

        Anything that is not a plausible moment is passed over: ``time`` may be missing.
        """
        if type(server_ms) is not int or self._mode == "off":
            return
        passed = server_ms - received_at * 1000.0
        trip = round_trip * 1000.0
        known = self._current
        if (
            known is not None
            and passed <= known.passed
            and trip >= known.least_trip
            and received_at < self._turn_at
        ):
            return  # the usual case: nothing new
        if received_at - round_trip < self._measured_at:
            return  # of before the measurement, which had a reason to be made
        ahead = self._now_base_ms() - passed
        if abs(ahead) > _CREDIBLE_MS or (
            trip > _SLOW_TRIP_MS and 0.0 <= ahead <= trip + _TOLERANCE_MS
        ):
            return
        with self._lock:
            self._learn(passed, trip, received_at)
        self._warn_of_drift()

    def _now_base_ms(self) -> float:
        base = self._base_ms
        return (self._clock.wall() - self._clock.monotonic()) * 1000.0 if base is None else base

    def _learn(self, passed: float, trip: float, at: float) -> None:
        if self._current is None or at >= self._turn_at:
            self._previous, self._current = self._current, _Samples(passed, trip)
            if at >= self._turn_at + _SAMPLE_AGE:
                self._previous = None  # nothing was heard for a whole stretch
            self._turn_at = at + _SAMPLE_AGE
        elif passed > self._current.passed or trip < self._current.least_trip:
            self._current.add(passed, trip)
        else:
            return  # the usual case: nothing new
        self._estimate(self._current, self._previous)

    def _estimate(self, current: _Samples, previous: _Samples | None) -> None:
        passed, trip = current.passed, current.least_trip
        if previous is not None:
            passed, trip = max(passed, previous.passed), min(trip, previous.least_trip)
        self._proved_ms = passed
        self._base_ms = passed + trip / 2.0

    # --- asking ---------------------------------------------------------------------------

    def is_due(self) -> bool:
        """True in mode ``active`` once the last measurement is `interval` seconds old."""
        if self._mode != "active":
            return False
        asked = self._asked_at
        return asked is None or self._clock.monotonic() - asked >= self._interval

    def refresh(self, measure: Callable[[], tuple[int, float, float]], deadline: Deadline) -> None:
        """Measure because it `is_due`; when it fails, the last estimate stays and a warning says
        so, for the caller's own call may well succeed."""
        try:
            self.correct(self.generation, measure, deadline)
        except FailedRequestError as error:
            _log.warning("Bybit's clock could not be measured: %s", error)

    def correct(
        self,
        generation: int,
        measure: Callable[[], tuple[int, float, float]],
        deadline: Deadline,
    ) -> bool:
        """Measure anew, unless somebody has since `generation`; True if there is a new estimate.

        `measure` returns what `observe` takes. Many threads that were refused at once wait here
        for the one that asks.
        """
        if self._mode == "off" or not self._clock.acquire(self._measuring, deadline.remaining()):
            return False
        try:
            if self.generation == generation:
                self._asked_at = self._clock.monotonic()
                self._replace(*measure())
        finally:
            self._measuring.release()
        return True

    def _replace(self, server_ms: int, round_trip: float, received_at: float) -> None:
        trip = round_trip * 1000.0
        passed = server_ms - received_at * 1000.0
        before = self._now_base_ms()
        with self._lock:
            known = self._proved_ms
            knew_better = (
                known is not None and -_TOLERANCE_MS <= known - passed <= trip + _TOLERANCE_MS
            )
            if self._current is not None and knew_better:
                # It agrees with what was known, and the quicker replies knew it better: the call
                # was refused for another reason, such as a slow way there.
                self._current.add(passed, trip)
            else:
                self._current = _Samples(passed, trip)
                self._previous = None
                self._turn_at = received_at + _SAMPLE_AGE
            self._estimate(self._current, self._previous)
            self._measured_at = received_at
            self.generation += 1
            moved = (self._base_ms or before) - before
        if abs(moved) >= _NOTABLE_MS:
            self._has_warned = True
            _log.warning(
                "this machine's idea of Bybit's clock was %.1f s %s; it is corrected",
                abs(moved) / 1000.0,
                "behind" if moved > 0 else "ahead",
            )

    def _warn_of_drift(self) -> None:
        """Say once that this machine's clock is wrong; again once it was right meanwhile."""
        offset_ms = self.offset_seconds * 1000.0
        if abs(offset_ms) < _RIGHT_MS:
            self._has_warned = False
        elif abs(offset_ms) >= _NOTABLE_MS and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "this machine's clock is %.1f s %s Bybit's: calls are signed with Bybit's time, "
                "but the clock should be set",
                abs(offset_ms) / 1000.0,
                "behind" if offset_ms > 0 else "ahead of",
            )

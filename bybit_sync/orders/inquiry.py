"""Asks for orders by their names until they show, or are provably absent.

Bybit takes a request only while ``server_time - recv_window <= timestamp``. So a request that was
signed at T can act no later than T + recv_window, and what it booked is visible `query_lag`
seconds after that at the latest: a query that was asked later still, and says no, is proof. One
that fails proves nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from bybit_sync.api.trade import GET_OPEN_ORDERS, GET_ORDER_HISTORY
from bybit_sync.call.exchange_time import ExchangeTime
from bybit_sync.call.records import CallOptions, Endpoint
from bybit_sync.call.reply import Reply
from bybit_sync.clock import Clock, Deadline
from bybit_sync.exceptions import (
    AuthError,
    BadAnswerError,
    BybitError,
    ClientClosedError,
    ConfigError,
    PermissionDeniedError,
)

from .case import Case
from .result import Row

CLOCK_MARGIN = 0.25
"""Seconds by which the clocks of two of Bybit's machines may differ."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
LEAST_TIME = 0.002
"""Seconds below which another call is not worth starting."""

_QUERY_SECONDS = 5.0
_LEASE_SLACK_MS = 600_000  # by so much may a clock that was never compared with Bybit's be off
_HISTORY_MS = 7 * 86_400_000  # as far back as the history goes that is asked without a time
_STALE_MS = 6 * 86_400_000
# Asking on would only be refused again.
_HOPELESS = (ClientClosedError, ConfigError, AuthError, PermissionDeniedError)

_log = logging.getLogger("bybit_sync.orders")


class Seen(NamedTuple):
    """What one look at the exchange showed."""

    row: Row | None = None
    """The order, if it is there."""
    is_late: bool = False
    """True if nothing that was signed can change the picture any more."""
    error: BybitError | None = None
    """Why the look failed, if it did; it proves nothing then."""

    @property
    def is_absent(self) -> bool:
        """True if the order is provably not there."""
        return self.row is None and self.is_late and self.error is None


class Inquiry:
    """Asks for orders; safe for any number of threads."""

    def __init__(
        self,
        call: Callable[..., Reply[Any]],
        time: ExchangeTime,
        clock: Clock,
        query_lag: float,
    ) -> None:
        self._call = call
        self._time = time
        self._clock = clock
        self._lag = query_lag + CLOCK_MARGIN

    def seconds_needed(self, window_ms: int) -> float:
        """How long after its signature the absence of an order can be proved."""
        return window_ms / 1000.0 + self._lag

    def look(self, case: Case, deadline: Deadline) -> Seen:
        """Ask once: what is open or just closed, then the history.

        Raises:
            BybitError: asking again is useless: the client is closed, or the keys are refused.
        """
        asked_at, asked_ms = self._clock.monotonic(), self._time.now_ms()
        try:
            near = self._ask(GET_OPEN_ORDERS, case.question(), deadline)
            told = near.get("time")
            if type(told) is int:  # Bybit's own clock knows best when it was asked
                asked_ms = told - int(near.elapsed * 1000.0)
            row = case.find(_rows(near))
            if row is None:
                question = {**case.question(), **self._span(case, asked_ms)}
                row = case.find(_rows(self._ask(GET_ORDER_HISTORY, question, deadline)))
        except _HOPELESS:
            raise
        except BybitError as error:
            _log.debug("order %s: a query failed: %s", case.name, error.message)
            return Seen(error=error)
        if case.latest_ms is None:
            self._bound(case, asked_ms + int(near.elapsed * 1000.0))
        return Seen(row, self._is_late(case, asked_ms, asked_at))

    def settle(self, cases: Sequence[Case], deadline: Deadline) -> Iterator[tuple[Case, Seen]]:
        """Each case as soon as its fate is seen, until all are or the deadline comes.

        Raises:
            BybitError: as `look`.
        """
        left, pause = list(cases), FIRST_PAUSE
        while left and deadline.remaining() > LEAST_TIME:
            for case in list(left):
                if deadline.remaining() <= LEAST_TIME:
                    return
                seen = self.look(case, deadline)
                if seen.row is not None or seen.is_absent:
                    left.remove(case)
                    yield case, seen
            if left:
                self.wait(left, pause, deadline)
                pause = min(pause * 2.0, LONGEST_PAUSE)

    def wait(self, cases: Sequence[Case], pause: float, deadline: Deadline) -> None:
        """Pause before the next look, no longer than until that look can be proof."""
        until_proof = [self._until_late(case) for case in cases]
        pause = min([pause, *(each for each in until_proof if each > 0.0)])
        self._clock.sleep(min(pause, deadline.remaining()))

    def _ask(self, endpoint: Endpoint, question: dict[str, Any], deadline: Deadline) -> Reply[Any]:
        timeout = max(LEAST_TIME, min(deadline.remaining(), _QUERY_SECONDS))
        return self._call(endpoint, question, CallOptions(timeout=timeout))

    def _span(self, case: Case, now_ms: int) -> dict[str, Any]:
        """The time to search, for an order that is older than what history shows unasked."""
        if now_ms - case.begun_ms < _STALE_MS:
            return {}
        start_ms = case.begun_ms - _LEASE_SLACK_MS
        return {"startTime": start_ms, "endTime": start_ms + _HISTORY_MS}

    def _bound(self, case: Case, now_ms: int) -> None:
        """Set the last moment at which a process that is gone can have signed: before now."""
        lease_ms = case.begun_ms + case.timeout_ms + _LEASE_SLACK_MS
        case.latest_ms = min(now_ms, lease_ms)

    def _is_late(self, case: Case, asked_ms: int, asked_at: float) -> bool:
        needed = self.seconds_needed(case.window_ms)
        if case.latest_ms is None or asked_ms < case.latest_ms + needed * 1000.0:
            return False
        return case.latest_at is None or asked_at >= case.latest_at + needed

    def _until_late(self, case: Case) -> float:
        if case.latest_ms is None:
            return 0.0
        needed = self.seconds_needed(case.window_ms)
        left = self._time.seconds_until(case.latest_ms + needed * 1000.0)
        if case.latest_at is not None:
            left = max(left, case.latest_at + needed - self._clock.monotonic())
        return left + 0.005  # the estimate is rather early than late


def lease_ms(case: Case) -> int:
    """When, on Bybit's clock, nobody can be at work on a case any more, alive or not."""
    return case.begun_ms + case.timeout_ms + case.window_ms + _LEASE_SLACK_MS


def _rows(reply: Reply[Any]) -> list[Any]:
    result = reply.result
    rows = result.get("list") if isinstance(result, dict) else None
    if not isinstance(rows, list):
        raise BadAnswerError("an answer to an order query without a list", effect_unknown=False)
    return rows

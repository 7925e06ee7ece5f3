"""Repeats a failed call where that is safe, useful and in time.

Three questions: does the error say that the same call may succeed a moment later (``transient``);
may the exchange have acted (``effect_unknown``), and if so, does the endpoint's row allow a second
call (``repeat``); and do the pause and another attempt fit before the deadline?
"""

from __future__ import annotations

import random
import sys
import threading
from datetime import timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from bybit_sync.clock import Clock, Deadline
from bybit_sync.exceptions import (
    ApiError,
    BadAnswerError,
    BybitError,
    ClockError,
    PoolFullError,
    RateLimitedError,
    RateLimitTimeoutError,
    TransportError,
)
from bybit_sync.forking import renew_after_fork

from .records import Endpoint

if TYPE_CHECKING:
    import tenacity

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

# Ours, and meant at once: asking again would only do what was just refused.
_FINAL = (RateLimitTimeoutError, PoolFullError)
_UNTOLD_RESET = 1.0  # seconds, when "too many visits" comes without a reset time
_LONGEST_RESET = 60.0  # a reset time further ahead than this is not the truth
_TOKEN = 1.0 - 1e-9  # what fifths add up to
_LOADING_SECONDS = 0.2
"""What it may take to load tenacity: a quarter of it, where the machine has nothing else to do."""
_SHARE = 0.2  # of a token that a call pays which needed no retry


class Repeatable(Protocol[R_co]):
    """One call that can be tried several times; belongs to the thread that makes it."""

    @property
    def endpoint(self) -> Endpoint:
        """The row that says whether a second call may act a second time."""
        ...

    @property
    def deadline(self) -> Deadline:
        """The moment by which everything ends, pauses included."""
        ...

    @property
    def attempts(self) -> int:
        """How often it may be tried."""
        ...

    def attempt(self) -> R_co:
        """Try once."""
        ...

    def correct_clock(self) -> bool:
        """Measure Bybit's clock; True if there is a new estimate to sign with."""
        ...

    def seconds_until(self, exchange_ms: int) -> float:
        """Seconds until Bybit's clock shows `exchange_ms`; negative once it has passed."""
        ...

    def tell_retry(self, error: BybitError, pause: float) -> None:
        """Another attempt follows after `pause` seconds, because of `error`."""
        ...


class RetryBudget:
    """Tokens for retries: an outage must not be multiplied by everybody trying thrice.

    A retry takes one. A call that succeeds at last pays its own back, one that succeeds at once a
    fifth of one: so retries that help are free, and those in vain are at most a fifth of the
    calls. A `capacity` of 0 means no bound. The lock guards the count.
    """

    def __init__(self, capacity: float) -> None:
        self._capacity = float(capacity)
        self._left = self._capacity
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")

    @property
    def left(self) -> float:
        """How many retries may be made now."""
        return self._left if self._capacity else float("inf")

    def take(self) -> bool:
        """Take a token; False when there is none."""
        if not self._capacity:
            return True
        with self._lock:
            if self._left < _TOKEN:
                return False
            self._left = max(0.0, self._left - 1.0)
            return True

    def repay(self, retries: int) -> None:
        """A call went well, after so many retries."""
        if self._left >= self._capacity:
            return  # the usual case
        with self._lock:
            self._left = min(self._capacity, self._left + (retries or _SHARE))


class _Tries(Generic[R]):
    """How far one call has come. Starts with the attempt that failed already."""

    def __init__(self, call: Repeatable[R], failed: BybitError) -> None:
        self.call = call
        self.made = 0
        self.pause = 0.0
        self._failed: BybitError | None = failed
        self._last = failed
        self.may_have_acted = failed.effect_unknown
        """Any of the attempts may have, not only the last."""
        self._clock_corrected = False

    def attempt(self) -> R:
        """The next attempt; the first one only reports what has happened."""
        self.made += 1
        if (failed := self._failed) is not None:
            self._failed = None
            raise failed
        try:
            return self.call.attempt()
        except BybitError as error:
            self._last = error
            self.may_have_acted = self.may_have_acted or error.effect_unknown
            error.effect_unknown = self.may_have_acted
            raise

    def can_correct_clock(self) -> bool:
        """Measure Bybit's clock, once for a call: a second refusal has another cause."""
        if self._clock_corrected:
            return False
        self._clock_corrected = True
        return self.call.correct_clock()

    def tell(self) -> None:
        """Tell of the attempt that follows."""
        self.call.tell_retry(self._last, self.pause)


class Retry:
    """Runs calls until one succeeds or another attempt would be wrong, useless or too late.

    Safe for any number of threads.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        attempts: int = 3,
        base_delay: float = 0.1,
        max_delay: float = 2.0,
        budget: float = 100.0,
    ) -> None:
        self.attempts = attempts
        self.budget = RetryBudget(budget)
        self._clock = clock
        self._base_delay = base_delay
        self._max_delay = max_delay

    @cached_property
    def _retrying(self) -> tenacity.Retrying:
        # Imported at the first repeat: tenacity brings asyncio, a sixth of what the client's
        # import would cost.
        import tenacity

        # Whether there is another attempt is decided in one place, `_wants_another`, and with it
        # the pause: so tenacity needs no stop of its own.
        return tenacity.Retrying(
            sleep=self._clock.sleep,
            retry=lambda state: self._wants_another(state.args[0], state.outcome),
            wait=lambda state: state.args[0].pause,
            before_sleep=lambda state: state.args[0].tell(),
            reraise=True,
        )

    def run(self, call: Repeatable[R]) -> R:
        """The result of the first attempt that succeeds, or the last attempt's error."""
        # The first attempt is made outside of tenacity, whose bookkeeping costs as much as
        # signing does; it is handed over only once it has failed.
        try:
            result = call.attempt()
        except BybitError as error:
            if call.attempts <= 1 or not is_repeatable(call.endpoint, error):
                raise
            if _is_too_late_to_load(call.deadline):
                raise
            tries = _Tries(call, error)
            try:
                retrying = self._retrying
            except OSError:  # no descriptor is left to load it with
                raise error from None
        else:
            self.budget.repay(0)
            return result
        # A copy, for an observer's own call may come through here while this one is under way.
        result = retrying.copy()(_Tries.attempt, tries)
        self.budget.repay(tries.made - 1)
        return result

    def _wants_another(self, tries: _Tries[R], outcome: tenacity.Future | None) -> bool:
        error = outcome.exception() if outcome else None
        call = tries.call
        if not isinstance(error, BybitError) or tries.made >= call.attempts:
            return False
        if not is_repeatable(call.endpoint, error):
            return False
        pause = self._pause(tries, error)
        if pause is None or pause >= call.deadline.remaining() or not self.budget.take():
            return False
        tries.pause = pause
        return True

    def _pause(self, tries: _Tries[R], error: BybitError) -> float | None:
        """Seconds to wait before the next attempt; None if there should be none."""
        if isinstance(error, ClockError):
            return 0.0 if tries.can_correct_clock() else None
        told = self._told_pause(tries.call, error)
        if told is not None:
            return max(0.0, told)
        ceiling = min(self._max_delay, self._base_delay * 2.0 ** (tries.made - 1))
        return random.uniform(0.0, ceiling)  # full jitter: threads that failed together part

    def _told_pause(self, call: Repeatable[R], error: BybitError) -> float | None:
        """What the exchange says about when to come back."""
        if isinstance(error, RateLimitedError):
            if error.reset_ms is not None:
                return min(call.seconds_until(error.reset_ms), _LONGEST_RESET)
            told = self._retry_after(error)
            return random.uniform(1.0, 1.25) * _UNTOLD_RESET if told is None else told
        if isinstance(error, BadAnswerError | ApiError):
            return self._retry_after(error)
        return None

    def _retry_after(self, error: BadAnswerError | ApiError) -> float | None:
        if error.resp_headers is None:
            return None
        return retry_after(error.resp_headers.get("Retry-After"), self._clock.wall())


def _is_too_late_to_load(deadline: Deadline) -> bool:
    """True where tenacity is not there yet, and the call would be late once it is."""
    if "tenacity" in sys.modules:
        return False
    return deadline.remaining() < min(_LOADING_SECONDS, deadline.seconds / 4)


def is_repeatable(endpoint: Endpoint, error: BybitError) -> bool:
    """True if the same call may succeed a moment later and a second one can do no harm."""
    if not error.transient or isinstance(error, _FINAL):
        return False
    return not error.effect_unknown or endpoint.repeat == "always"


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for; None if there is none, or it is junk.

    It may be a number of seconds or a date, and a date may have passed.
    """
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None


def reason_of(error: BybitError) -> str:
    """Why a call is repeated, as a label: one of a dozen words."""
    if isinstance(error, TransportError):
        return error.phase
    if isinstance(error, ClockError):
        return "clock"
    if isinstance(error, RateLimitedError):
        return "rate_limited"
    if isinstance(error, BadAnswerError):
        return "http_408" if error.status_code == 408 else "http_5xx"
    return "busy"

"""Who hears of a call: the counts behind the metrics, the log, and whoever else wants to know."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bybit_sync.exceptions import (
    ApiError,
    BadAnswerError,
    BybitError,
    ClientClosedError,
    ConfigError,
    TransportError,
)
from bybit_sync.forking import renew_after_fork
from bybit_sync.net.stats import Histogram, HistogramSnapshot

from .records import Endpoint

CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds, in seconds, of the buckets into which calls are counted."""

_log = logging.getLogger("bybit_sync.call")


def outcome_of(error: BaseException) -> str:
    """How a call ended, as a label."""
    if isinstance(error, ApiError):
        return "api_error"
    if isinstance(error, TransportError):
        return "transport_error"
    if isinstance(error, BadAnswerError):
        return "bad_answer"
    if isinstance(error, ClientClosedError):
        return "closed"
    if isinstance(error, ConfigError):
        return "refused"
    return "interrupted"


class Observer:
    """Hears of calls, on the thread that makes them: be quick, and do not raise.

    An exception from here reaches the caller in place of its reply. Override what you need.
    """

    def on_attempt(self, endpoint: Endpoint) -> None:
        """A request is about to be sent."""

    def on_retry(self, endpoint: Endpoint, reason: str, pause: float) -> None:
        """An attempt failed; another follows after `pause` seconds."""

    def on_done(self, endpoint: Endpoint, outcome: str, seconds: float, waited: float) -> None:
        """A call has ended. `seconds` is without the `waited` ones, which the client's own rate
        limit took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSnapshot:
    """Every call of one client so far."""

    durations: Mapping[tuple[str, str], HistogramSnapshot]
    """By endpoint and outcome: seconds without the waits for the client's own rate limit."""
    attempts: Mapping[str, int]
    """Requests of calls that have ended, by endpoint; more than calls where something was
    repeated."""
    retries: Mapping[str, int]
    """Attempts beyond the first, by reason."""
    rate_limit_remaining: Mapping[str, int]
    """By endpoint: the calls that Bybit still allowed when it last said so."""
    rate_limit_waits: HistogramSnapshot
    """Seconds that calls were held back by the client's own rate limit."""
    clock_offset: float | None
    """Bybit's clock less this machine's, in seconds; None while unknown."""


class CallStats:
    """Counts calls. The lock guards every count; endpoints are few, so memory is bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._durations: dict[tuple[str, str], Histogram] = {}
        self._waits = Histogram(CALL_BUCKETS)
        self._attempts: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._remaining: dict[str, int] = {}

    def count_attempts(self, endpoint: Endpoint, attempts: int) -> None:
        """So many requests more."""
        with self._lock:
            self._attempts[endpoint.key] += attempts

    def count_retry(self, reason: str) -> None:
        """One repetition more."""
        with self._lock:
            self._retries[reason] += 1

    def count_call(
        self, endpoint: Endpoint, outcome: str, seconds: float, waited: float, attempts: int
    ) -> None:
        """One call more, and so many requests that were not counted yet."""
        key = (endpoint.key, outcome)
        with self._lock:
            histogram = self._durations.get(key)
            if histogram is None:
                histogram = self._durations[key] = Histogram(CALL_BUCKETS)
            histogram.observe(seconds)
            if waited:
                self._waits.observe(waited)
            else:  # nearly all calls
                self._waits.zeros += 1
            if attempts:
                self._attempts[endpoint.key] += attempts

    def note_remaining(self, endpoint: Endpoint, remaining: int) -> None:
        """What Bybit's headers say is left of the endpoint's limit."""
        self._remaining[endpoint.key] = remaining  # one store: needs no lock

    def snapshot(self, clock_offset: float | None = None) -> CallSnapshot:
        """All counts, as they stand together."""
        with self._lock:
            return CallSnapshot(
                durations={key: each.snapshot() for key, each in self._durations.items()},
                attempts=dict(self._attempts),
                retries=dict(self._retries),
                rate_limit_remaining=dict(self._remaining),
                rate_limit_waits=self._waits.snapshot(),
                clock_offset=clock_offset,
            )


class Hooks:
    """Tells everybody who wants to hear of a client's calls."""

    def __init__(self, observers: tuple[Observer, ...] = ()) -> None:
        self._stats = CallStats()
        self.rate_limit = self._stats.note_remaining
        """Bybit's headers say what is left of the endpoint's limit."""
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self.observers = observers
        """Who wants to be told of each request; while nobody does, they may be counted later."""
        self._read_offset: Callable[[], float | None] = lambda: None

    def snapshot(self) -> CallSnapshot:
        """Every call so far, as counts."""
        return self._stats.snapshot(self._read_offset())

    def read_clock_from(self, read_offset: Callable[[], float | None]) -> None:
        """Where a snapshot finds the offset to Bybit's clock."""
        self._read_offset = read_offset

    def add(self, observer: Observer) -> None:
        """Tell one more."""
        with self._lock:
            self.observers = (*self.observers, observer)

    def remove(self, observer: Observer) -> None:
        """Tell it no more; it may be gone already."""
        with self._lock:
            self.observers = tuple(each for each in self.observers if each is not observer)

    @contextmanager
    def watched(self, call_done: Callable[[float, float], None]) -> Iterator[None]:
        """Meanwhile, call `call_done(seconds, limiter_wait)` after every call."""
        observer = _Watch(call_done)
        self.add(observer)
        try:
            yield
        finally:
            self.remove(observer)

    # --- told by the pipeline -------------------------------------------------------------

    def attempt(self, endpoint: Endpoint) -> None:
        """A request is about to be sent."""
        self._stats.count_attempts(endpoint, 1)
        for observer in self.observers:
            observer.on_attempt(endpoint)

    def count_attempts(self, endpoint: Endpoint, attempts: int) -> None:
        """Requests were made of which nobody was told."""
        self._stats.count_attempts(endpoint, attempts)

    def retry(self, endpoint: Endpoint, error: BybitError, reason: str, pause: float) -> None:
        """An attempt failed with `error`; another follows after `pause` seconds."""
        self._stats.count_retry(reason)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s: again in %.3f s (%s): %s", endpoint.key, pause, reason, error.message)
        for observer in self.observers:
            observer.on_retry(endpoint, reason, pause)

    def done(
        self, endpoint: Endpoint, outcome: str, seconds: float, waited: float, attempts: int = 0
    ) -> None:
        """A call has ended, `seconds` after it began, less those it `waited` for the limits.

        `attempts` are its requests that `attempt` was not told of.
        """
        self._stats.count_call(endpoint, outcome, seconds, waited, attempts)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug(
                "%s %s (%s): %s in %.1f ms, held back %.1f ms",
                endpoint.method,
                endpoint.path,
                endpoint.key,
                outcome,
                seconds * 1000.0,
                waited * 1000.0,
            )
        for observer in self.observers:
            observer.on_done(endpoint, outcome, seconds, waited)


class _Watch(Observer):
    """A function that hears of every call's end."""

    def __init__(self, call_done: Callable[[float, float], None]) -> None:
        self._call_done = call_done

    def on_done(self, endpoint: Endpoint, outcome: str, seconds: float, waited: float) -> None:
        self._call_done(seconds, waited)

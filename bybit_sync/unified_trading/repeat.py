"""pybit's rule of repeating a call, without the repetitions that place an order twice.

``max_retries`` counts attempts. A retCode of ``retry_codes`` is worth another one; an HTTP status
other than 200 never is; a lost connection, a time-out or an unreadable answer is with
``force_retry``. Where such an attempt may have had an effect, an order is asked for by its name and
sent again only if it provably is not there; any other call that changes something ends with the
error, whose ``effect_unknown`` is true.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bybit_sync.call.pipeline import Pipeline
from bybit_sync.call.records import CallOptions, Endpoint, Request
from bybit_sync.call.reply import Reply
from bybit_sync.call.retry import is_repeatable
from bybit_sync.exceptions import (
    ApiError,
    BadAnswerError,
    ClockError,
    FailedRequestError,
    RateLimitedError,
)

from .answers import UNREADABLE
from .errors import retries_exceeded
from .options import LONGEST_WINDOW_MS, Options

if TYPE_CHECKING:
    from bybit_sync.orders.case import Case

    from .settle import Settler

_WIDER_MS = 2500
_UNTOLD_RESET = 2.0  # seconds, when "too many visits" comes without a reset time


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call: what is sent, whether it is signed, and how long an attempt may take."""

    endpoint: Endpoint
    request: Request
    signed: bool
    timeout: float


class Repeater:
    """Makes calls until one succeeds or pybit's rule ends; safe for any number of threads."""

    def __init__(
        self, pipeline: Pipeline, options: Options, query_lag: float, logger: logging.Logger
    ) -> None:
        self._pipeline = pipeline
        self._options = options
        self._query_lag = query_lag
        self._known_settler: Settler | None = None
        self._logger = logger

    def run(self, asked: Asked) -> Reply[Any]:
        """The answer.

        Raises:
            ApiError: Bybit says no, with a retCode that is not worth another attempt.
            FailedRequestError: no usable answer; status 400 where every attempt was used up.
            ConfigError, ClientClosedError: nothing was sent.
        """
        window_ms = self._options.recv_window
        case = self._case_of(asked, window_ms)
        for left in reversed(range(self._options.max_retries)):
            try:
                return self._once(asked, window_ms, case)
            except ApiError as error:
                if not self._is_worth_another(asked.endpoint, error):
                    raise
                if not left:
                    raise retries_exceeded(error) from error
                window_ms = self._wait_after(error, asked, window_ms)
            except FailedRequestError as error:
                found = self._found(error, asked, case)
                if found is not None:
                    return found
                if not (left and self._may_force(asked.endpoint, error)):
                    raise
                self._wait(self._options.retry_delay, error.message)
        raise AssertionError("max_retries is at least 1")

    @property
    def _settler(self) -> Settler:
        if self._known_settler is None:
            from .settle import Settler  # few sessions force anything, and it brings a database

            self._known_settler = Settler(self._pipeline, self._query_lag)
        return self._known_settler

    def _case_of(self, asked: Asked, window_ms: int) -> Case | None:
        if not self._options.force_retry:
            return None
        return self._settler.case_of(asked.endpoint, asked.request, window_ms, asked.timeout)

    def _once(self, asked: Asked, window_ms: int, case: Case | None) -> Reply[Any]:
        options = CallOptions(timeout=asked.timeout, attempts=1, recv_window_ms=window_ms)
        if case is not None:
            case.window_ms = window_ms
            on_sign = partial(self._settler.note_signing, case)
            options = replace(options, on_sign=on_sign)
        return self._pipeline.send(
            asked.endpoint, asked.request, auth=asked.signed, options=options
        )

    def _found(
        self, error: FailedRequestError, asked: Asked, case: Case | None
    ) -> Reply[Any] | None:
        """The answer of an order that is there although its answer was lost; None where another
        attempt is to be considered."""
        if case is None or not error.effect_unknown or _is_final(error):
            return None
        self._logger.warning("%s. Asking for order %s", error.message, case.name)
        return self._settler.find(case, error, asked.timeout)

    def _is_worth_another(self, endpoint: Endpoint, error: ApiError) -> bool:
        if error.ret_code not in self._options.retry_codes:
            return False
        return endpoint.repeat == "always" or not error.effect_unknown

    def _may_force(self, endpoint: Endpoint, error: FailedRequestError) -> bool:
        if not self._options.force_retry:
            return False
        return not _is_final(error) and is_repeatable(endpoint, error)

    def _wait_after(self, error: ApiError, asked: Asked, window_ms: int) -> int:
        """Wait as the retCode asks for; returns the recv_window for the next attempt."""
        pause, told = self._options.retry_delay, error.message
        if isinstance(error, ClockError):
            window_ms = min(window_ms + _WIDER_MS, LONGEST_WINDOW_MS)
            told = f"{told}: recv_window is {window_ms} ms from here on"
        elif isinstance(error, RateLimitedError):
            pause = _UNTOLD_RESET
            if error.reset_ms is not None:
                # The limiter holds the endpoint back until then, too, and says no at once where
                # that is beyond the attempt's own time.
                pause = min(self._pipeline.time.seconds_until(error.reset_ms), asked.timeout)
        self._wait(max(0.0, pause), told)
        return window_ms

    def _wait(self, seconds: float, why: str) -> None:
        self._logger.error("%s. Retrying in %.3f s", why, seconds)
        self._pipeline.clock.sleep(seconds)


def _is_final(error: FailedRequestError) -> bool:
    """True for an answer with an HTTP status that is not 200: pybit raises it in any case."""
    return isinstance(error, BadAnswerError) and error.status_code not in (None, UNREADABLE)

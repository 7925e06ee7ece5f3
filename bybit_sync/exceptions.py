"""Every error raised here, in one tree; each answers the trader's two questions.

``transient``: may the same call well succeed a moment later? ``effect_unknown``: may the
exchange have acted, so that the order must be looked up before anything is repeated?
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

PHASES = ("rate_limit", "pool", "dns", "connect", "tls", "write", "read", "backoff")
"""Where a call can be when it fails, in the order in which a call passes through."""


class RequestInfo(NamedTuple):
    """What was asked: method, path and parameters, never a header."""

    method: str
    path: str
    params: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class BybitError(Exception):
    """Base of every error raised here."""

    transient: bool = False
    """True when the same call may well succeed a moment later."""
    effect_unknown: bool = False
    """True when the exchange may have acted: look the order up before repeating."""

    def __init__(
        self,
        message: str,
        *,
        request: RequestInfo | None = None,
        status_code: int | None = None,
        resp_headers: Mapping[str, str] | None = None,
        effect_unknown: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request = request
        self.status_code = status_code
        self.resp_headers = resp_headers
        self.time = datetime.now(timezone.utc).strftime("%H:%M:%S")
        if effect_unknown is not None:
            self.effect_unknown = effect_unknown

    def __str__(self) -> str:
        return self.message if self.request is None else f"{self.request}: {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        # The default rebuilds from args alone, which drops the keyword-only facts.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[BybitError], args: tuple[Any, ...], state: dict[str, Any]) -> BybitError:
    error = cls.__new__(cls, *args)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


# --- before any I/O -----------------------------------------------------------------------


class ConfigError(BybitError, ValueError):
    """A setting or parameter is not allowed; the message names it and what is."""


class MissingCredentialsError(ConfigError, PermissionError):
    """A private call was made by a client that has no API key or secret."""

    # By the order of the bases it would be ValueError's, which makes no OSError: unpickling failed.
    __new__ = PermissionError.__new__  # type: ignore[assignment]


class ClientClosedError(BybitError):
    """The client was used after ``close()``."""


# --- no usable answer ---------------------------------------------------------------------


class FailedRequestError(BybitError):
    """No usable answer came back (pybit's name)."""


class TransportError(FailedRequestError):
    """The call failed on its way to the exchange or back.

    ``phase`` is one of `PHASES`. ``effect_unknown`` is true exactly when at least one byte of
    the request was written.
    """

    transient = True

    def __init__(self, message: str, *, phase: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.phase = phase


class DnsError(TransportError):
    """The host's name could not be resolved; nothing was sent."""


class ConnectError(TransportError):
    """No connection could be made; nothing was sent."""


class TlsError(ConnectError):
    """The TLS handshake failed; nothing was sent."""

    transient = False


class PoolTimeoutError(TransportError):
    """Every connection stayed busy for as long as the call could wait; nothing was sent."""


class PoolFullError(TransportError):
    """``max_waiting`` callers were queueing already; nothing was sent."""


class RateLimitTimeoutError(TransportError):
    """The client-side rate limit leaves no room before the deadline; nothing was sent."""


class ReadTimeoutError(TransportError):
    """The server stayed silent for ``sock_read_timeout`` seconds."""


class TotalTimeoutError(TransportError):
    """The call used up its ``total_timeout``, in the phase that ``phase`` names."""


class ConnectionLostError(TransportError):
    """The connection broke after the request had begun to be sent."""


class BadAnswerError(FailedRequestError):
    """What came back is not Bybit's envelope: HTML, cut JSON, a redirect, HTTP 4xx or 5xx."""


class AnswerTooLargeError(BadAnswerError):
    """The answer is larger than ``max_answer_bytes``."""


class IpBannedError(BadAnswerError):
    """HTTP 403: Bybit has shut this IP out. ``until`` is when to come back (unix seconds)."""

    def __init__(self, message: str, *, until: float, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.until = until


# --- the exchange said no -----------------------------------------------------------------


class ApiError(BybitError):
    """The exchange answered with a ``retCode`` other than 0.

    ``ret_code``, ``ret_msg`` and ``body`` (the whole envelope) are as Bybit sent them;
    ``status_code`` is the ``retCode``, as in pybit.
    """

    def __init__(
        self,
        message: str,
        *,
        ret_code: int,
        ret_msg: str,
        body: Mapping[str, Any],
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.ret_code = ret_code
        self.ret_msg = ret_msg
        self.body = body
        self.status_code = ret_code

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the answer."""
        return self.resp_headers or {}


InvalidRequestError = ApiError
"""pybit's name for `ApiError`."""


class AuthError(ApiError):
    """The key, its signature or its expiry was refused."""


class PermissionDeniedError(ApiError):
    """The key is valid but may not do this."""


class ClockError(ApiError):
    """The timestamp lies outside Bybit's window (10002); nothing was executed."""

    transient = True


class RateLimitedError(ApiError):
    """Too many calls. ``reset_ms`` is when the budget returns (unix ms), if Bybit said so."""

    transient = True

    def __init__(self, message: str, *, reset_ms: int | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.reset_ms = reset_ms


class TooManyRequestsError(RateLimitedError, BadAnswerError):
    """HTTP 429: Bybit protects itself from too many calls of everybody's; nothing was executed.

    It is a `RateLimitedError`, and a `FailedRequestError` as in pybit.
    """


class ParameterError(ApiError):
    """A parameter was refused."""


class OrderError(ApiError):
    """The order was refused: duplicate id, not found, already gone, price or size out of range."""


class InsufficientFundsError(ApiError):
    """Not enough balance or margin."""


class ExchangeBusyError(ApiError):
    """Bybit is busy or under maintenance; a call that changes something may have acted."""

    transient = True


# --- orders placed once -------------------------------------------------------------------


class OrderNotPlacedError(BybitError):
    """The order is provably not on the exchange."""

    def __init__(self, message: str, *, orderLinkId: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.orderLinkId = orderLinkId


class OrderUnknownError(BybitError):
    """The deadline came before the order's fate was known; ``resolve()`` goes on asking."""

    transient = True
    effect_unknown = True

    def __init__(
        self, message: str, *, orderLinkId: str, resolver: Any = None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.orderLinkId = orderLinkId
        self._resolver = resolver

    def __reduce__(self) -> tuple[Any, ...]:
        # The resolver holds a live client; what travels between processes is the order's name.
        return _rebuild, (type(self), self.args, {**self.__dict__, "_resolver": None})

    def resolve(self, timeout: float | None = None) -> Any:
        """The order, once it is found; raises OrderNotPlacedError once it is provably absent."""
        if self._resolver is None:
            raise ClientClosedError(
                "this error came from another process: ask by orderLinkId there"
            )
        return self._resolver(timeout)

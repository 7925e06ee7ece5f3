"""bybit_sync: the synchronous, thread-safe client for the Bybit v5 REST API.

::

    from bybit_sync import BybitClient

    with BybitClient() as client:
        print(client.market.get_server_time().result)

Names are imported when they are first used, so that ``import bybit_sync`` is quick and the
simulator, which lives in this package, stays apart from the client that it judges.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .call.records import CallOptions
    from .call.reply import Reply
    from .client import BybitClient
    from .config import (
        ClientConfig,
        ClockConfig,
        Config,
        ConfigWarning,
        ConnectionPoolConfig,
        MetricsConfig,
        OrdersConfig,
        RateLimitConfig,
        RetryConfig,
        TcpKeepaliveConfig,
        TlsConfig,
    )
    from .exceptions import (
        AnswerTooLargeError,
        ApiError,
        AuthError,
        BadAnswerError,
        BybitError,
        ClientClosedError,
        ClockError,
        ConfigError,
        ConnectError,
        ConnectionLostError,
        DnsError,
        ExchangeBusyError,
        FailedRequestError,
        InsufficientFundsError,
        InvalidRequestError,
        IpBannedError,
        MissingCredentialsError,
        OrderError,
        OrderNotPlacedError,
        OrderUnknownError,
        ParameterError,
        PermissionDeniedError,
        PoolFullError,
        PoolTimeoutError,
        RateLimitedError,
        RateLimitTimeoutError,
        ReadTimeoutError,
        TlsError,
        TotalTimeoutError,
        TransportError,
    )

__version__ = "0.1.0"

_HOMES = {
    "BybitClient": "client",
    "CallOptions": "call.records",
    "Reply": "call.reply",
    **dict.fromkeys(
        (
            "ClientConfig",
            "ClockConfig",
            "Config",
            "ConfigWarning",
            "ConnectionPoolConfig",
            "MetricsConfig",
            "OrdersConfig",
            "RateLimitConfig",
            "RetryConfig",
            "TcpKeepaliveConfig",
            "TlsConfig",
        ),
        "config",
    ),
    **dict.fromkeys(
        (
            "AnswerTooLargeError",
            "ApiError",
            "AuthError",
            "BadAnswerError",
            "BybitError",
            "ClientClosedError",
            "ClockError",
            "ConfigError",
            "ConnectError",
            "ConnectionLostError",
            "DnsError",
            "ExchangeBusyError",
            "FailedRequestError",
            "InsufficientFundsError",
            "InvalidRequestError",
            "IpBannedError",
            "MissingCredentialsError",
            "OrderError",
            "OrderNotPlacedError",
            "OrderUnknownError",
            "ParameterError",
            "PermissionDeniedError",
            "PoolFullError",
            "PoolTimeoutError",
            "RateLimitedError",
            "RateLimitTimeoutError",
            "ReadTimeoutError",
            "TlsError",
            "TotalTimeoutError",
            "TransportError",
        ),
        "exceptions",
    ),
}

__all__ = [*_HOMES]  # noqa: PLE0604  (a literal list would be the same names a third time)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

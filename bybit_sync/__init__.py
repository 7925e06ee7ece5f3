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
        TooManyRequestsError,
        TotalTimeoutError,
        TransportError,
    )
    from .runner import StrategyRunner

__version__ = "0.2.0"

__all__ = [
    "BybitClient",
    "CallOptions",
    "Config",
    "Reply",
    "StrategyRunner",
    "AnswerTooLargeError",
    "ApiError",
    "AuthError",
    "BadAnswerError",
    "BybitError",
    "ClientClosedError",
    "ClientConfig",
    "ClockConfig",
    "ClockError",
    "ConfigError",
    "ConfigWarning",
    "ConnectError",
    "ConnectionLostError",
    "ConnectionPoolConfig",
    "DnsError",
    "ExchangeBusyError",
    "FailedRequestError",
    "InsufficientFundsError",
    "InvalidRequestError",
    "IpBannedError",
    "MetricsConfig",
    "MissingCredentialsError",
    "OrderError",
    "OrderNotPlacedError",
    "OrderUnknownError",
    "OrdersConfig",
    "ParameterError",
    "PermissionDeniedError",
    "PoolFullError",
    "PoolTimeoutError",
    "RateLimitConfig",
    "RateLimitTimeoutError",
    "RateLimitedError",
    "ReadTimeoutError",
    "RetryConfig",
    "TcpKeepaliveConfig",
    "TlsConfig",
    "TlsError",
    "TooManyRequestsError",
    "TotalTimeoutError",
    "TransportError",
]


def _home_of(name: str) -> str:
    """The module that a public name lives in."""
    homes = {
        "BybitClient": "client",
        "CallOptions": "call.records",
        "Reply": "call.reply",
        "StrategyRunner": "runner",
    }
    return homes.get(name) or ("exceptions" if name.endswith("Error") else "config")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_home_of(name)}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

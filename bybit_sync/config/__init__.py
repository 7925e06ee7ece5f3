"""Settings: one frozen record per table of ``config.toml``, checked when made."""

from __future__ import annotations

from .config import Config, ConfigWarning
from .credentials import Credentials, resolve_credentials
from .secret import Secret
from .tables import (
    ClientConfig,
    ClockConfig,
    ConnectionPoolConfig,
    MetricsConfig,
    OrdersConfig,
    RateLimitConfig,
    RetryConfig,
    TcpKeepaliveConfig,
    TlsConfig,
)

__all__ = [
    "ClientConfig",
    "ClockConfig",
    "Config",
    "ConfigWarning",
    "ConnectionPoolConfig",
    "Credentials",
    "MetricsConfig",
    "OrdersConfig",
    "RateLimitConfig",
    "RetryConfig",
    "Secret",
    "TcpKeepaliveConfig",
    "TlsConfig",
    "resolve_credentials",
]

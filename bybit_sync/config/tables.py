"""One frozen record per table of ``config.toml``, checked when made. Times are in seconds.

``config.toml`` in the root of the repository says what each key is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from . import checks
from .checks import GivesWay
from .mappings import PathLimits
from .secret import Secret
from .table import Fault, Table, setting

_DAY = 86_400.0
_YEAR = 365 * _DAY
_MIB = 1024 * 1024
_NO_KEY, _NO_SECRET = Secret(shown=True), Secret()


@dataclass(frozen=True, slots=True, init=False)
class ClientConfig(Table):
    """The ``[client]`` table: which exchange, and who is calling.

    ``api_key`` and ``api_secret`` may be given as text, and are kept as `Secret`.
    """

    table: ClassVar[str] = "client"

    environment: str = setting(
        "mainnet", checks.choice("mainnet", "testnet", "demo", "demo-testnet")
    )
    base_url: str = setting("", checks.base_url)
    api_key: Secret = setting(_NO_KEY, checks.api_key)  # noqa: RUF009  (a Secret does not change)
    api_secret: Secret = setting(_NO_SECRET, checks.api_secret)  # noqa: RUF009
    recv_window_ms: int = setting(5000, checks.whole(1, 60_000))
    proxy: str = setting("", checks.proxy)
    exchange_label: str = setting("bybit", checks.label)
    max_answer_bytes: int = setting(8 * _MIB, checks.whole(1024, 1024 * _MIB))
    compression: bool = setting(True, checks.switch)

    def __init__(
        self,
        *,
        environment: str = "mainnet",
        base_url: str = "",
        api_key: str | Secret = "",
        api_secret: str | Secret = "",
        recv_window_ms: int = 5000,
        proxy: str = "",
        exchange_label: str = "bybit",
        max_answer_bytes: int = 8 * _MIB,
        compression: bool = True,
    ) -> None:
        # Written out because a generated one would hold the plain text in a local variable,
        # where a traceback that shows locals finds it.
        api_key, api_secret = Secret(api_key, shown=True), Secret(api_secret)
        given = {key: value for key, value in locals().items() if key != "self"}
        for key, value in self._checked(given).items():
            object.__setattr__(self, key, value)

    def __repr__(self) -> str:
        # Also of one that was refused half-way: a traceback that shows locals asks for it.
        known = [(key, getattr(self, key, None)) for key in self.key_names()]
        return f"ClientConfig({', '.join(f'{key}={value!r}' for key, value in known)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPoolConfig(Table):
    """The ``[connection_pool]`` table.

    ``limit_per_host`` that is not given is 30, or ``limit`` where that is less.
    """

    table: ClassVar[str] = "connection_pool"

    limit: int = setting(100, checks.whole(1, 100_000))
    limit_per_host: int = setting(GivesWay(30), checks.whole(1, 100_000))
    connect_timeout: float = setting(10.0, checks.positive(_DAY))
    sock_read_timeout: float = setting(30.0, checks.positive(_DAY))
    total_timeout: float = setting(60.0, checks.positive(_DAY))
    ttl_dns_cache: float = setting(300.0, checks.number(0, 7 * _DAY))
    keepalive_timeout: float = setting(30.0, checks.number(0, _DAY))
    enable_cleanup_closed: bool = setting(True, checks.switch)
    force_close: bool = setting(False, checks.switch)
    max_age: float = setting(600.0, checks.number(0, _YEAR))
    max_waiting: int = setting(0, checks.whole(0, 1_000_000))
    source_address: str = setting("", checks.address)
    ping_interval: float = setting(0.0, checks.number(0, _DAY))

    @classmethod
    def _settle_together(cls, values: dict[str, Any]) -> Iterable[Fault]:
        ping, keep = values.get("ping_interval"), values.get("keepalive_timeout")
        if ping and keep is not None and ping >= keep:
            text = f"{ping:g} is not below connection_pool.keepalive_timeout, which is {keep:g}"
            yield Fault(("ping_interval",), text)
        limit, per_host = values.get("limit"), values.get("limit_per_host")
        if limit is None or per_host is None:
            return
        if isinstance(per_host, GivesWay):
            values["limit_per_host"] = GivesWay(min(30, limit))
        elif per_host > limit:
            text = f"{per_host} is above connection_pool.limit; allowed is 1 to {limit}"
            yield Fault(("limit_per_host",), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpKeepaliveConfig(Table):
    """The ``[tcp_keepalive]`` table: how soon the kernel notices a peer that is gone."""

    table: ClassVar[str] = "tcp_keepalive"

    enabled: bool = setting(True, checks.switch)
    idle: int = setting(30, checks.whole(1, 32_767))  # the kernel's bounds, as the next two
    interval: int = setting(10, checks.whole(1, 32_767))
    count: int = setting(3, checks.whole(1, 127))
    user_timeout: float = setting(30.0, checks.number(0, _DAY))


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig(Table):
    """The ``[tls]`` table. Nothing turns the verification of certificates off."""

    table: ClassVar[str] = "tls"

    ca_file: str = setting("", checks.existing_path)
    client_cert: str = setting("", checks.existing_file)
    client_key: str = setting("", checks.existing_file)
    minimum_version: str = setting("TLSv1.2", checks.choice("TLSv1.2", "TLSv1.3"))

    @classmethod
    def _settle_together(cls, values: dict[str, Any]) -> Iterable[Fault]:
        if values.get("client_key") and values.get("client_cert") == "":
            yield Fault(("client_key",), "it is given without tls.client_cert, which it belongs to")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig(Table):
    """The ``[retry]`` table.

    ``budget`` is how many retries the client may owe at once: a retry borrows one; a call that
    succeeds pays back what it borrowed, or a fifth of one if it needed no retry. So an outage is
    not multiplied. 0 = no bound.
    """

    table: ClassVar[str] = "retry"

    attempts: int = setting(3, checks.whole(1, 100))
    base_delay: float = setting(0.1, checks.number(0, 3600))
    max_delay: float = setting(2.0, checks.number(0, 3600))
    budget: int = setting(100, checks.whole(0, 1_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitConfig(Table):
    """The ``[rate_limit]`` table. ``endpoint_limits`` is calls per second by path.

    ``store`` is the Redis in which processes and machines share their counts.
    """

    table: ClassVar[str] = "rate_limit"

    mode: str = setting("wait", checks.choice("wait", "raise", "off"))
    ip_limit: int = setting(600, checks.whole(1, 1_000_000))
    ip_window: float = setting(5.0, checks.positive(3600))
    store: str = setting("", checks.store)
    endpoint_limits: Mapping[str, float] = setting(PathLimits(), checks.endpoint_limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockConfig(Table):
    """The ``[clock]`` table: how the offset to Bybit's clock is learnt."""

    table: ClassVar[str] = "clock"

    mode: str = setting("passive", checks.choice("passive", "active", "off"))
    interval: float = setting(60.0, checks.positive(_DAY))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersConfig(Table):
    """The ``[orders]`` table: how an order's fate is made certain."""

    table: ClassVar[str] = "orders"

    journal: str = setting("", checks.path)
    recv_window_ms: int = setting(2000, checks.whole(1, 60_000))
    query_lag: float = setting(5.0, checks.number(0, 3600))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig(Table):
    """The ``[metrics]`` table. ``port`` 0 starts no exporter."""

    table: ClassVar[str] = "metrics"

    enabled: bool = setting(True, checks.switch)
    host: str = setting("127.0.0.1", checks.host)
    port: int = setting(0, checks.whole(0, 65_535))

"""The values of clients, added up by label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bybit_sync.call.breaker import Breaker
from bybit_sync.call.hooks import CallSnapshot
from bybit_sync.net.stats import HistogramSnapshot, HostStats, PoolStats

Labels = tuple[str, ...]

_LOWEST = frozenset(("bybit_rate_limit_remaining",))
_HIGHEST = frozenset(("http_dns_age_seconds", "bybit_ip_banned", "bybit_ip_ban_remaining_seconds"))
_LATEST = frozenset(("bybit_clock_offset_seconds",))


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTotals:
    """The connections to one host, of all clients of a label."""

    active: int
    idle: int
    waiting: int
    limit: int
    created: int
    reused: int
    wait_seconds_max: float

    @classmethod
    def of(cls, host: HostStats) -> HostTotals:
        """One pool's share."""
        return cls(
            active=host.active,
            idle=host.idle,
            waiting=host.waiting,
            limit=host.limit,
            created=host.created,
            reused=host.reused,
            wait_seconds_max=host.wait_seconds_max,
        )

    def __add__(self, other: HostTotals) -> HostTotals:
        return HostTotals(
            active=self.active + other.active,
            idle=self.idle + other.idle,
            waiting=self.waiting + other.waiting,
            limit=self.limit + other.limit,
            created=self.created + other.created,
            reused=self.reused + other.reused,
            wait_seconds_max=max(self.wait_seconds_max, other.wait_seconds_max),
        )


@dataclass(slots=True)
class Totals:
    """Values by metric and labels; adds up over clients that share a label."""

    gauges: dict[tuple[str, Labels], float] = field(default_factory=dict)
    counters: dict[tuple[str, Labels], float] = field(default_factory=lambda: defaultdict(float))
    histograms: dict[tuple[str, Labels], HistogramSnapshot] = field(default_factory=dict)
    hosts: dict[tuple[str, str], HostTotals] = field(default_factory=dict)
    """By ``exchange`` and ``host:port``: for the status page, as hosts are no label."""

    def add(self, other: Totals, *, with_gauges: bool = True) -> None:
        """Take in another client's values; a closed client's gauges mean nothing any more."""
        for key, value in other.counters.items():
            self.counters[key] += value
        for key, histogram in other.histograms.items():
            mine = self.histograms.get(key)
            self.histograms[key] = histogram if mine is None else sum_of(mine, histogram)
        if with_gauges:
            self._add_gauges(other)

    def _add_gauges(self, other: Totals) -> None:
        for key, value in other.gauges.items():
            self.gauges[key] = _join_gauge(key[0], self.gauges.get(key), value)
        for place, host in other.hosts.items():
            mine = self.hosts.get(place)
            self.hosts[place] = host if mine is None else mine + host


def sum_of(a: HistogramSnapshot, b: HistogramSnapshot) -> HistogramSnapshot:
    """Two histograms of the same bounds as one."""
    counts = tuple(x + y for x, y in zip(a.counts, b.counts, strict=True))
    return HistogramSnapshot(a.bounds, counts, a.sum + b.sum)


def _join_gauge(name: str, mine: float | None, other: float) -> float:
    """Pools add up; a rate limit is shared, so the lower reading is nearer; a clock is a clock."""
    if mine is None or name in _LATEST:
        return other
    if name in _LOWEST:
        return min(mine, other)
    return max(mine, other) if name in _HIGHEST else mine + other


def totals_of(
    exchange: str, pool: PoolStats, calls: CallSnapshot, breaker: Breaker | None = None
) -> Totals:
    """One client's values, from its two snapshots; `breaker` says whether Bybit shuts it out."""
    totals = Totals()
    totals.gauges.update(_gauges(exchange, pool, calls, breaker))
    totals.counters.update(_counters(exchange, pool, calls))
    totals.histograms.update(_histograms(exchange, pool, calls))
    totals.hosts = {(exchange, name): HostTotals.of(host) for name, host in pool.hosts.items()}
    return totals


def _gauges(
    exchange: str, pool: PoolStats, calls: CallSnapshot, breaker: Breaker | None
) -> Iterator[tuple[tuple[str, Labels], float]]:
    one = (exchange,)
    yield ("http_pool_connections_active", one), pool.active
    yield ("http_pool_connections_idle", one), pool.idle
    yield ("http_pool_connections_limit", one), pool.limit
    yield ("http_pool_connections_limit_per_host", one), pool.limit_per_host
    yield ("http_pool_requests_waiting", one), pool.waiting
    yield ("http_dns_age_seconds", one), pool.dns_age_seconds
    for endpoint, remaining in calls.rate_limit_remaining.items():
        yield ("bybit_rate_limit_remaining", (exchange, endpoint)), remaining
    if calls.clock_offset is not None:
        yield ("bybit_clock_offset_seconds", one), calls.clock_offset
    if breaker is not None:
        yield ("bybit_ip_banned", one), float(breaker.is_open)
        yield ("bybit_ip_ban_remaining_seconds", one), breaker.seconds_left


def _counters(
    exchange: str, pool: PoolStats, calls: CallSnapshot
) -> Iterator[tuple[tuple[str, Labels], float]]:
    yield ("http_pool_connections_created", (exchange,)), pool.created
    yield ("http_pool_connections_reused", (exchange,)), pool.reused
    yield ("http_pool_tls_handshakes", (exchange,)), pool.tls_handshakes
    yield ("http_dns_lookups", (exchange, "hit")), pool.dns_hits
    yield ("http_dns_lookups", (exchange, "miss")), pool.dns_misses
    yield ("http_dns_lookups", (exchange, "stale")), pool.dns_stale
    for reason, count in pool.closed.items():
        yield ("http_pool_connections_closed", (exchange, reason)), count
    for reason, count in calls.retries.items():
        yield ("http_request_retries", (exchange, reason)), count


def _histograms(
    exchange: str, pool: PoolStats, calls: CallSnapshot
) -> Iterator[tuple[tuple[str, Labels], HistogramSnapshot]]:
    yield ("http_pool_wait_seconds", (exchange,)), pool.waits
    yield ("bybit_rate_limit_wait_seconds", (exchange,)), calls.rate_limit_waits
    for key, histogram in calls.durations.items():
        yield ("http_request_duration_seconds", (exchange, *key)), histogram

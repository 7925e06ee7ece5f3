"""Prometheus metrics, read from snapshots when they are scraped, so that they are true then.

One collector per registry, one line per ``exchange`` label however many clients share it: two
clients, or a notebook cell run twice, never collide, and what a closed client has counted stays
counted.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from bybit_sync.call.hooks import CallSnapshot
from bybit_sync.config import MetricsConfig
from bybit_sync.forking import renew_after_fork
from bybit_sync.net.stats import HistogramSnapshot, PoolStats

log = logging.getLogger("bybit_sync.metrics")

Labels = tuple[str, ...]
_T = TypeVar("_T")

_POOL_LINE_EVERY = 100

_GAUGES = {
    "http_pool_connections_active": "Connections that calls hold.",
    "http_pool_connections_idle": "Open connections that wait for the next call.",
    "http_pool_connections_limit": "Most connections that may be open at once.",
    "http_pool_requests_waiting": "Calls that queue for a connection.",
    "http_dns_age_seconds": "Time since the oldest addresses in use were looked up.",
    "bybit_rate_limit_remaining": "Calls that Bybit still allows in the current window.",
    "bybit_clock_offset_seconds": "Bybit's clock less this machine's.",
}
_COUNTERS = {
    "http_pool_connections_created": "Connections opened.",
    "http_pool_connections_reused": "Calls that found a connection open.",
    "http_pool_connections_closed": "Connections closed, by reason.",
    "http_pool_tls_handshakes": "TLS handshakes done.",
    "http_dns_lookups": "Names asked for: hit (from the cache), miss, or stale (past its time).",
    "http_request_retries": "Attempts beyond the first, by reason.",
}
_HISTOGRAMS = {
    "http_pool_wait_seconds": "Time that calls queued for a connection.",
    "http_request_duration_seconds": "Time of a call without its wait for the rate limit.",
    "bybit_rate_limit_wait_seconds": "Time that calls were held back by the client's rate limit.",
}
_LABELS = {
    "bybit_rate_limit_remaining": ["exchange", "endpoint"],
    "http_pool_connections_closed": ["exchange", "reason"],
    "http_dns_lookups": ["exchange", "result"],
    "http_request_retries": ["exchange", "reason"],
    "http_request_duration_seconds": ["exchange", "endpoint", "outcome"],
}


@dataclass(slots=True)
class Totals:
    """Values by metric and labels; adds up over clients that share a label."""

    gauges: dict[tuple[str, Labels], float] = field(default_factory=dict)
    counters: dict[tuple[str, Labels], float] = field(default_factory=lambda: defaultdict(float))
    histograms: dict[tuple[str, Labels], HistogramSnapshot] = field(default_factory=dict)

    def add(self, other: Totals, *, with_gauges: bool = True) -> None:
        """Take in another client's values; a closed client's gauges mean nothing any more."""
        for key, value in other.counters.items():
            self.counters[key] += value
        for key, histogram in other.histograms.items():
            mine = self.histograms.get(key)
            self.histograms[key] = histogram if mine is None else _sum(mine, histogram)
        if with_gauges:
            for key, value in other.gauges.items():
                self.gauges[key] = _join_gauge(key[0], self.gauges.get(key), value)


def _sum(a: HistogramSnapshot, b: HistogramSnapshot) -> HistogramSnapshot:
    counts = tuple(x + y for x, y in zip(a.counts, b.counts, strict=True))
    return HistogramSnapshot(a.bounds, counts, a.sum + b.sum)


def _join_gauge(name: str, mine: float | None, other: float) -> float:
    """Pools add up; a rate limit is shared, so the lower reading is nearer; a clock is a clock."""
    if mine is None:
        return other
    if name == "bybit_rate_limit_remaining":
        return min(mine, other)
    if name == "http_dns_age_seconds":
        return max(mine, other)
    return other if name == "bybit_clock_offset_seconds" else mine + other


def totals_of(exchange: str, pool: PoolStats, calls: CallSnapshot) -> Totals:
    """One client's values, from its two snapshots."""
    totals = Totals()
    one = (exchange,)
    totals.gauges = {
        ("http_pool_connections_active", one): pool.active,
        ("http_pool_connections_idle", one): pool.idle,
        ("http_pool_connections_limit", one): pool.limit,
        ("http_pool_requests_waiting", one): pool.waiting,
        ("http_dns_age_seconds", one): pool.dns_age_seconds,
        **{
            ("bybit_rate_limit_remaining", (exchange, endpoint)): remaining
            for endpoint, remaining in calls.rate_limit_remaining.items()
        },
    }
    if calls.clock_offset is not None:
        totals.gauges["bybit_clock_offset_seconds", one] = calls.clock_offset
    totals.counters.update(_counters(exchange, pool, calls))
    totals.histograms = {
        ("http_pool_wait_seconds", one): pool.waits,
        ("bybit_rate_limit_wait_seconds", one): calls.rate_limit_waits,
        **{
            ("http_request_duration_seconds", (exchange, *key)): histogram
            for key, histogram in calls.durations.items()
        },
    }
    return totals


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


Read = Callable[[], Totals]


class PoolCollector(Collector):
    """Everything that the clients of one registry have to tell. The lock guards the readers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._readers: dict[int, Read] = {}
        self._retired = Totals()
        self._next = 0

    def add(self, read: Read) -> int:
        """Begin to report a client; returns the ticket to remove it with."""
        with self._lock:
            self._next += 1
            self._readers[self._next] = read
            return self._next

    def retire(self, ticket: int) -> None:
        """Stop reporting a client; what it has counted stays in the sums. Twice is fine."""
        with self._lock:
            read = self._readers.get(ticket)
        if read is None:
            return
        last = read()
        with self._lock:
            if self._readers.pop(ticket, None) is not None:
                self._retired.add(last, with_gauges=False)

    def collect(self) -> Iterable[Metric]:
        """What a scrape sees."""
        yield from _families(self.totals())

    def totals(self) -> Totals:
        """The sums over all readers, past and present."""
        totals = Totals()
        with self._lock:
            totals.add(self._retired)
            readers = list(self._readers.values())
        for read in readers:
            totals.add(read())
        return totals

    def describe(self) -> Iterable[Metric]:
        """The names, told without a reading, for the registry's check against doubles."""
        return list(_families(Totals()))


def _families(totals: Totals) -> Iterator[Metric]:
    for name, text in _GAUGES.items():
        gauge = GaugeMetricFamily(name, text, labels=_LABELS.get(name, ["exchange"]))
        for labels, value in values_of(totals.gauges, name):
            gauge.add_metric(labels, value)
        yield gauge
    for name, text in _COUNTERS.items():
        counter = CounterMetricFamily(name, text, labels=_LABELS.get(name, ["exchange"]))
        for labels, value in values_of(totals.counters, name):
            counter.add_metric(labels, value)
        yield counter
    for name, text in _HISTOGRAMS.items():
        family = HistogramMetricFamily(name, text, labels=_LABELS.get(name, ["exchange"]))
        for labels, histogram in values_of(totals.histograms, name):
            family.add_metric(labels, buckets(histogram), histogram.sum)
        yield family


def values_of(values: Mapping[tuple[str, Labels], _T], name: str) -> Iterator[tuple[Labels, _T]]:
    """The values of one metric, by their labels."""
    return ((labels, value) for (metric, labels), value in values.items() if metric == name)


def buckets(histogram: HistogramSnapshot) -> list[tuple[str, float]]:
    """Prometheus' buckets count everything up to their bound."""
    total, counted = 0, []
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        total += count
        counted.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
    return counted


class ClientReport:
    """What one client tells Prometheus, from its start to its end.

    It holds the functions that read the client's parts, never the client, so that a client which
    is dropped without ``close()`` can be collected and its counts be kept.
    """

    def __init__(
        self,
        exchange: str,
        read_pool: Callable[[], PoolStats],
        read_calls: Callable[[], CallSnapshot],
        config: MetricsConfig,
        registry: CollectorRegistry | None,
    ) -> None:
        self._exchange = exchange
        self._read_pool = read_pool
        self._read_calls = read_calls
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._updates = 0
        self._has_warned = False
        self._collector: PoolCollector | None = None
        self._exporter: Exporter | None = None
        if config.enabled:
            self._collector = collector_for(registry)
            self._ticket = self._collector.add(self._read)
            if config.port:
                self._exporter = Exporter.start(config, registry)

    def _read(self) -> Totals:
        return totals_of(self._exchange, self._read_pool(), self._read_calls())

    def update(self) -> None:
        """Read the gauges and log them every 100 calls; a failure is warned about, once."""
        with self._lock:
            self._updates += 1
            is_due = self._updates % _POOL_LINE_EVERY == 1
        try:
            pool = self._read_pool()
        except Exception as error:  # noqa: BLE001  (a metric may never cost a caller his call)
            self._warn(error)
            return
        if is_due:
            log.info(
                "pool of %s: active %d, idle %d, waiting %d, limit %d; created %d, reused %d",
                self._exchange,
                pool.active,
                pool.idle,
                pool.waiting,
                pool.limit,
                pool.created,
                pool.reused,
            )

    def _warn(self, error: Exception) -> None:
        with self._lock:
            if self._has_warned:
                return
            self._has_warned = True
        log.warning("pool metrics cannot be read (told once): %s: %s", type(error).__name__, error)

    def close(self) -> None:
        """Stop reporting; what was counted stays in the sums. Twice is fine."""
        if self._collector is not None:
            self._collector.retire(self._ticket)
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.close()


class Exporter:
    """The HTTP server of ``[metrics] port``."""

    def __init__(self, server: Any, thread: threading.Thread) -> None:
        self._server = server
        self._thread = thread
        self._owner = os.getpid()

    @classmethod
    def start(cls, config: MetricsConfig, registry: CollectorRegistry | None) -> Exporter | None:
        """Serve ``/metrics``; where the port is taken, a warning: calls must go on."""
        chosen = REGISTRY if registry is None else registry
        try:
            server, thread = start_http_server(config.port, config.host, registry=chosen)
        except OSError as error:
            log.warning("no metrics exporter on %s:%d: %s", config.host, config.port, error)
            return None
        log.info("metrics on http://%s:%d/metrics", config.host, config.port)
        return cls(server, thread)

    def close(self) -> None:
        """Stop serving and wait for the thread; a fork, which has no thread, lets the port go."""
        if self._owner != os.getpid():
            self._server.socket.close()
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


_COLLECTORS: weakref.WeakKeyDictionary[CollectorRegistry, PoolCollector] = (
    weakref.WeakKeyDictionary()
)
_COLLECTORS_LOCK = threading.Lock()


def collector_for(registry: CollectorRegistry | None = None) -> PoolCollector:
    """The one collector of a registry; the default registry where none is given."""
    chosen = REGISTRY if registry is None else registry
    with _COLLECTORS_LOCK:
        collector = _COLLECTORS.get(chosen)
        if collector is None:
            collector = _COLLECTORS[chosen] = PoolCollector()
            chosen.register(collector)
        return collector

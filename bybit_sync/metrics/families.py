"""What the metrics are called, and how values become what Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from bybit_sync.net.stats import HistogramSnapshot

from .totals import Labels, Totals

_T = TypeVar("_T")

GAUGES = {
    "http_pool_connections_active": "Connections that calls hold.",
    "http_pool_connections_idle": "Open connections that wait for the next call.",
    "http_pool_connections_limit": "Most connections that may be open at once.",
    "http_pool_connections_limit_per_host": "Most connections to one host that may be open.",
    "http_pool_requests_waiting": "Calls that queue for a connection.",
    "http_dns_age_seconds": "Time since the oldest addresses in use were looked up.",
    "bybit_rate_limit_remaining": "Calls that Bybit still allows in the current window.",
    "bybit_clock_offset_seconds": "Bybit's clock less this machine's.",
    "bybit_ip_banned": "1 while calls are stopped because Bybit has shut the address out.",
    "bybit_ip_ban_remaining_seconds": "Time until one call may try whether the ban is over.",
}
COUNTERS = {
    "http_pool_connections_created": "Connections opened.",
    "http_pool_connections_reused": "Calls that found a connection open.",
    "http_pool_connections_closed": "Connections closed, by reason.",
    "http_pool_tls_handshakes": "TLS handshakes done.",
    "http_dns_lookups": "Names asked for: hit (from the cache), miss, or stale (past its time).",
    "http_request_retries": "Attempts beyond the first, by reason.",
}
HISTOGRAMS = {
    "http_pool_wait_seconds": "Time that calls queued for a connection.",
    "http_request_duration_seconds": "Time of a call without its wait for the rate limit.",
    "bybit_rate_limit_wait_seconds": "Time that calls were held back by the client's rate limit.",
}
NAMES = frozenset((*GAUGES, *COUNTERS, *HISTOGRAMS))

_LABELS = {
    "bybit_rate_limit_remaining": ["exchange", "endpoint"],
    "http_pool_connections_closed": ["exchange", "reason"],
    "http_dns_lookups": ["exchange", "result"],
    "http_request_retries": ["exchange", "reason"],
    "http_request_duration_seconds": ["exchange", "endpoint", "outcome"],
}


def families_of(totals: Totals) -> Iterator[Metric]:
    """Every metric, with the values there are."""
    for name, text in GAUGES.items():
        gauge = GaugeMetricFamily(name, text, labels=_LABELS.get(name, ["exchange"]))
        for labels, value in values_of(totals.gauges, name):
            gauge.add_metric(labels, value)
        yield gauge
    for name, text in COUNTERS.items():
        counter = CounterMetricFamily(name, text, labels=_LABELS.get(name, ["exchange"]))
        for labels, value in values_of(totals.counters, name):
            counter.add_metric(labels, value)
        yield counter
    for name, text in HISTOGRAMS.items():
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

"""The figures of the status page, as one document that any program may read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeVar

from bybit_sync.net.stats import HistogramSnapshot

from .families import values_of
from .totals import Labels, Totals, sum_of

_T = TypeVar("_T")

NEVER_SENT = frozenset(("refused", "closed", "interrupted"))
"""Outcomes whose time says nothing about the exchange or the way to it."""


def status_of(totals: Totals, *, at: float) -> dict[str, Any]:
    """Everything the page shows, one entry per ``exchange`` label; `at` is unix time in seconds.

    Counts are since the start of the process: who wants rates subtracts an earlier document.
    """
    exchanges = sorted({labels[0] for _, labels in (*totals.gauges, *totals.counters)})
    return {"time": at, "exchanges": [_exchange(totals, name) for name in exchanges]}


def _exchange(totals: Totals, exchange: str) -> dict[str, Any]:
    def gauge(name: str) -> float | None:
        return totals.gauges.get((name, (exchange,)))

    def counts(name: str) -> dict[str, float]:
        return _by_label(totals.counters, name, exchange)

    return {
        "exchange": exchange,
        "pool": _pool(totals, exchange),
        "hosts": [
            {"host": host, **{name: getattr(each, name) for name in each.__slots__}}
            for (owner, host), each in sorted(totals.hosts.items())
            if owner == exchange
        ],
        "limits": {
            "remaining": _by_label(totals.gauges, "bybit_rate_limit_remaining", exchange),
            "waits": _histogram(totals, "bybit_rate_limit_wait_seconds", exchange),
        },
        "endpoints": _endpoints(totals, exchange),
        "retries": counts("http_request_retries"),
        "dns": {**counts("http_dns_lookups"), "age_seconds": gauge("http_dns_age_seconds")},
        "clock_offset_seconds": gauge("bybit_clock_offset_seconds"),
        "ban": {
            "is_banned": bool(gauge("bybit_ip_banned")),
            "remaining_seconds": gauge("bybit_ip_ban_remaining_seconds") or 0.0,
        },
    }


def _pool(totals: Totals, exchange: str) -> dict[str, Any]:
    one = (exchange,)
    gauges = {
        "active": "http_pool_connections_active",
        "idle": "http_pool_connections_idle",
        "limit": "http_pool_connections_limit",
        "limit_per_host": "http_pool_connections_limit_per_host",
        "waiting": "http_pool_requests_waiting",
    }
    counters = {
        "created": "http_pool_connections_created",
        "reused": "http_pool_connections_reused",
        "tls_handshakes": "http_pool_tls_handshakes",
    }
    return {
        **{name: totals.gauges.get((metric, one), 0) for name, metric in gauges.items()},
        **{name: totals.counters.get((metric, one), 0) for name, metric in counters.items()},
        "closed": _by_label(totals.counters, "http_pool_connections_closed", exchange),
        "waits": _histogram(totals, "http_pool_wait_seconds", exchange),
    }


def _endpoints(totals: Totals, exchange: str) -> list[dict[str, Any]]:
    """Per endpoint: how its calls ended, and how long those took that went out."""
    outcomes: dict[str, dict[str, int]] = defaultdict(dict)
    times: dict[str, HistogramSnapshot] = {}
    for labels, histogram in values_of(totals.histograms, "http_request_duration_seconds"):
        owner, endpoint, outcome = labels
        if owner != exchange:
            continue
        outcomes[endpoint][outcome] = histogram.count
        if outcome not in NEVER_SENT:
            known = times.get(endpoint)
            times[endpoint] = histogram if known is None else sum_of(known, histogram)
    return [
        {"endpoint": name, "outcomes": ends, "seconds": _figures(times.get(name))}
        for name, ends in sorted(outcomes.items())
    ]


def _by_label(values: Mapping[tuple[str, Labels], _T], name: str, exchange: str) -> dict[str, _T]:
    """The values of a metric by its one label beside ``exchange``."""
    found = values_of(values, name)
    return {labels[1]: value for labels, value in found if labels[0] == exchange}


def _histogram(totals: Totals, name: str, exchange: str) -> dict[str, Any]:
    return _figures(totals.histograms.get((name, (exchange,))))


def _figures(histogram: HistogramSnapshot | None) -> dict[str, Any]:
    if histogram is None:
        histogram = HistogramSnapshot((), (0,), 0.0)
    return {
        "count": histogram.count,
        "sum": histogram.sum,
        "bounds": histogram.bounds,
        "counts": histogram.counts,
        "p50": quantile(histogram, 0.5),
        "p99": quantile(histogram, 0.99),
    }


def quantile(histogram: HistogramSnapshot, q: float) -> float | None:
    """The duration that the share `q` stays below, in seconds, as Prometheus reckons it.

    Within a bucket it takes all to be spread evenly; above the last bound it says that bound.
    None while nothing was counted.
    """
    rank = q * histogram.count
    if not histogram.count:
        return None
    below, floor = 0, 0.0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        if below + count >= rank and count:
            return floor + (bound - floor) * (rank - below) / count
        below, floor = below + count, bound
    return floor

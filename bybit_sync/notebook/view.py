"""What a client shows of itself at one moment, as plain figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from bybit_sync.call.hooks import CallSnapshot
from bybit_sync.metrics.status import NEVER_SENT, quantile
from bybit_sync.metrics.totals import sum_of
from bybit_sync.net.stats import HistogramSnapshot, HostStats, PoolStats

from .recorder import SeenCall

_LINE_CALLS = 120
_SHOWN_LIMITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """One client at one moment; durations are in seconds. It holds no key."""

    place: str
    """Where it sends to."""
    has_keys: bool
    is_closed: bool = False
    ban_seconds: float = 0.0
    """For how long Bybit has shut the address out; 0 where it has not."""
    limit: int = 0
    created: int = 0
    reused: int = 0
    hosts: Mapping[str, HostStats] = field(default_factory=dict)
    calls: int = 0
    failed: int = 0
    latencies: Sequence[float] = ()
    """Of the last calls, oldest first."""
    p50: float | None = None
    p99: float | None = None
    limits: Sequence[tuple[str, int]] = ()
    """What Bybit says is left, the scarcest first: endpoint and calls."""
    clock_offset: float | None = None


def view_of(
    pool: PoolStats,
    calls: CallSnapshot,
    seen: Sequence[SeenCall],
    *,
    place: str,
    has_keys: bool,
    is_closed: bool,
    ban_seconds: float,
) -> ClientView:
    """The view. Percentiles are those of the calls that were `seen`, which are exact; while none
    was, they are reckoned from the counts since the client's start."""
    latencies = [call.seconds for call in seen]
    p50, p99 = percentiles(latencies) if latencies else _counted_percentiles(calls)
    ended = sum(each.count for each in calls.durations.values())
    good = sum(each.count for (_, how), each in calls.durations.items() if how == "ok")
    left = sorted(calls.rate_limit_remaining.items(), key=lambda each: (each[1], each[0]))
    return ClientView(
        place=place,
        has_keys=has_keys,
        is_closed=is_closed,
        ban_seconds=ban_seconds,
        limit=pool.limit,
        created=pool.created,
        reused=pool.reused,
        hosts=pool.hosts,
        calls=ended,
        failed=ended - good,
        latencies=latencies[-_LINE_CALLS:],
        p50=p50,
        p99=p99,
        limits=left[:_SHOWN_LIMITS],
        clock_offset=calls.clock_offset,
    )


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile of at least one duration."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return ordered[round(0.5 * last)], ordered[round(0.99 * last)]


def _counted_percentiles(calls: CallSnapshot) -> tuple[float | None, float | None]:
    found = [each for (_, how), each in calls.durations.items() if how not in NEVER_SENT]
    if not found:
        return None, None
    together: HistogramSnapshot = reduce(sum_of, found)
    return quantile(together, 0.5), quantile(together, 0.99)

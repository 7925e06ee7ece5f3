"""Counts of the pool, as one consistent snapshot."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

WAIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds, in seconds, of the buckets into which waits for a connection are counted."""


@dataclass(frozen=True, slots=True)
class HistogramSnapshot:
    """``counts[i]`` observations were at most ``bounds[i]`` seconds, the last ones longer."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """How many observations there were."""
        return sum(self.counts)


class Histogram:
    """Durations counted into fixed buckets. The owner's lock guards it."""

    __slots__ = ("_bounds", "_counts", "_sum", "zeros")

    def __init__(self, bounds: Sequence[float] = WAIT_BUCKETS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        self.zeros = 0
        """Durations of nothing, which whoever has many of them counts here."""

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def snapshot(self) -> HistogramSnapshot:
        """What was counted so far."""
        shortest, *others = self._counts
        return HistogramSnapshot(self._bounds, (shortest + self.zeros, *others), self._sum)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStats:
    """One host's share of the pool, see `PoolStats`."""

    limit: int
    active: int
    idle: int
    waiting: int
    created: int
    reused: int
    closed: Mapping[str, int]
    tls_handshakes: int
    connect_seconds: float
    wait_seconds_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """The pool at one moment.

    ``active`` connections are held by calls (connecting ones included), ``idle`` ones wait for
    the next call, ``waiting`` callers queue. ``created`` counts TCP connections that were opened,
    ``reused`` calls that found one open, ``closed`` the closings by reason: ``idle``, ``age``,
    ``server`` (closed by the server), ``unread`` (bytes nobody asked for), ``condemned``
    (idle beside one found dead), ``evicted``, ``answer`` (the server asked for it), ``forced``,
    ``error``, ``handshake`` (TLS's or a proxy's failed), ``abandoned`` (its owner vanished),
    ``shutdown``. ``connect_seconds`` is the time spent on opening connections (DNS, TCP, TLS) in
    sum, ``wait_seconds_max`` the longest wait for a connection so far; ``waits`` counts the calls
    that had to queue by how long they did.
    ``dns_stale`` counts the times that addresses past their time were used because the resolver
    gave no newer ones; ``dns_age_seconds`` is how long ago the oldest ones in use were learnt.
    """

    limit: int
    limit_per_host: int
    active: int
    idle: int
    waiting: int
    created: int
    reused: int
    closed: Mapping[str, int]
    tls_handshakes: int
    connect_seconds: float
    dns_hits: int
    dns_misses: int
    dns_stale: int
    dns_age_seconds: float
    wait_seconds_max: float
    waits: HistogramSnapshot
    hosts: Mapping[str, HostStats] = field(default_factory=dict)

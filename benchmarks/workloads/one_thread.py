"""Calls by one thread, one after another: what all workloads of that kind share."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.budget import Budget
from benchmarks.contenders import Contender, Kind, in_turn, on_site
from benchmarks.measure import Batch, percentile
from benchmarks.options import Options
from benchmarks.results import Comparison, Figure
from benchmarks.server import Site
from benchmarks.work import Work

from .base import ratios

Batches = dict[str, list[Batch]]


def take(
    site: Site,
    options: Options,
    kinds: Sequence[Kind],
    work: Work,
    *,
    share: float = 1.0,
    is_fresh: bool = False,
) -> Batches:
    """Every contender's batches; `share` of the usual number of calls in each."""
    calls = max(5, int(options.calls * share))

    def batch(contender: Contender) -> Batch:
        return contender.time_calls(work, calls)

    with on_site(site, kinds, is_fresh=is_fresh) as contenders:
        for contender in contenders:  # imports and first connections are not a round's
            contender.time_calls(work, 5)
        return in_turn(contenders, options.rounds, batch)


def figures(batches: Batches) -> list[Figure]:
    """Each contender's latency and processor time, in microseconds."""
    return [
        Figure(
            name,
            {
                "p50 us": median(batch.p50 for batch in taken) * 1e6,
                "p99 us": percentile([t for batch in taken for t in batch.latencies], 0.99) * 1e6,
                "CPU us": median(batch.cpu_per_call for batch in taken) * 1e6,
            },
        )
        for name, taken in batches.items()
    ]


def wall(
    batches: Batches, ours: Kind, peer: Kind, budget: Budget | None = None
) -> list[Comparison]:
    """Our median latency against a peer's; nothing where the peer is not installed."""
    if peer.name not in batches:
        return []
    mine, theirs = ([batch.p50 for batch in batches[kind.name]] for kind in (ours, peer))
    return [Comparison(f"p50 to {peer.name}", ratios(mine, theirs), budget)]


def cpu(batches: Batches, ours: Kind, peer: Kind, budget: Budget | None = None) -> list[Comparison]:
    """Our processor time for a call against a peer's; nothing where it is not installed."""
    if peer.name not in batches:
        return []
    mine, theirs = ([batch.cpu_per_call for batch in batches[kind.name]] for kind in (ours, peer))
    return [Comparison(f"CPU to {peer.name}", ratios(mine, theirs), budget)]

"""What the workloads with many threads share."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.contenders import Contender, Kind, in_turn, on_site
from benchmarks.measure import Crowd
from benchmarks.options import Options
from benchmarks.results import Figure
from benchmarks.server import Site
from benchmarks.work import SMALL

Crowds = dict[str, list[Crowd]]

_MOST_ROUNDS = 7


def take(
    site: Site, options: Options, kinds: Sequence[Kind], *, workers: int, connections: int
) -> Crowds:
    """Every contender's crowds: so many workers on so many connections, small answers."""
    seconds = options.crowd_seconds

    def crowd(contender: Contender) -> Crowd:
        return contender.time_crowd(SMALL, workers, seconds)

    with on_site(site.small(), kinds, width=connections) as contenders:
        for contender in contenders:  # imports and first connections are not a round's
            contender.time_calls(SMALL, 5)
        return in_turn(contenders, min(options.rounds, _MOST_ROUNDS), crowd)


def figures(crowds: Crowds) -> list[Figure]:
    """Each contender's throughput, and how it was shared out."""
    return [
        Figure(
            name,
            {
                "calls/s": median(crowd.rate for crowd in taken),
                "p50 ms": median(crowd.percentile(0.50) for crowd in taken) * 1e3,
                "p99 ms": median(crowd.percentile(0.99) for crowd in taken) * 1e3,
                "CPU us": median(crowd.cpu_per_call for crowd in taken) * 1e6,
                "slowest/fastest": median(crowd.evenness for crowd in taken),
            },
        )
        for name, taken in crowds.items()
    ]

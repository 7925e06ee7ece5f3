"""An answer of 310 kB, all linear tickers: reading and parsing rule, not the call's path."""

from __future__ import annotations

from benchmarks import budget
from benchmarks.contenders import ALL, BareSocket, Ours, Pybit
from benchmarks.options import Options
from benchmarks.results import Result
from benchmarks.server import Site
from benchmarks.work import LARGE

from .base import Workload
from .one_thread import cpu, figures, take, wall


def _run(this: Workload, site: Site, options: Options) -> Result:
    batches = take(site, options, ALL, LARGE, share=0.15)
    comparisons = [
        *wall(batches, Ours, BareSocket, budget.LARGE_TO_BARE),
        *cpu(batches, Ours, BareSocket),
        *wall(batches, Ours, Pybit),
    ]
    return Result(this.name, this.title, figures(batches), comparisons)


WORKLOAD = Workload("310kB", "One GET, 310 kB answer, parsed, one thread", _run)

"""More threads than connections: does everybody get a turn, and how long is the queue?"""

from __future__ import annotations

from benchmarks import budget
from benchmarks.contenders import Ours, Requests
from benchmarks.options import Options
from benchmarks.results import Comparison, Result
from benchmarks.server import Site

from .base import Workload
from .crowds import figures, take

_THREADS = 100
_CONNECTIONS = 30


def _run(this: Workload, site: Site, options: Options) -> Result:
    crowds = take(site, options, (Requests, Ours), workers=_THREADS, connections=_CONNECTIONS)
    ours = crowds[Ours.name]
    comparisons = [
        Comparison("slowest/fastest thread", [c.evenness for c in ours], budget.EVENNESS),
        Comparison("p99/p50", [c.percentile(0.99) / c.percentile(0.50) for c in ours], budget.TAIL),
    ]
    return Result(this.name, this.title, figures(crowds), comparisons)


WORKLOAD = Workload("threads100", "100 threads on 30 connections, small answer", _run)

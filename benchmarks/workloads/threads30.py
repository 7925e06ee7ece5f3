"""Thirty threads, a connection for each: what the interpreter lets through."""

from __future__ import annotations

from benchmarks import budget
from benchmarks.budget import Budget
from benchmarks.contenders import Aiohttp, Kind, Ours, Pybit
from benchmarks.options import Options
from benchmarks.results import Comparison, Result
from benchmarks.server import Site

from .base import Workload, ratios
from .crowds import Crowds, figures, take

_THREADS = 30


def _run(this: Workload, site: Site, options: Options) -> Result:
    kinds = (Aiohttp, Pybit, Ours)
    crowds = take(site, options, kinds, workers=_THREADS, connections=_THREADS)
    comparisons = [
        *_rate(crowds, Pybit, budget.CROWD_TO_PYBIT),
        *_rate(crowds, Aiohttp, budget.CROWD_TO_AIOHTTP),
    ]
    return Result(this.name, this.title, figures(crowds), comparisons)


def _rate(crowds: Crowds, peer: Kind, known: Budget) -> list[Comparison]:
    if peer.name not in crowds:
        return []
    mine, theirs = ([crowd.rate for crowd in crowds[kind.name]] for kind in (Ours, peer))
    return [Comparison(f"calls/s to {peer.name}", ratios(mine, theirs), known)]


WORKLOAD = Workload(
    "threads30", "30 threads (aiohttp: 30 tasks) on 30 connections, small answer", _run
)

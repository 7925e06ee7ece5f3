"""One signed GET with a small answer: the path of a call and little else."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import budget
from benchmarks.contenders import ALL, Aiohttp, BareSocket, Ours, Pybit, PyCurl
from benchmarks.options import Options
from benchmarks.results import Result
from benchmarks.server import Site
from benchmarks.work import SMALL

from .base import Workload
from .one_thread import cpu, figures, take, wall


def _run(this: Workload, site: Site, options: Options) -> Result:
    batches = take(site.small(), replace(options, rounds=options.small_rounds), ALL, SMALL)
    comparisons = [
        *wall(batches, Ours, BareSocket, budget.SMALL_TO_BARE),
        *wall(batches, Ours, PyCurl, budget.SMALL_TO_PYCURL),
        *wall(batches, Ours, Aiohttp, budget.SMALL_TO_AIOHTTP),
        *wall(batches, Ours, Pybit, budget.SMALL_TO_PYBIT),
        *cpu(batches, Ours, Pybit, budget.SMALL_TO_PYBIT),
    ]
    return Result(this.name, this.title, figures(batches), comparisons)


WORKLOAD = Workload("small", "One signed GET, small answer, one thread", _run)

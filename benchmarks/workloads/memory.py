"""What an open connection takes in memory, each contender in a process of its own."""

from __future__ import annotations

import json
from dataclasses import asdict
from statistics import median

from benchmarks.children import run_python
from benchmarks.contenders import BareSocket, Ours
from benchmarks.memory_child import CONNECTIONS, can_measure
from benchmarks.options import Options
from benchmarks.results import Comparison, Figure, Result
from benchmarks.server import Site

from .base import Workload, ratios

_MOST_ROUNDS = 3


def _run(this: Workload, site: Site, options: Options) -> Result:
    if not can_measure():
        return Result(this.name, f"{this.title}: this system does not tell")
    where = json.dumps(asdict(site))
    taken: dict[str, list[float]] = {BareSocket.name: [], Ours.name: []}
    for _ in range(min(options.rounds, _MOST_ROUNDS)):
        for name, each in taken.items():
            each.append(float(run_python("-m", "benchmarks.memory_child", name, where)))
    figures = [Figure(name, {"kB each": median(each) / 1e3}) for name, each in taken.items()]
    against = ratios(taken[Ours.name], taken[BareSocket.name])
    return Result(this.name, this.title, figures, [Comparison("to bare socket", against)])


WORKLOAD = Workload("memory", f"Memory of an open connection, over {CONNECTIONS}", _run)

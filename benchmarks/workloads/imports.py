"""How long the import keeps a program or a notebook waiting.

``import bybit_sync`` alone loads next to nothing, names come when they are used; so what a program
really pays, the import of the client, is held against the same budget.
"""

from __future__ import annotations

from statistics import median

from benchmarks import budget
from benchmarks.children import run_python
from benchmarks.options import Options
from benchmarks.results import Comparison, Figure, Result
from benchmarks.server import Site

from .base import Workload, ratios

_PEERS = "import requests, prometheus_client, tenacity"
_PACKAGE = "import bybit_sync"
_CLIENT = "from bybit_sync import BybitClient"
_CODE = """
import json, time
began, cpu = time.perf_counter(), time.process_time()
{statement}
print(json.dumps([time.perf_counter() - began, time.process_time() - cpu]))
"""


def _run(this: Workload, site: Site, options: Options) -> Result:
    walls: dict[str, list[float]] = {_PEERS: [], _PACKAGE: [], _CLIENT: []}
    cpus: dict[str, list[float]] = {statement: [] for statement in walls}
    for statement in walls:  # the first time byte code is written and files are cold
        _import(statement)
    for _ in range(options.rounds):
        for statement in walls:
            wall, cpu = _import(statement)
            walls[statement].append(wall)
            cpus[statement].append(cpu)
    figures = [
        Figure(each, {"wall ms": median(walls[each]) * 1e3, "CPU ms": median(cpus[each]) * 1e3})
        for each in walls
    ]
    comparisons = [
        Comparison(each, ratios(walls[each], walls[_PEERS]), budget.IMPORT)
        for each in (_PACKAGE, _CLIENT)
    ]
    return Result(this.name, this.title, figures, comparisons)


def _import(statement: str) -> tuple[float, float]:
    wall, cpu = run_python("-c", _CODE.format(statement=statement))
    return wall, cpu


WORKLOAD = Workload("import", "Import, each in a new interpreter", _run)

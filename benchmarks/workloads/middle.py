"""An answer of 17 kB: a page of fifty orders, two TLS records."""

from __future__ import annotations

from benchmarks.contenders import ALL, BareSocket, Ours, Pybit
from benchmarks.options import Options
from benchmarks.results import Result
from benchmarks.server import Site
from benchmarks.work import MIDDLE

from .base import Workload
from .one_thread import figures, take, wall


def _run(this: Workload, site: Site, options: Options) -> Result:
    batches = take(site, options, ALL, MIDDLE, share=0.5)
    comparisons = [*wall(batches, Ours, BareSocket), *wall(batches, Ours, Pybit)]
    return Result(this.name, this.title, figures(batches), comparisons)


WORKLOAD = Workload("17kB", "One signed GET, 17 kB answer, one thread", _run)

"""One signed POST: an order and its acknowledgement."""

from __future__ import annotations

from benchmarks.contenders import ALL, BareSocket, OurOrders, Ours, Pybit
from benchmarks.options import Options
from benchmarks.results import Result
from benchmarks.server import Site
from benchmarks.work import ORDER

from .base import Workload
from .one_thread import figures, take, wall


def _run(this: Workload, site: Site, options: Options) -> Result:
    batches = take(site, options, (*ALL, OurOrders), ORDER, share=0.5)
    comparisons = [
        *wall(batches, Ours, BareSocket),
        *wall(batches, Ours, Pybit),
        *wall(batches, OurOrders, Ours),
    ]
    return Result(this.name, this.title, figures(batches), comparisons)


WORKLOAD = Workload("order", "One signed POST (an order), one thread", _run)

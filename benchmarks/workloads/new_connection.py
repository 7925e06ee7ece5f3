"""A new TLS connection for every call: the handshake, and what is built around it each time."""

from __future__ import annotations

from benchmarks import budget
from benchmarks.contenders import BareSocket, Ours, PyCurl, Requests
from benchmarks.options import Options
from benchmarks.results import Result
from benchmarks.server import Site
from benchmarks.work import SMALL

from .base import Workload
from .one_thread import cpu, figures, take


def _run(this: Workload, site: Site, options: Options) -> Result:
    kinds = (BareSocket, PyCurl, Requests, Ours)
    batches = take(site, options, kinds, SMALL, share=0.05, is_fresh=True)
    comparisons = [
        *cpu(batches, Ours, Requests, budget.NEW_CONNECTION_TO_REQUESTS),
        *cpu(batches, Ours, BareSocket),
    ]
    return Result(this.name, this.title, figures(batches), comparisons)


WORKLOAD = Workload("newconnection", "One GET on a TLS connection of its own", _run)

"""What a user gets who stays with ``session.get(url)``: our pool under requests' own way."""

from __future__ import annotations

from benchmarks import budget
from benchmarks.contenders import OurSession, Requests
from benchmarks.options import Options
from benchmarks.results import Result
from benchmarks.server import Site
from benchmarks.work import SMALL

from .base import Workload
from .one_thread import cpu, figures, take, wall


def _run(this: Workload, site: Site, options: Options) -> Result:
    batches = take(site.small(), options, (Requests, OurSession), SMALL)
    comparisons = [
        *wall(batches, OurSession, Requests, budget.SESSION_TO_REQUESTS),
        *cpu(batches, OurSession, Requests),
    ]
    return Result(this.name, this.title, figures(batches), comparisons)


WORKLOAD = Workload("session", "client.session.get(url) and a plain requests.Session", _run)

"""Prometheus metrics and a status page, read from snapshots when somebody looks, so that they are
true then.

One collector per registry, one line per ``exchange`` label however many clients share it: two
clients, or a notebook cell run twice, never collide, and what a closed client has counted stays
counted. ``[metrics] port`` serves ``/metrics``, the page at ``/`` and its figures as
``/status.json``, from one exporter however many clients name that port.
"""

from .collector import PoolCollector, collector_for
from .families import buckets, values_of
from .report import ClientReport
from .totals import Totals, totals_of

__all__ = [
    "ClientReport",
    "PoolCollector",
    "Totals",
    "buckets",
    "collector_for",
    "totals_of",
    "values_of",
]

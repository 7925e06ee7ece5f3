"""What runners tell Prometheus, read from their rosters when it scrapes.

One collector per registry and one line per ``exchange`` and ``strategy`` label: a runner that is
made again, as by a notebook's cell, never collides with the one before.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from bybit_sync.metrics import PoolCollector, Totals, buckets, values_of

from .roster import Roster
from .strategy import RUNNING

_LABELS = ("exchange", "strategy")
_RUNNING = "strategy_running"
_COUNTERS = {
    "strategy_runs": "Steps that have ended.",
    "strategy_errors": "Steps that ended with an exception.",
    "strategy_overruns": "Steps that were due while the one before had not ended.",
}
_HISTOGRAMS = {
    "strategy_step_seconds": "How long steps took.",
    "strategy_lag_seconds": "Time from the moment at which a step was due to its beginning.",
}


def totals_of(exchange: str, roster: Roster) -> Totals:
    """One runner's values."""
    totals = Totals()
    for name, each in roster.stats().items():
        labels = (exchange, name)
        totals.gauges[_RUNNING, labels] = float(each.status == RUNNING)
        totals.counters["strategy_runs", labels] = each.runs
        totals.counters["strategy_errors", labels] = each.errors
        totals.counters["strategy_overruns", labels] = each.overruns
        totals.histograms["strategy_step_seconds", labels] = each.seconds
        totals.histograms["strategy_lag_seconds", labels] = each.lag
    return totals


class StrategyCollector(PoolCollector):
    """Everything that the runners of one registry have to tell."""

    def collect(self) -> Iterable[Metric]:
        """What a scrape sees."""
        yield from _families(self.totals())

    def describe(self) -> Iterable[Metric]:
        """The names, told without a reading, for the registry's check against doubles."""
        return list(_families(Totals()))


def _families(totals: Totals) -> Iterator[Metric]:
    gauge = GaugeMetricFamily(_RUNNING, "1 while a step of the strategy runs.", labels=_LABELS)
    for labels, value in values_of(totals.gauges, _RUNNING):
        gauge.add_metric(labels, value)
    yield gauge
    for name, text in _COUNTERS.items():
        counter = CounterMetricFamily(name, text, labels=_LABELS)
        for labels, value in values_of(totals.counters, name):
            counter.add_metric(labels, value)
        yield counter
    for name, text in _HISTOGRAMS.items():
        family = HistogramMetricFamily(name, text, labels=_LABELS)
        for labels, histogram in values_of(totals.histograms, name):
            family.add_metric(labels, buckets(histogram), histogram.sum)
        yield family


_COLLECTORS: weakref.WeakKeyDictionary[CollectorRegistry, StrategyCollector] = (
    weakref.WeakKeyDictionary()
)
_COLLECTORS_LOCK = threading.Lock()


def report(
    owner: object, exchange: str, roster: Roster, registry: CollectorRegistry | None
) -> None:
    """Report a roster for as long as `owner` lives; what it counted stays in the sums."""
    chosen = REGISTRY if registry is None else registry
    with _COLLECTORS_LOCK:
        collector = _COLLECTORS.get(chosen)
        if collector is None:
            collector = _COLLECTORS[chosen] = StrategyCollector()
            chosen.register(collector)
    ticket = collector.add(lambda: totals_of(exchange, roster))
    weakref.finalize(owner, collector.retire, ticket)

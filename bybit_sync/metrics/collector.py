"""One collector per registry, over however many clients."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from bybit_sync.forking import renew_after_fork

from .families import families_of
from .totals import Totals

Read = Callable[[], Totals]


class PoolCollector(Collector):
    """Everything that the clients of one registry have to tell. The lock guards the readers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._readers: dict[int, Read] = {}
        self._retired = Totals()
        self._next = 0

    def add(self, read: Read) -> int:
        """Begin to report a client; returns the ticket to remove it with."""
        with self._lock:
            self._next += 1
            self._readers[self._next] = read
            return self._next

    def retire(self, ticket: int) -> None:
        """Stop reporting a client; what it has counted stays in the sums. Twice is fine."""
        with self._lock:
            read = self._readers.get(ticket)
        if read is None:
            return
        last = read()
        with self._lock:
            if self._readers.pop(ticket, None) is not None:
                self._retired.add(last, with_gauges=False)

    def collect(self) -> Iterable[Metric]:
        """What a scrape sees."""
        yield from families_of(self.totals())

    def totals(self) -> Totals:
        """The sums over all readers, past and present."""
        totals = Totals()
        with self._lock:
            totals.add(self._retired)
            readers = list(self._readers.values())
        for read in readers:
            totals.add(read())
        return totals

    def describe(self) -> Iterable[Metric]:
        """The names, told without a reading, for the registry's check against doubles."""
        return list(families_of(Totals()))


_COLLECTORS: weakref.WeakKeyDictionary[CollectorRegistry, PoolCollector] = (
    weakref.WeakKeyDictionary()
)
_COLLECTORS_LOCK = threading.Lock()


def collector_for(registry: CollectorRegistry | None = None) -> PoolCollector:
    """The one collector of a registry; the default registry where none is given."""
    chosen = REGISTRY if registry is None else registry
    with _COLLECTORS_LOCK:
        collector = _COLLECTORS.get(chosen)
        if collector is None:
            collector = _COLLECTORS[chosen] = PoolCollector()
            chosen.register(collector)
        return collector

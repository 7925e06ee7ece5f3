"""Several registries as one, for clients that share a port and not a registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from .collector import collector_for
from .families import NAMES, families_of
from .totals import Totals


def totals_in(registries: Sequence[CollectorRegistry]) -> Totals:
    """What the clients of all these registries have counted, added up by label."""
    totals = Totals()
    for registry in registries:
        totals.add(collector_for(registry).totals())
    return totals


class Joined:
    """Registries as one: our own metrics are added up; of the others, which may be anything, the
    first registry's line wins where two have the same."""

    def __init__(self, registries: Sequence[CollectorRegistry], names: Iterable[str] = ()) -> None:
        self._registries = registries
        self._names = frozenset(names)

    def restricted_registry(self, names: Iterable[str]) -> Joined:
        """The same with these samples alone, as ``/metrics?name[]=…`` asks for."""
        return Joined(self._registries, names)

    def collect(self) -> Iterator[Metric]:
        """Every metric once."""
        families = {family.name: family for family in families_of(totals_in(self._registries))}
        for registry in self._registries:
            for family in registry.collect():
                if family.name not in NAMES:
                    _take(families, family)
        for family in families.values():
            if self._names:
                family.samples = [each for each in family.samples if each.name in self._names]
            if family.samples or not self._names:
                yield family


def _take(families: dict[str, Metric], family: Metric) -> None:
    known = families.get(family.name)
    if known is None:
        known = families[family.name] = Metric(
            family.name, family.documentation, family.type, family.unit
        )
    seen = {(each.name, *sorted(each.labels.items())) for each in known.samples}
    known.samples.extend(
        each for each in family.samples if (each.name, *sorted(each.labels.items())) not in seen
    )

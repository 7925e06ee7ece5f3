"""What a workload is: a name, what it says it measures, and a function that does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.options import Options
from benchmarks.results import Result
from benchmarks.server import Site


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing to measure, in one module."""

    name: str
    title: str
    run: Callable[[Workload, Site, Options], Result]

    def measure(self, site: Site, options: Options) -> Result:
        """Measure it now."""
        return self.run(self, site, options)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours against theirs, round by round: what slows a round down slows both."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]

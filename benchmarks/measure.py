"""What was measured: a batch of calls by one thread, or a crowd's for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Call = Callable[[], object]

_BATCH_SECONDS = 10.0
"""No batch takes longer, however slow its contender is."""


class BenchmarkError(Exception):
    """A measurement could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls made one after another."""

    latencies: Sequence[float]
    cpu: float
    """Seconds of processor time that this process took for all of them."""

    @property
    def p50(self) -> float:
        """The median latency, in seconds."""
        return percentile(self.latencies, 0.50)

    @property
    def cpu_per_call(self) -> float:
        """Processor seconds of this process for one call."""
        return self.cpu / len(self.latencies)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Calls made by many threads or tasks at once; one list of latencies for each."""

    latencies: Sequence[Sequence[float]]
    seconds: float
    cpu: float

    @property
    def calls(self) -> int:
        """How many there were in all."""
        return sum(len(each) for each in self.latencies)

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds

    @property
    def cpu_per_call(self) -> float:
        """Processor seconds of this process for one call."""
        return self.cpu / self.calls

    @property
    def evenness(self) -> float:
        """Calls done by the slowest worker for each one of the fastest."""
        counts = [len(each) for each in self.latencies]
        return min(counts) / max(counts) if max(counts) else 0.0

    def percentile(self, share: float) -> float:
        """That latency over all workers, in seconds."""
        return percentile([each for one in self.latencies for each in one], share)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies.

    Raises:
        BenchmarkError: there are none.
    """
    if not values:
        raise BenchmarkError("not one call was made")
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def time_calls(call: Call, calls: int) -> Batch:
    """Make a batch of calls on this thread."""
    clock, latencies = time.perf_counter, []
    end = clock() + _BATCH_SECONDS
    cpu = time.process_time()
    for _ in range(calls):
        started = clock()
        call()
        ended = clock()
        latencies.append(ended - started)
        if ended > end:
            break
    return Batch(latencies, time.process_time() - cpu)

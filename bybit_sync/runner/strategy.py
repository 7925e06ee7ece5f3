"""One strategy: when its next step is due, what it is doing, and what it has done."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bybit_sync.clock import Ceiling
from bybit_sync.net.stats import Histogram, HistogramSnapshot

from .agenda import Entry
from .settings import StrategySettings
from .steps import BEGUN, BUSY, Job, Lease, StepResult, Task, has_part

LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
STEP_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)

IDLE, WAITING, QUEUED, RUNNING, BACKING_OFF, FAILED, STOPPED = (
    "idle",
    "waiting",
    "queued",
    "running",
    "backing off",
    "failed",
    "stopped",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyStats:
    """What one strategy has done so far. Times are in seconds."""

    name: str
    status: str
    """``idle`` (the runner has not begun), ``waiting``, ``queued`` (for a worker), ``running``,
    ``backing off``, ``failed`` (for good: ``restart="never"``) or ``stopped``."""
    runs: int
    """Steps that were begun and have ended."""
    errors: int
    """… of them with an exception."""
    overruns: int
    """Moments at which a step was due while the one before had not ended."""
    overtime: int
    """Steps that took longer than their ``timeout``."""
    interrupted: int
    """Steps that another worker had begun and not ended, because it is gone, and steps that did
    not begin because one was still running elsewhere."""
    running_for: float | None
    """Since the present step began; None while none runs here."""
    lag: HistogramSnapshot
    """From the moment at which a step was due to its beginning."""
    lag_max: float
    seconds: HistogramSnapshot
    """How long steps took."""
    last_error: str

    @property
    def mean_seconds(self) -> float:
        """How long a step took on average."""
        return self.seconds.sum / self.seconds.count if self.seconds.count else 0.0


class Strategy:
    """A strategy under supervision. The roster's lock guards all that changes."""

    def __init__(
        self,
        name: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        settings: StrategySettings,
    ) -> None:
        self.name = name
        self.target = target
        self.args = args
        self.kwargs = dict(kwargs)
        self.settings = settings
        self.status = IDLE
        self.has_started = False
        """Its ``start`` was run, and its ``stop`` not yet."""
        self.is_removed = False
        self.job: Job | None = None
        """The step that is queued or running."""
        self.entry: Entry | None = None
        """Its next step, on the agenda."""
        self.watch: Entry | None = None
        """When to look whether the present step is over its time."""
        self.number = 0
        """Of the next step, or of the one that is queued or running."""
        self.due = 0.0
        self.runs = self.errors = self.overruns = self.overtime = self.interrupted = 0
        self.last_error = ""
        self._first_at = 0.0
        self.failures = 0
        self._lag_max = 0.0
        self._lag = Histogram(LAG_BUCKETS)
        self._seconds = Histogram(STEP_BUCKETS)

    # --- the schedule ---------------------------------------------------------------------

    def begin_schedule(self, first_at: float) -> None:
        """The n-th step is due at ``first_at + n * every``, however long the others take."""
        self._first_at = first_at
        self.failures = 0
        self.status = WAITING
        self._plan(0)

    def _plan(self, number: int) -> None:
        self.number = number
        self.due = self._moment(number) + random.uniform(0.0, self.settings.jitter)

    def _moment(self, number: int) -> float:
        # Multiplied, not added up: a year of steps does not drift by a rounding.
        return self._first_at + number * self.settings.every

    def _first_from(self, moment: float) -> int:
        """The number of the first step that is due at `moment` or later."""
        number = max(self.number + 1, round((moment - self._first_at) / self.settings.every) - 1)
        while self._moment(number) < moment:
            number += 1
        return number

    # --- what happens ---------------------------------------------------------------------

    def task(self, client: Any, run: str, lease: Lease | None, *, ends: bool = False) -> Task:
        """Its next step, or its end, for a worker."""
        return Task(
            strategy=self.name,
            run=run,
            number=self.number,
            client=client,
            target=self.target,
            args=self.args,
            kwargs=self.kwargs,
            timeout=self.settings.timeout,
            starts=not self.has_started,
            ends=ends,
            lease=None if ends else lease,
        )

    def is_busy(self) -> bool:
        """A step is queued or running."""
        return self.job is not None

    def is_over(self) -> bool:
        """It will not run again by itself."""
        return self.is_removed or self.status in (FAILED, STOPPED)

    def needs_stop(self) -> bool:
        """It has begun, and wants to be told of the end."""
        return self.has_started and has_part(self.target, "stop")

    def finish(self, result: StepResult, now: float) -> None:
        """Count a step that has ended, and plan the next."""
        self.job = None
        if result.target is not None:
            self.target = result.target
        if result.verdict in (BUSY, BEGUN):
            self.interrupted += 1
        else:
            self._count(result)
        if result.error is not None and self.settings.restart == "never":
            self.status = FAILED
            return
        self._plan_next(now, is_failure=result.error is not None)

    def _count(self, result: StepResult) -> None:
        self.runs += 1
        self._lag.observe(result.lag)
        self._lag_max = max(self._lag_max, result.lag)
        self._seconds.observe(result.seconds)
        self.has_started = result.error is None
        if result.error is None:
            self.failures = 0
            return
        self.errors += 1
        self.failures += 1
        self.last_error = f"{type(result.error).__name__}: {result.error}"

    def skip(self) -> None:
        """Its step cannot be run now: the next one, then."""
        self.overruns += 1
        self._plan(self.number + 1)

    def _plan_next(self, now: float, *, is_failure: bool) -> None:
        self.status = BACKING_OFF if is_failure else WAITING
        following = self.number + 1
        if is_failure:  # what was missed is not made up for: the exchange may be in trouble
            self._plan(self._first_from(now + self.settings.pause_after(self.failures)))
        elif self._moment(following) >= now:
            self._plan(following)
        elif self.settings.on_overrun == "queue":
            self.overruns += 1
            self._plan(following)
            self.due = self._moment(following)
        else:
            first = self._first_from(now)
            self.overruns += first - following
            self._plan(first)

    def end(self) -> None:
        """It will not run again in this run of the runner."""
        self.job = None
        self.has_started = False
        if self.status != FAILED:
            self.status = STOPPED

    # --- what is seen ---------------------------------------------------------------------

    def stats(self, now: float) -> StrategyStats:
        """As things stand; overruns of the step that runs are counted when it ends."""
        began = self.job.began_at if self.job is not None else None
        status = self.status
        if self.job is not None:
            is_queued = began is None and not self.job.is_remote
            status = QUEUED if is_queued else RUNNING
        return StrategyStats(
            name=self.name,
            status=status,
            runs=self.runs,
            errors=self.errors,
            overruns=self.overruns,
            overtime=self.overtime,
            interrupted=self.interrupted,
            running_for=None if began is None else max(0.0, now - began),
            lag=self._lag.snapshot(),
            lag_max=self._lag_max,
            seconds=self._seconds.snapshot(),
            last_error=self.last_error,
        )

    def cut_at(self, moment: float) -> None:
        """No call of the step that runs may wait beyond a moment."""
        if self.job is not None:
            ceiling: Ceiling = self.job.ceiling
            ceiling.at = min(ceiling.at, moment)

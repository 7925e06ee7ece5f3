"""One step of a strategy, from the moment it is handed to a worker to its result.

The same code runs on a thread beside the runner and in another process. A `Job` that is not
pickled runs here, with the very objects; pickled, it arrives as a `RemoteJob`, and what the step
changed in its strategy comes back with the result.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any, Protocol

from bybit_sync.clock import SYSTEM_CLOCK, Ceiling, Clock, under

log = logging.getLogger("bybit_sync.runner")

GO, BUSY, BEGUN = "go", "busy", "begun"
"""What a lease says: go ahead; another step of this strategy runs; this step began before."""


class Lease(Protocol):
    """Sees to it that no two steps of a strategy run at once, wherever they run."""

    def hold(self, strategy: str, run: str, number: int) -> AbstractContextManager[str]:
        """Held for the length of one step; yields `GO`, or why the step may not run."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a worker is asked to do for a strategy. It can be pickled if its parts can."""

    strategy: str
    run: str
    """Names the runner's run, so that the numbers of two runs are not taken for one's."""
    number: int
    client: Any
    target: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    starts: bool = False
    """The strategy has a ``start`` that has to be run before its step."""
    ends: bool = False
    """Run its ``stop``, and no step."""
    lease: Lease | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How a step ended. Times are in seconds."""

    verdict: str = GO
    """`GO` where it was run, else what the lease said."""
    lag: float = 0.0
    """From the moment at which it was due to its beginning."""
    seconds: float = 0.0
    error: BaseException | None = None
    trace: str = ""
    """The error's traceback as text, where the error itself came from another process."""
    target: Any = None
    """The strategy as the step left it, where it ran in another process."""
    worker: str = ""
    """``host:pid`` of another process that ran it."""


class Job:
    """A task on its way to a worker of this process, or, once it is pickled, of another."""

    def __init__(self, task: Task, due: float, clock: Clock) -> None:
        self.task = task
        self.due = due
        self.ceiling = Ceiling(math.inf)
        """Behind which no call of the step may wait; a drain brings it nearer."""
        self.began_at: float | None = None
        self.thread: int | None = None
        self.is_remote = False
        """It was sent to another process; when it began there is not known here."""
        self.cancel: Callable[[], bool] = bool
        """Takes the job back if no worker has it yet; true if so."""
        self._clock = clock

    def run(self) -> StepResult:
        """Run it on this thread."""
        now = self._clock.monotonic()
        if self.task.timeout is not None:
            self.ceiling.at = min(self.ceiling.at, now + self.task.timeout)
        self.began_at, self.thread = now, threading.get_ident()
        try:
            return perform(self.task, self.ceiling, self._clock, now - self.due)
        finally:
            self.thread = None

    def __reduce__(self) -> tuple[Any, ...]:
        self.is_remote = True
        due = self._clock.wall() + self.due - self._clock.monotonic()
        return RemoteJob, (self.task, due)

    def __dask_tokenize__(self) -> tuple[str, str, int, bool]:
        # Dask runs one of several equal tasks: no two steps are equal.
        return self.task.strategy, self.task.run, self.task.number, self.task.ends


class RemoteJob:
    """A job in the process that it was sent to."""

    def __init__(self, task: Task, due_wall: float) -> None:
        self._task = task
        self._due_wall = due_wall

    def run(self) -> StepResult:
        """Run it on this thread; the result can be pickled."""
        task, clock = self._task, SYSTEM_CLOCK
        ceiling = Ceiling(math.inf)
        if task.timeout is not None:
            ceiling.at = clock.monotonic() + task.timeout
        # Clocks of two machines differ by little; a step that began before it was due did not.
        lag = max(0.0, clock.wall() - self._due_wall)
        result = perform(task, ceiling, clock, lag)
        return replace(
            result,
            error=_portable(result.error),
            trace="".join(traceback.format_exception(result.error)) if result.error else "",
            target=None if isinstance(task.target, FunctionType) else task.target,
            worker=f"{socket.gethostname()}:{os.getpid()}",
        )


def run_step(job: Job | RemoteJob) -> StepResult:
    """What an executor is handed: a function of this module, which every process can import."""
    return job.run()


def perform(task: Task, ceiling: Ceiling, clock: Clock, lag: float) -> StepResult:
    """Do what the task says; whatever it raises becomes part of the result."""
    began = clock.monotonic()
    error: BaseException | None = None
    verdict = GO
    try:
        hold = (
            nullcontext(GO)
            if task.lease is None
            else task.lease.hold(task.strategy, task.run, task.number)
        )
        with hold as verdict, under(ceiling):
            if verdict == GO:
                _act(task)
    except BaseException as raised:  # noqa: BLE001  (of the user's: told, counted and backed off)
        error = raised
    return StepResult(verdict=verdict, lag=lag, seconds=clock.monotonic() - began, error=error)


def _act(task: Task) -> None:
    target, client = task.target, task.client
    if task.ends:
        _call(target, "stop", client)
        return
    try:
        if task.starts:
            _call(target, "start", client)
        step = step_of(target)
        assert step is not None  # the roster takes in nothing else
        step(client, *task.args, **task.kwargs)
    except BaseException:
        # Every start is followed by one stop, also of a strategy that is about to start again.
        if has_part(target, "start") or has_part(target, "stop"):
            _stop_after_failure(target, client)
        raise


def _stop_after_failure(target: Any, client: Any) -> None:
    try:
        _call(target, "stop", client)
    except Exception:
        # Logged and not raised: the error that is about to be told came first.
        log.exception("the stop() of %s failed, too", type(target).__name__)


def _call(target: Any, part: str, client: Any) -> None:
    if has_part(target, part):
        getattr(target, part)(client)


def has_part(target: Any, part: str) -> bool:
    """True for an object with a ``step`` that has a ``start`` or ``stop``, as `part` says."""
    return callable(getattr(target, "step", None)) and callable(getattr(target, part, None))


def step_of(target: Any) -> Callable[..., Any] | None:
    """What is run at every step: the object's ``step``, or the function itself; None = neither."""
    step = getattr(target, "step", None)
    if callable(step):
        return step  # type: ignore[no-any-return]
    return target if callable(target) else None


def _portable(error: BaseException | None) -> BaseException | None:
    """The error, or one that says the same where it cannot travel."""
    if error is None:
        return None
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  (our own, just made)
    except Exception:  # noqa: BLE001  (of whatever kind: it does not travel)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error

"""`StrategyRunner`: strategies on a pool of threads, each on its own schedule, supervised."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from bybit_sync.clock import SYSTEM_CLOCK, Clock
from bybit_sync.config import checks
from bybit_sync.exceptions import ConfigError

from . import metrics, signals
from .engine import Engine
from .live import REFRESH_SECONDS, live_table
from .report import RunnerStats, RunReport
from .roster import Roster
from .settings import StrategySettings
from .steps import Lease

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log = logging.getLogger("bybit_sync.runner")

_T = TypeVar("_T")
_STOPPED = "stopped"


class StrategyRunner:
    """Runs strategies side by side on a few threads, and none of them harms another.

    A strategy is a function, called as ``fn(client, *args, **kwargs)``, or an object with a
    ``step(client, …)`` and, if it likes, a ``start(client)`` and a ``stop(client)``. Its n-th step
    is due at the n-th multiple of ``every``: schedules do not drift. It never overlaps with itself.
    What it raises is logged and counted, and it is left alone for a while.

    ::

        runner = StrategyRunner(client)

        @runner.every(1.0)
        def watch(client):
            ...

        sys.exit(runner.run().exit_code)

    Args:
        client: what every step is given; usually a `BybitClient`.
        max_workers: steps that may run at once.
        executor: where steps run instead of on threads of the runner's own: any
            `concurrent.futures.Executor`, as of processes or of a Dask cluster. Strategy and
            client are pickled for another process, and what a step changed in its object comes
            back with it. It is not shut down.
        registry: the Prometheus registry that reports this runner; the default one if None.
        drain_timeout: seconds that running steps get at the end.
        spread: seconds over which the first steps of many strategies are spread.
        lease: keeps two steps of a strategy apart wherever they run; see `bybit_sync.cluster`.

    Raises:
        ConfigError: an argument is not allowed.
    """

    def __init__(
        self,
        client: Any,
        *,
        max_workers: int = 30,
        executor: Executor | None = None,
        registry: CollectorRegistry | None = None,
        drain_timeout: float = 30.0,
        spread: float = 1.0,
        lease: Lease | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.client = client
        self.max_workers: int = _checked("max_workers", checks.whole(1, 10_000), max_workers)
        self.drain_timeout = _checked("drain_timeout", checks.number(0, 86_400), drain_timeout)
        self._spread: float = _checked("spread", checks.number(0, 86_400), spread)
        if executor is not None and not callable(getattr(executor, "submit", None)):
            raise ConfigError(f"runner.executor: {checks.quoted(executor)} has no submit()")
        self._executor = executor
        self._lease = lease
        found = getattr(client, "clock", None)
        self._clock = clock or (found if isinstance(found, Clock) else SYSTEM_CLOCK)
        self._roster = Roster(self._clock)
        self._lock = threading.Lock()  # guards which engine runs, and what it was given
        self._stopping = threading.Lock()  # held by the one who drains; others wait for its report
        self._engine: Engine | None = None
        self._started_at = 0.0
        self._last_report: RunReport | None = None
        self._mail: SimpleQueue[str] = SimpleQueue()
        metrics.report(self, _exchange_of(client), self._roster, registry)

    # --- strategies -----------------------------------------------------------------------

    def add(
        self,
        strategy: Any,
        *,
        every: float = 1.0,
        name: str | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        jitter: float = 0.0,
        timeout: float | None = None,
        on_overrun: Literal["skip", "queue"] = "skip",
        restart: Literal["backoff", "never"] = "backoff",
    ) -> str:
        """Run a strategy, from now on if the runner runs, else once it does; returns its name.

        Args:
            every: seconds from one step to the next.
            name: for logs, metrics and `remove`; without one, the function's and the texts and
                numbers among `args`. A name that is taken is refused.
            args, kwargs: given to every step after the client.
            jitter: seconds; each step comes later by a random part of them.
            timeout: seconds; a step that takes longer is reported, and the calls that it makes
                end there. None = no bound but each call's own.
            on_overrun: what becomes of steps that were due while one ran: ``skip`` them, or
                ``queue`` them to run one after the other until the schedule is kept again.
            restart: after an exception, go on when a pause has passed that doubles with each
                failure in a row, up to a minute (``backoff``), or ``never``. An object is told to
                ``stop`` when a step failed, and to ``start`` before the next.

        Raises:
            ConfigError: something is not allowed, or the name is taken.
        """
        settings = StrategySettings(
            every=every, jitter=jitter, timeout=timeout, on_overrun=on_overrun, restart=restart
        )
        with self._lock:
            added = self._roster.add(strategy, name, tuple(args), kwargs or {}, settings)
            if self._engine is not None:
                self._engine.enroll(added)
        return added.name

    def every(self, seconds: float, **settings: Any) -> Callable[[_T], _T]:
        """Decorates a function that is to be run every so many seconds; `settings` as in `add`."""

        def decorate(strategy: _T) -> _T:
            self.add(strategy, every=seconds, **settings)
            return strategy

        return decorate

    def remove(self, name: str) -> None:
        """Run a strategy no more. A step that runs now ends first, and ``stop`` is run.

        Raises:
            ConfigError: there is none of this name.
        """
        strategy = self._roster.find(name)
        with self._lock:
            if self._engine is not None:
                self._engine.dismiss(strategy)
                return
        with self._roster.lock:
            self._roster.forget(strategy)

    def strategy(self, name: str) -> Any:
        """The strategy of that name: the object that was added, or, where its steps run in other
        processes, the one that the last step has sent back.

        Raises:
            ConfigError: there is none of this name.
        """
        return self._roster.find(name).target

    # --- running --------------------------------------------------------------------------

    def run(self, duration: float | None = None, *, live: bool = False) -> RunReport:
        """Run until `duration` seconds have passed, Ctrl-C, SIGTERM or `stop`; then drain.

        No further step begins then, and those that run get `drain_timeout`, in which their calls
        must end; a second Ctrl-C ends the wait at once. Signals are heard on the main thread
        only. It ends by itself when no strategy is left that could run. `live` shows a table
        meanwhile.

        Raises:
            ConfigError: there is no strategy, or the runner runs already.
        """
        if duration is not None:
            duration = _checked("duration", checks.positive(365 * 86_400), duration)
        if not len(self._roster):
            raise ConfigError("runner: there is nothing to run: add() a strategy first")
        with signals.heard(self._hear):
            self.start()
            try:
                reason = self._watch(duration, live)
            except BaseException:
                self._stop("error", self.drain_timeout)
                raise
            return self._stop(reason, self.drain_timeout)

    def start(self) -> None:
        """Begin to run, and return; `stop` ends it. For notebooks and programs of their own.

        Raises:
            ConfigError: the runner runs already.
        """
        with self._lock:
            if self._engine is not None:
                raise ConfigError("runner: it runs already; stop() it first")
            self._mail = SimpleQueue()  # what was said to the last run is not for this one
            self._engine = Engine(
                self._roster,
                self.client,
                self._clock,
                executor=self._executor,
                max_workers=self.max_workers,
                spread=self._spread,
                lease=self._lease,
                tell=self._mail.put,
            )
            self._started_at = self._clock.monotonic()
            self._engine.start()
        log.info("runner: %d strategies, up to %d at once", len(self._roster), self.max_workers)

    def stop(self, drain_timeout: float | None = None) -> RunReport:
        """End the run as Ctrl-C would, and return its report; twice is fine, from any thread.

        A step may call it, too: it gets a report of the moment, and is drained as the others are.

        Raises:
            ConfigError: it has never run.
        """
        seconds = self.drain_timeout
        if drain_timeout is not None:
            seconds = _checked("drain_timeout", checks.number(0, 86_400), drain_timeout)
        engine = self._engine
        if engine is None or not engine.is_in_step():
            return self._stop(_STOPPED, seconds)
        # A step that waited for the end of all steps would wait for itself.
        threading.Thread(target=self._stop, args=(_STOPPED, seconds), daemon=True).start()
        return self._report(_STOPPED, ())

    def _stop(self, reason: str, drain_timeout: float) -> RunReport:
        with self._stopping:
            engine = self._engine
            if engine is None:
                if self._last_report is None:
                    raise ConfigError("runner: it has not been started")
                return self._last_report
            left = engine.drain(drain_timeout)
            report = self._last_report = self._report(reason, left)
            with self._lock:
                self._engine = None
            self._mail.put(_STOPPED)
        for each in left:
            log.error("runner: left behind after %g s: %s", drain_timeout, each)
        log.info("runner: ended (%s): %s", reason, report.stats.headline())
        return report

    def _report(self, reason: str, left: Sequence[str]) -> RunReport:
        seconds = self._clock.monotonic() - self._started_at
        return RunReport(reason=reason, seconds=seconds, stats=self.stats(), left=left)

    def _watch(self, duration: float | None, live: bool) -> str:
        """Wait for the end; returns its reason."""
        end = None if duration is None else self._clock.monotonic() + duration
        if not live:
            return self._await_mail(end) or "duration"
        with live_table(self.stats) as refresh:
            while True:
                now = self._clock.monotonic()
                soon = now + REFRESH_SECONDS
                reason = self._await_mail(soon if end is None else min(end, soon))
                refresh()
                if reason or (end is not None and now >= end):
                    return reason or "duration"

    def _await_mail(self, end: float | None) -> str:
        """What was said, or nothing once it is `end`."""
        while True:
            pause = None if end is None else max(0.0, end - self._clock.monotonic())
            if sys.platform == "win32":  # there a wait without end does not hear Ctrl-C
                pause = 1.0 if pause is None else min(pause, 1.0)
            try:
                return self._mail.get(timeout=pause)
            except Empty:
                if end is not None and self._clock.monotonic() >= end:
                    return ""

    def _hear(self, signal_name: str) -> None:
        """From a signal's handler: no lock, no log."""
        self._mail.put(signal_name)
        engine = self._engine
        if engine is not None:
            engine.hear(signal_name)

    # --- what is seen ---------------------------------------------------------------------

    def stats(self) -> RunnerStats:
        """What every strategy does and has done; ``print`` and notebooks show it as a table."""
        return RunnerStats(strategies=self._roster.stats())

    def __enter__(self) -> StrategyRunner:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "idle" if self._engine is None else "running"
        return f"<StrategyRunner {state}, {len(self._roster)} strategies>"

    def _repr_html_(self) -> str:
        return self.stats()._repr_html_()


def _checked(key: str, check: checks.Check, value: object) -> Any:
    try:
        return check(value)
    except checks.RefusedError as refused:
        raise ConfigError(f"runner.{key}: {refused}") from None


def _exchange_of(client: Any) -> str:
    """The label under which the client's own metrics stand."""
    config = getattr(client, "config", None)
    label = getattr(getattr(config, "client", None), "exchange_label", "bybit")
    return label if isinstance(label, str) else "bybit"

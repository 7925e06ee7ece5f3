"""One run of a runner: hands out steps when they are due, and supervises them to their end.

A strategy is on the agenda or with a worker, never both: so it never overlaps with itself, and
nothing has to be looked at while it runs.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures import thread as pool_module
from concurrent.futures.thread import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from bybit_sync.clock import Clock

from .agenda import Agenda
from .roster import Roster
from .steps import Job, Lease, StepResult, run_step
from .strategy import FAILED, STOPPED, Strategy
from .whereabouts import where_is

log = logging.getLogger("bybit_sync.runner")

_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, lie as far apart as can be
OVER, AT_REST = "over", "at rest"


class Engine:
    """Runs the strategies of a roster, until `drain`.

    What changes in a strategy changes under the roster's lock; jobs are handed out, logged and
    called back outside of it.
    """

    def __init__(
        self,
        roster: Roster,
        client: Any,
        clock: Clock,
        *,
        executor: Executor | None,
        max_workers: int,
        spread: float,
        lease: Lease | None,
        tell: Callable[[str], None],
        agenda: Agenda | None = None,
    ) -> None:
        self._roster = roster
        self._client = client
        self._clock = clock
        self._own = None if executor else ThreadPoolExecutor(max_workers, "strategy")
        self._executor = executor or self._own
        self._spread = spread
        self._lease = lease
        self._tell = tell
        self._run = uuid.uuid4().hex[:12]
        self._agenda = agenda or Agenda(clock, "strategy-schedule")
        self._is_draining = False
        self._is_closed = False
        self._enrolled = 0
        # Wakes `drain`. A signal's handler may write here, for its put() is re-entrant.
        self._news: SimpleQueue[str] = SimpleQueue()

    def start(self) -> None:
        """Put every strategy on the agenda."""
        self._agenda.start()
        for strategy in self._roster:
            self.enroll(strategy)

    def enroll(self, strategy: Strategy) -> None:
        """Begin to run one; its first step comes within `spread` seconds, the first one's at
        once. All at the same moment would queue for the workers, again in every round."""
        with self._roster.lock:
            phase = (self._enrolled * _GOLDEN) % 1.0
            self._enrolled += 1
            room = min(self._spread, strategy.settings.every)
            strategy.begin_schedule(self._clock.monotonic() + phase * room)
            self._put_on_agenda(strategy)

    def dismiss(self, strategy: Strategy) -> None:
        """Let one go: no further step; what it is doing ends first, and its ``stop`` is run."""
        with self._roster.lock:
            strategy.is_removed = True
            is_idle = self._take_off_agenda(strategy)
        if is_idle:
            self._settle_end(strategy)

    def is_in_step(self) -> bool:
        """True on a thread that runs a step."""
        me = threading.get_ident()
        with self._roster.lock:
            return any(each.job is not None and each.job.thread == me for each in self._roster)

    # --- steps ----------------------------------------------------------------------------

    def _put_on_agenda(self, strategy: Strategy) -> None:
        strategy.entry = self._agenda.at(strategy.due, partial(self._launch, strategy))

    def _take_off_agenda(self, strategy: Strategy) -> bool:
        """True where nothing runs, so that nothing will settle by itself."""
        if strategy.entry is not None:
            strategy.entry.cancel()
        return not strategy.is_busy()

    def _launch(self, strategy: Strategy, *, ends: bool = False) -> None:
        with self._roster.lock:
            if not ends and (self._is_draining or strategy.is_over()):
                return
            if strategy.is_busy():  # with a step that an earlier run had to leave behind
                strategy.skip()
                self._put_on_agenda(strategy)
                return
            task = strategy.task(self._client, self._run, self._lease, ends=ends)
            due = self._clock.monotonic() if ends else strategy.due
            job = strategy.job = Job(task, due, self._clock)
        self._watch_time(strategy, job, self._clock.monotonic())
        assert self._executor is not None
        try:
            future = self._executor.submit(run_step, job)
        except Exception as error:  # noqa: BLE001  (an executor that is broken, or cannot pickle)
            self._settle(strategy, job, StepResult(error=error))
            return
        job.cancel = future.cancel
        future.add_done_callback(partial(self._on_done, strategy, job))

    def _on_done(self, strategy: Strategy, job: Job, future: Future[StepResult]) -> None:
        try:
            error = future.exception()
        except CancelledError:
            self._settle(strategy, job, None)
            return
        self._settle(strategy, job, future.result() if error is None else StepResult(error=error))

    def _settle(self, strategy: Strategy, job: Job, result: StepResult | None) -> None:
        """A job has come back; with no result if it was taken back before it began."""
        now = self._clock.monotonic()
        with self._roster.lock:
            if strategy.watch is not None:
                strategy.watch.cancel()
            if self._is_closed:  # it was left behind, and has ended after all
                strategy.job = None
                return
            if result is None or job.task.ends:
                strategy.job = None
                strategy.has_started = strategy.has_started and not job.task.ends
            else:
                strategy.finish(result, now)
            goes_on = not (self._is_draining or strategy.is_over())
            if goes_on:
                self._put_on_agenda(strategy)
        if result is not None and result.error is not None:
            _log_failure(strategy, job, result, strategy.due - now if goes_on else None)
        if not goes_on:
            self._settle_end(strategy)

    def _settle_end(self, strategy: Strategy) -> None:
        """A strategy that will not run again and does nothing now: its ``stop``, then rest."""
        with self._roster.lock:
            needs_stop = strategy.needs_stop()
            if not needs_stop:
                strategy.end()
                if strategy.is_removed:
                    self._roster.forget(strategy)
                everybody = list(self._roster)
        if needs_stop:
            # On the agenda's thread, as every job: the workers that it starts are daemons.
            self._agenda.soon(partial(self._launch, strategy, ends=True))
        elif self._is_draining:
            self._news.put(AT_REST)
        elif all(each.is_over() for each in everybody):
            self._tell(OVER)

    # --- steps over their time ------------------------------------------------------------

    def _watch_time(self, strategy: Strategy, job: Job, since: float) -> None:
        if job.task.timeout is not None:
            look = partial(self._look_at_time, strategy, job, since)
            strategy.watch = self._agenda.at(since + job.task.timeout, look)

    def _look_at_time(self, strategy: Strategy, job: Job, launched: float) -> None:
        now, timeout = self._clock.monotonic(), job.task.timeout or 0.0
        began = launched if job.is_remote else job.began_at
        with self._roster.lock:
            if strategy.job is not job:
                return
            is_over_time = began is not None and now >= began + timeout
            if is_over_time:
                strategy.overtime += 1
        if not is_over_time:  # it had to wait for a worker
            self._watch_time(strategy, job, now if began is None else began)
            return
        log.warning(
            "strategy %s: step %d is over its time of %g s; its calls are cut off%s",
            strategy.name,
            job.task.number,
            timeout,
            where_is(job.thread, ", it is "),
        )

    # --- the end --------------------------------------------------------------------------

    def drain(self, seconds: float) -> list[str]:
        """Start no more steps and wait for those that run, then end what was started.

        Returns a line for each strategy that had not ended after `seconds`; the calls that it
        makes are cut off there.
        """
        end = self._clock.monotonic() + seconds
        with self._roster.lock:
            self._is_draining = True
            everybody = list(self._roster)
            idle = [each for each in everybody if self._take_off_agenda(each)]
            jobs = [each.job for each in everybody if each.job is not None]
            for each in everybody:
                each.cut_at(end)
        for job in jobs:
            # A job elsewhere may be running, though its future does not know: it is waited for.
            if job.began_at is None and not job.is_remote:
                job.cancel()
        for each in idle:
            self._settle_end(each)
        self._await_rest(end)
        left = self._who_is_left()
        self._close(has_left=bool(left))
        return left

    def hear(self, word: str) -> None:
        """While it drains: end that now. A signal's handler may call this."""
        if self._is_draining:
            self._news.put(word)

    def _await_rest(self, end: float) -> None:
        while self._is_anybody_busy():
            pause = end - self._clock.monotonic()
            if pause <= 0.0:
                return
            try:
                if self._news.get(timeout=pause) != AT_REST:
                    return  # a second signal: no more waiting
            except Empty:
                return

    def _is_anybody_busy(self) -> bool:
        with self._roster.lock:
            return any(each.is_busy() or each.status not in _AT_END for each in self._roster)

    def _who_is_left(self) -> list[str]:
        with self._roster.lock:
            self._is_closed = True
            left = [each for each in self._roster if each.is_busy() or each.needs_stop()]
            return [_told(each) for each in left]

    def _close(self, *, has_left: bool) -> None:
        self._agenda.close()
        if self._own is not None:
            self._own.shutdown(wait=not has_left, cancel_futures=True)
            if has_left:
                _let_go(self._own)


_AT_END = (FAILED, STOPPED)


def _let_go(executor: ThreadPoolExecutor) -> None:
    """Let the interpreter end without the workers that hang: it would wait for them for ever."""
    queues: dict[threading.Thread, Any] = getattr(pool_module, "_threads_queues", {})
    for thread in getattr(executor, "_threads", ()):
        queues.pop(thread, None)


def _told(strategy: Strategy) -> str:
    job = strategy.job
    if job is None:
        return f"{strategy.name}: its stop() was not run"
    what = "its stop()" if job.task.ends else f"step {job.task.number}"
    return f"{strategy.name}: {what} still runs{where_is(job.thread, ', ')}"


def _log_failure(strategy: Strategy, job: Job, result: StepResult, pause: float | None) -> None:
    what = "stop()" if job.task.ends else f"step {job.task.number}"
    follows = "; it is stopped for good" if strategy.status == FAILED else ""
    if pause is not None:
        follows = f"; it goes on in {max(0.0, pause):.3g} s"
    # The traceback once per series: an outage of an hour must not fill the disk.
    is_first = strategy.failures <= 1
    log.error(
        "strategy %s: %s failed: %s: %s%s%s",
        strategy.name,
        what,
        type(result.error).__name__,
        result.error,
        follows,
        f"\n{result.trace}" if result.trace and is_first else "",
        exc_info=result.error if is_first and not result.trace else None,
    )

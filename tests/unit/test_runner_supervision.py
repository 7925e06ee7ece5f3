"""What becomes of a strategy that fails, hangs, or is told to end."""

from __future__ import annotations

import logging
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from bybit_sync.clock import Ceiling, Deadline, under
from bybit_sync.runner.settings import StrategySettings
from bybit_sync.runner.steps import BEGUN, BUSY, GO, Job, RemoteJob, Task, run_step
from tests.conftest import FakeClock

from .runner_bench import CLIENT, Bench


@pytest.fixture
def bench(clock: FakeClock) -> Bench:
    return Bench(clock)


class Recorder:
    """A strategy that notes what is done with it; steps fail as `failing` says."""

    def __init__(self, *failing: bool) -> None:
        self.failing = list(failing)
        self.done: list[str] = []

    def start(self, client: object) -> None:
        self.done.append("start")

    def step(self, client: object, *args: object) -> None:
        self.done.append("step")
        if self.failing and self.failing.pop(0):
            raise ValueError("the market is closed")

    def stop(self, client: object) -> None:
        self.done.append("stop")


class Portable(Recorder):
    """One that can be pickled; it is the same."""


def fails(client: object) -> None:
    raise ValueError("the market is closed")


# --- failures -----------------------------------------------------------------------------


def test_an_exception_is_logged_with_its_strategy_and_its_traceback(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    strategy = bench.add(fails, "momentum-BTC", every=1.0)

    bench.pass_time(0.5)

    (record,) = caplog.records
    assert "strategy momentum-BTC: step 0 failed: ValueError: the market is closed" in caplog.text
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert (strategy.runs, strategy.errors) == (1, 1)


def test_failures_in_a_row_are_left_alone_for_longer_each_time_and_logged_in_short(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    moments: list[float] = []

    def step(client: object) -> None:
        moments.append(bench.now)
        raise ValueError

    bench.add(step, every=1.0)
    bench.pass_time(400.0)

    pauses = [after - before for before, after in pairwise(moments)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert [record.exc_info is not None for record in caplog.records][:3] == [True, False, False]


def test_after_a_success_a_failure_is_the_first_again_and_the_grid_is_kept(bench: Bench) -> None:
    moments: list[float] = []
    outcomes = iter([True, True, False, True, False])

    def step(client: object) -> None:
        moments.append(bench.now)
        if next(outcomes):
            raise ValueError

    bench.add(step, every=0.4)
    bench.pass_time(2.1)

    assert moments == pytest.approx([0, 0.4, 1.2, 1.6, 2.0])


def test_one_that_fails_changes_nothing_for_others(bench: Bench) -> None:
    good = Recorder()
    bench.add(fails, every=0.1)
    bench.add(good, every=1.0)

    bench.pass_time(4.5)

    assert good.done == ["start"] + 5 * ["step"]


def test_one_that_may_not_be_restarted_is_over_and_told_to_stop(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(False, True)
    strategy = bench.add(recorder, every=1.0, restart="never")

    bench.pass_time(10.0)

    assert recorder.done == ["start", "step", "step", "stop"]
    assert strategy.status == "failed"
    assert "stopped for good" in caplog.text
    assert bench.told == ["over"]


def test_an_object_is_stopped_after_a_failure_and_started_before_the_next_step(
    bench: Bench,
) -> None:
    recorder = Recorder(False, True, False)
    bench.add(recorder, every=1.0)

    bench.pass_time(3.5)

    assert recorder.done == ["start", "step", "step", "stop", "start", "step", "step"]


def test_a_start_that_fails_counts_as_a_failed_step(bench: Bench) -> None:
    class NoStart(Recorder):
        def start(self, client: object) -> None:
            super().start(client)
            raise ConnectionError

    recorder = NoStart()
    strategy = bench.add(recorder, every=1.0)
    bench.pass_time(0.5)

    assert recorder.done == ["start", "stop"]
    assert strategy.errors == 1


def test_an_executor_that_takes_nothing_is_told_and_tried_again(bench: Bench) -> None:
    recorder = Recorder()
    strategy = bench.add(recorder, every=1.0)
    bench.executor.refuses = RuntimeError("the pool is broken")

    bench.pass_time(0.5)
    bench.executor.refuses = None
    bench.pass_time(1.0)

    assert strategy.last_error == "RuntimeError: the pool is broken"
    assert recorder.done == ["start", "step"]


# --- time ---------------------------------------------------------------------------------


def test_deadlines_that_are_set_in_a_step_lie_within_its_timeout(bench: Bench) -> None:
    left: list[float] = []

    def step(client: object) -> None:
        bench.clock.advance(0.5)
        left.append(Deadline.after(60.0, bench.clock).remaining())
        bench.clock.advance(5.0)
        left.append(Deadline.after(60.0, bench.clock).remaining())

    bench.add(step, every=10.0, timeout=2.0)
    bench.pass_time(1.0)

    assert left == [1.5, 0.0]
    assert Deadline.after(60.0, bench.clock).remaining() == 60.0


def test_a_ceiling_that_comes_nearer_holds_for_the_next_deadline(clock: FakeClock) -> None:
    ceiling = Ceiling(clock.monotonic() + 100.0)
    with under(ceiling):
        assert Deadline.after(60.0, clock).remaining() == 60.0
        ceiling.at = clock.monotonic() + 3.0
        deadline = Deadline.after(60.0, clock)

    clock.advance(1.0)
    assert (deadline.remaining(), deadline.elapsed(), deadline.seconds) == (2.0, 1.0, 3.0)


def test_a_step_over_its_time_is_reported_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def step(client: object) -> None:
        for _ in range(10):
            bench.clock.advance(1.0)
            bench.agenda.run_due()

    strategy = bench.add(step, "slow", every=100.0, timeout=2.5)
    bench.pass_time(50.0)

    assert strategy.overtime == 1
    assert "strategy slow: step 0 is over its time of 2.5 s" in caplog.text
    assert "at test_runner_supervision.py" in caplog.text


def test_the_time_of_a_step_begins_with_it_and_not_in_the_queue(bench: Bench) -> None:
    bench.executor.at_once = False
    strategy = bench.add(Recorder(), every=100.0, timeout=2.0)

    bench.pass_time(20.0)
    bench.executor.work()
    bench.pass_time(20.0)

    assert strategy.overtime == 0
    assert strategy.runs == 1


# --- the end ------------------------------------------------------------------------------


def test_a_drain_takes_back_what_no_worker_has_and_stops_what_was_started(bench: Bench) -> None:
    recorder, queued = Recorder(), Recorder()
    bench.add(recorder, "started", every=1.0)
    bench.pass_time(0.5)
    bench.executor.at_once = False
    bench.add(queued, "queued", every=1.0)
    bench.pass_time(0.1)
    assert len(bench.executor.waiting) == 1
    bench.executor.at_once = True

    left = bench.drain(5.0)

    assert left == []
    assert recorder.done == ["start", "step", "stop"]
    assert queued.done == []
    assert {each.status for each in bench.roster} == {"stopped"}


def test_a_drain_names_what_has_not_ended(bench: Bench) -> None:
    bench.executor.at_once = False
    bench.add(Recorder(), "hangs", every=1.0)
    bench.pass_time(0.1)
    (future, _, _) = bench.executor.waiting[0]
    future.set_running_or_notify_cancel()

    assert bench.drain(0.01) == ["hangs: step 0 still runs"]


def test_what_hangs_over_the_end_may_not_overlap_with_itself_in_the_next_run(
    bench: Bench, clock: FakeClock
) -> None:
    bench.executor.at_once = False
    strategy = bench.add(Recorder(), "hangs", every=1.0)
    bench.pass_time(0.1)
    (future, run, jobs) = bench.executor.waiting.pop()
    future.set_running_or_notify_cancel()
    bench.drain(0.01)

    again = Bench(clock)
    again.roster = bench.roster
    again.engine._roster = bench.roster
    again.engine.enroll(strategy)
    again.pass_time(3.5)
    assert strategy.runs == 0
    future.set_result(run(*jobs))
    again.pass_time(1.0)

    assert strategy.runs == 1
    assert strategy.overruns == 4


# --- elsewhere ----------------------------------------------------------------------------


def job(target: Any, clock: FakeClock, **task: Any) -> Job:
    facts = {"strategy": "s", "run": "r", "number": 3, "client": None, **task}
    return Job(Task(target=target, **facts), clock.monotonic(), clock)


def test_a_pickled_job_brings_back_what_the_step_changed(clock: FakeClock) -> None:
    target = Portable()
    sent = job(target, clock, starts=True)

    arrived = pickle.loads(pickle.dumps(sent))  # noqa: S301
    result = pickle.loads(pickle.dumps(run_step(arrived)))  # noqa: S301

    assert isinstance(arrived, RemoteJob)
    assert sent.is_remote
    assert target.done == []
    assert result.target.done == ["start", "step"]
    assert ":" in result.worker


class Impatient:
    """Notes how long a call of its step might take."""

    def __init__(self) -> None:
        self.left = 0.0

    def step(self, client: object) -> None:
        self.left = Deadline.after(60.0).remaining()


def test_the_time_of_a_step_is_cut_elsewhere_too(clock: FakeClock) -> None:
    sent = job(Impatient(), clock, timeout=2.0)

    result = run_step(pickle.loads(pickle.dumps(sent)))  # noqa: S301

    assert 0.0 < result.target.left <= 2.0


def test_a_failure_elsewhere_comes_back_with_its_traceback(clock: FakeClock) -> None:
    result = run_step(pickle.loads(pickle.dumps(job(fails, clock))))  # noqa: S301

    assert isinstance(result.error, ValueError)
    assert "in fails" in result.trace
    assert result.target is None


class Unpicklable(Exception):  # noqa: N818
    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()  # which nothing can pickle


def cannot_travel(client: object) -> None:
    raise Unpicklable


def test_an_error_that_cannot_travel_says_the_same(clock: FakeClock) -> None:
    result = run_step(pickle.loads(pickle.dumps(job(cannot_travel, clock))))  # noqa: S301

    assert str(pickle.loads(pickle.dumps(result)).error) == "Unpicklable: holds a lock"  # noqa: S301


def test_no_two_jobs_look_alike_to_dask(clock: FakeClock) -> None:
    tokens = {
        job(fails, clock, number=1).__dask_tokenize__(),
        job(fails, clock, number=2).__dask_tokenize__(),
        job(fails, clock, number=2, ends=True).__dask_tokenize__(),
        job(fails, clock, number=2, run="q").__dask_tokenize__(),
    }

    assert len(tokens) == 4


class Verdicts:
    """A lease that says what it is told to."""

    def __init__(self, *verdicts: str) -> None:
        self.verdicts = list(verdicts)
        self.asked: list[tuple[str, int]] = []

    @contextmanager
    def hold(self, strategy: str, run: str, number: int) -> Iterator[str]:
        self.asked.append((strategy, number))
        yield self.verdicts.pop(0)


def test_a_step_that_its_lease_refuses_is_not_run_and_counted(clock: FakeClock) -> None:
    lease = Verdicts(GO, BUSY, BEGUN, GO)
    bench = Bench(clock, lease=lease)
    recorder = Recorder()
    strategy = bench.add(recorder, "s", every=1.0)

    bench.pass_time(3.5)

    assert recorder.done == ["start", "step", "step"]
    assert (strategy.runs, strategy.interrupted) == (2, 2)
    assert lease.asked == [("s", 0), ("s", 1), ("s", 2), ("s", 3)]


def test_names_tell_strategies_apart_and_are_not_taken_twice(bench: Bench) -> None:
    plain = StrategySettings()

    assert bench.roster.add(fails, None, ("BTCUSDT", 3), {}, plain).name == "fails(BTCUSDT, 3)"
    assert bench.roster.add(Recorder(), None, (), {}, plain).name == "Recorder"
    with pytest.raises(ValueError, match=r"'fails\(BTCUSDT, 3\)' runs here already"):
        bench.roster.add(fails, None, ("BTCUSDT", 3), {}, plain)
    for target in (None, 3, Recorder):
        with pytest.raises(ValueError, match="no function, and no object with a step"):
            bench.roster.add(target, "x", (), {}, plain)
    for name in ("", "a\nb", "x" * 101, 7):
        with pytest.raises(ValueError, match=r"strategy\.name"):
            bench.roster.add(fails, name, (), {}, plain)  # type: ignore[arg-type]


def test_the_client_and_the_arguments_reach_the_step(bench: Bench) -> None:
    seen: list[tuple[object, ...]] = []

    bench.add(lambda *given: seen.append(given), "s", args=("BTCUSDT",), every=1.0)
    bench.pass_time(0.5)

    assert seen == [(CLIENT, "BTCUSDT")]

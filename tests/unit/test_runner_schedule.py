"""When a strategy's steps are run: on its grid, never beside each other, apart from the others'."""

from __future__ import annotations

from typing import Any

import pytest

from bybit_sync.runner.settings import StrategySettings
from tests.conftest import FakeClock

from .runner_bench import Bench


@pytest.fixture
def bench(clock: FakeClock) -> Bench:
    return Bench(clock)


def note(bench: Bench, moments: list[float], *takes: float) -> Any:
    """A step that notes when it is run, and takes so long; the last figure is for all others."""

    def step(client: object) -> None:
        moments.append(bench.now)
        bench.clock.advance(takes[min(len(moments), len(takes)) - 1])

    return step


def test_the_nth_step_is_run_at_the_nth_multiple_however_long_steps_take(bench: Bench) -> None:
    moments: list[float] = []
    bench.add(note(bench, moments, 0.3, 0.01, 0.7), every=1.0)

    bench.pass_time(5.5)

    assert moments == [0, 1, 2, 3, 4, 5]


def test_a_period_that_no_float_holds_does_not_add_up_to_a_drift(bench: Bench) -> None:
    moments: list[float] = []
    strategy = bench.add(note(bench, moments, 0.0), every=0.1)

    bench.pass_time(1000.05)

    assert len(moments) == 10_001
    assert moments[-1] == 1000.0
    assert strategy.overruns == 0


def test_steps_that_were_due_meanwhile_are_skipped_and_counted(bench: Bench) -> None:
    moments: list[float] = []
    strategy = bench.add(note(bench, moments, 2.5, 0.1), every=1.0)

    bench.pass_time(5.5)

    assert moments == [0, 3, 4, 5]
    assert strategy.overruns == 2


def test_steps_that_were_due_meanwhile_are_queued_where_that_was_asked_for(bench: Bench) -> None:
    moments: list[float] = []
    strategy = bench.add(note(bench, moments, 2.5, 0.1), every=1.0, on_overrun="queue")

    bench.pass_time(5.5)

    assert moments == [0, 2.5, 2.6, 3, 4, 5]
    assert strategy.overruns == 2


def test_jitter_moves_each_step_and_does_not_add_up(bench: Bench) -> None:
    moments: list[float] = []
    bench.add(note(bench, moments, 0.0), every=1.0, jitter=0.5)

    bench.pass_time(200.0)

    late = [moment - number for number, moment in enumerate(moments)]
    assert all(0.0 <= each <= 0.5 for each in late)
    assert max(late) - min(late) > 0.2


def test_a_strategy_is_with_one_worker_at_a_time_however_late_that_one_is(bench: Bench) -> None:
    moments: list[float] = []
    bench.executor.at_once = False
    strategy = bench.add(note(bench, moments, 0.0), every=1.0)

    bench.pass_time(10.5)
    assert len(bench.executor.waiting) == 1
    bench.executor.work()
    bench.pass_time(1.0)

    assert moments == [10.5]
    assert len(bench.executor.waiting) == 1
    assert strategy.overruns == 10
    assert strategy.stats(bench.clock.monotonic()).lag_max == 10.5


def test_a_thousand_strategies_do_not_all_begin_at_once(clock: FakeClock) -> None:
    bench = Bench(clock, spread=1.0)
    moments: list[float] = []
    for number in range(1000):
        bench.add(note(bench, moments, 0.0), f"s{number}", every=1.0)

    bench.pass_time(0.999999)

    assert len(moments) == 1000
    assert moments[0] == 0.0
    for start in range(100):
        hundredth = [each for each in moments if start <= each * 100 < start + 1]
        assert 7 <= len(hundredth) <= 13


def test_a_slow_strategy_begins_within_the_spread_and_not_within_its_period(
    clock: FakeClock,
) -> None:
    bench = Bench(clock, spread=1.0)
    moments: list[float] = []
    for number in range(5):
        bench.add(note(bench, moments, 0.0), f"s{number}", every=3600.0)

    bench.pass_time(1.0)

    assert len(moments) == 5


def test_one_that_was_removed_is_not_run_again(bench: Bench) -> None:
    moments: list[float] = []
    strategy = bench.add(note(bench, moments, 0.0), every=1.0)
    bench.pass_time(1.5)

    bench.engine.dismiss(strategy)
    bench.pass_time(5.0)

    assert moments == [0, 1]
    assert len(bench.roster) == 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"every": 0}, "strategy.every: 0 is not a number above 0"),
        ({"every": float("nan")}, "strategy.every"),
        ({"every": "1"}, "strategy.every: '1'"),
        ({"jitter": -1}, "strategy.jitter: -1"),
        ({"jitter": 2.0}, "strategy.jitter: 2 is above strategy.every; allowed is 0 to 1"),
        ({"timeout": 0}, "strategy.timeout: 0"),
        ({"on_overrun": "wait"}, "strategy.on_overrun: 'wait' is not one of skip, queue"),
        ({"restart": True}, "strategy.restart: True is not one of backoff, never"),
    ],
)
def test_a_setting_that_is_not_allowed_is_told_by_its_name(
    wrong: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match="strategy") as refused:
        StrategySettings(**wrong)

    assert named in str(refused.value)

"""`StrategyRunner` as a user holds it."""

from __future__ import annotations

import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

import bybit_sync
from bybit_sync import ConfigError, StrategyRunner
from bybit_sync.runner import RunnerStats, RunReport
from bybit_sync.runner.report import as_rich


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def runner(registry: CollectorRegistry) -> StrategyRunner:
    return StrategyRunner(object(), registry=registry, max_workers=4, drain_timeout=5.0)


class Times:
    """Counts its calls, and tells when there were so many."""

    def __init__(self, wanted: int = 1) -> None:
        self.count = 0
        self.reached = threading.Event()
        self._wanted = wanted

    def __call__(self, client: object, *args: object) -> None:
        self.count += 1
        if self.count >= self._wanted:
            self.reached.set()


def fails(client: object) -> None:
    raise ValueError("[red]no[/red] <b>")


def test_it_is_offered_by_the_package_and_not_imported_with_it() -> None:
    assert bybit_sync.StrategyRunner is StrategyRunner
    assert "StrategyRunner" in dir(bybit_sync)


def test_a_run_of_some_time_ends_by_itself_with_a_report(runner: StrategyRunner) -> None:
    @runner.every(0.01)
    def step(client: object) -> None:
        assert client is runner.client

    report = runner.run(0.1)

    assert report.reason == "duration"
    assert report.exit_code == 0
    assert not report.left
    assert report.stats.strategies["step"].runs >= 3
    assert report.stats.strategies["step"].status == "stopped"
    assert "ended after" in str(report)
    assert "step" in str(report)


def test_it_can_be_run_again_and_goes_on_counting(runner: StrategyRunner) -> None:
    times = Times()
    runner.add(times, every=0.01, name="t")

    for _ in range(2):
        before = times.count
        times.reached.clear()
        with runner:
            assert times.reached.wait(5)
        assert times.count > before

    assert runner.stats().strategies["t"].runs == times.count


def test_strategies_come_and_go_while_it_runs(runner: StrategyRunner) -> None:
    first, second = Times(), Times(3)
    with runner:
        runner.add(first, every=0.01, name="first")
        assert first.reached.wait(5)
        runner.remove("first")
        runner.add(second, every=0.01, name="second")
        assert second.reached.wait(5)
        assert "first" not in runner.stats().strategies
        stopped_at = first.count
        second.reached.clear()
        assert second.reached.wait(5)
    assert first.count == stopped_at


def test_it_ends_when_nothing_is_left_that_could_run(runner: StrategyRunner) -> None:
    runner.add(fails, every=0.01, restart="never")

    report = runner.run()

    assert report.reason == "over"
    assert report.exit_code == 1
    assert report.stats.strategies["fails"].last_error.startswith("ValueError")


def test_a_step_may_end_the_run(runner: StrategyRunner) -> None:
    reports: list[RunReport] = []
    runner.add(lambda client: reports.append(runner.stop()), every=10.0, name="ends")

    report = runner.run()

    assert report.reason == "stopped"
    assert report.exit_code == 0
    assert reports[0].stats.strategies["ends"].status == "running"


def test_another_thread_may_end_the_run_and_gets_its_report(runner: StrategyRunner) -> None:
    times = Times()
    runner.add(times, every=0.01, name="t")
    reports: list[RunReport] = []

    def end() -> None:
        assert times.reached.wait(5)
        reports.append(runner.stop())

    other = threading.Thread(target=end)
    other.start()
    report = runner.run()
    other.join()

    assert reports == [report]
    assert runner.stop() is report


def test_a_step_that_hangs_is_left_behind_and_told_with_its_place(
    runner: StrategyRunner, caplog: pytest.LogCaptureFixture
) -> None:
    begun, end = threading.Event(), threading.Event()

    def hangs(client: object) -> None:
        begun.set()
        end.wait(30)

    times = Times(3)
    runner.add(hangs, every=0.01)
    runner.add(times, every=0.01, name="good")
    runner.start()
    assert begun.wait(5)
    assert times.reached.wait(5)
    report = runner.stop(drain_timeout=0.05)
    end.set()

    (left,) = report.left
    assert left.startswith("hangs: step 0 still runs, at test_runner.py:")
    assert left in caplog.text
    assert report.exit_code == 1


def test_executors_of_others_are_used_and_not_shut_down(registry: CollectorRegistry) -> None:
    times = Times()
    with ThreadPoolExecutor(2) as executor:
        runner = StrategyRunner(None, executor=executor, registry=registry)
        runner.add(times, every=0.01, name="t")
        with runner:
            assert times.reached.wait(5)
        assert executor.submit(int, "7").result() == 7


def test_mistakes_are_told_before_anything_runs(runner: StrategyRunner) -> None:
    with pytest.raises(ConfigError, match="nothing to run"):
        runner.run()
    with pytest.raises(ConfigError, match="not been started"):
        runner.stop()
    with pytest.raises(ConfigError, match="'x' is not the name of one"):
        runner.remove("x")
    for wrong in (
        {"max_workers": 0},
        {"drain_timeout": -1},
        {"spread": "1"},
        {"executor": 3},
    ):
        with pytest.raises(ConfigError, match=f"runner.{next(iter(wrong))}"):
            StrategyRunner(None, **wrong)  # type: ignore[arg-type]
    runner.add(Times(), name="t")
    with pytest.raises(ConfigError, match=r"runner\.duration: 0"):
        runner.run(0)
    with runner, pytest.raises(ConfigError, match="runs already"):
        runner.run(1)


# --- what is seen -------------------------------------------------------------------------


def test_metrics_are_read_from_the_strategies_and_survive_a_second_runner(
    registry: CollectorRegistry,
) -> None:
    for _ in range(2):  # as a notebook's cell that is run twice
        runner = StrategyRunner(None, registry=registry)
        times = Times(2)
        runner.add(times, every=0.01, name="m")
        runner.add(fails, every=0.01, name="bad")
        with runner:
            assert times.reached.wait(5)
        runner.remove("bad")
        one = {"exchange": "bybit", "strategy": "m"}
        runs = registry.get_sample_value("strategy_runs_total", one)
        assert runs is not None
        assert runs >= times.count
        assert registry.get_sample_value("strategy_running", one) == 0.0
        assert registry.get_sample_value("strategy_errors_total", one) == 0.0
        assert registry.get_sample_value("strategy_step_seconds_count", one) == runs
        assert registry.get_sample_value("strategy_lag_seconds_count", one) == runs


def test_what_a_runner_has_counted_outlives_it(registry: CollectorRegistry) -> None:
    runner = StrategyRunner(None, registry=registry)
    times = Times()
    runner.add(times, every=0.01, name="m")
    with runner:
        assert times.reached.wait(5)
    count = times.count

    del runner
    gc.collect()

    one = {"exchange": "bybit", "strategy": "m"}
    assert registry.get_sample_value("strategy_runs_total", one) == count
    assert registry.get_sample_value("strategy_running", one) is None


def test_a_notebook_sees_a_table_in_which_nothing_is_markup(runner: StrategyRunner) -> None:
    runner.add(fails, every=0.01, name="<i>[bold]x", restart="never")
    report = runner.run()

    for page in (runner._repr_html_(), report._repr_html_()):
        assert "&lt;i&gt;[bold]x" in page
        assert "<i>" not in page
        assert "&lt;b&gt;" in page
        assert page.count("<tr>") == 2
    assert "failed" in str(runner.stats())
    assert repr(runner) == "<StrategyRunner idle, 1 strategies>"


def test_a_terminal_sees_the_table_too(
    runner: StrategyRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.add(fails, every=0.01, name="[bold]x")

    runner.run(0.05, live=True)

    shown = capsys.readouterr()
    assert "[bold]x" in shown.err
    assert "1 strategies" in shown.err
    assert shown.out == ""


def test_of_many_strategies_those_in_trouble_are_shown(runner: StrategyRunner) -> None:
    for number in range(100):
        runner.add(Times(), every=10.0, name=f"quiet-{number}")
    runner.add(fails, every=0.01, name="loud", restart="never")
    runner.run(0.2)

    text = str(runner.stats()).splitlines()
    assert text[0].startswith("101 strategies, 0 running")
    assert text[2].startswith("loud")
    assert text[-1] == "… and 71 more"
    assert as_rich(runner.stats()).row_count == 30


def test_without_rich_a_live_table_says_what_to_install(
    runner: StrategyRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rich.table", None)
    runner.add(Times(), name="t")

    with pytest.raises(ConfigError, match=r'pip install "bybit-sync\[cli\]"'):
        runner.run(1, live=True)
    assert "idle" in repr(runner)


def test_a_notebook_has_the_table_kept_up_to_date(
    runner: StrategyRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    display = pytest.importorskip("IPython.display")
    pages: list[str] = []

    class Handle:
        def update(self, stats: RunnerStats) -> None:
            pages.append(stats._repr_html_())

    def show(stats: RunnerStats, *, display_id: bool) -> Handle:
        pages.append(stats._repr_html_())
        return Handle()

    monkeypatch.setattr(display, "display", show)
    monkeypatch.setattr("bybit_sync.runner.live.is_notebook", lambda: True)
    runner.add(Times(), every=0.01, name="t")

    runner.run(0.05, live=True)

    assert len(pages) >= 2
    assert all("<table>" in page for page in pages)

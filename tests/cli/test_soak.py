"""The soak: it tells growth from noise, ends on Ctrl-C with a report, and fails what is wrong."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest

from bybit_sync.cli import soak_report
from bybit_sync.cli.slopes import Tolerance, Trend, trend_of
from bybit_sync.cli.soak_report import Outcome, Samples

STRICT = Tolerance(2.0)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "bybit_sync", "soak", *arguments]


# --- growth and noise ---------------------------------------------------------------------


def series(n: int, slope: float, noise: float, seed: int) -> list[tuple[float, float]]:
    dice = random.Random(seed)
    return [(float(i), 100 + slope * i + dice.gauss(0, noise)) for i in range(n)]


@pytest.mark.parametrize("seed", range(20))
def test_noise_around_a_level_is_no_growth(seed: int) -> None:
    trend = trend_of(series(200, 0.0, 20.0, seed), STRICT)

    assert not trend.grows
    assert abs(trend.growth) < 20


@pytest.mark.parametrize("seed", range(20))
def test_a_steady_rise_is_growth_however_noisy(seed: int) -> None:
    trend = trend_of(series(200, 0.2, 20.0, seed), STRICT)

    assert trend.grows
    assert trend.growth == pytest.approx(40, rel=0.6)
    assert trend.per_hour == pytest.approx(trend.growth / 199 * 3600)


def test_a_rise_within_what_is_let_pass_is_none() -> None:
    points = series(100, 0.01, 0.0, 1)

    assert trend_of(points, STRICT).sureness > 10
    assert not trend_of(points, STRICT).grows
    assert trend_of(points, Tolerance(0.5)).grows
    assert not trend_of(points, Tolerance(0.5, share=0.1)).grows


def test_a_fall_and_a_step_down_are_no_growth() -> None:
    falling = [(float(i), 100.0 - i) for i in range(50)]

    assert not trend_of(falling, STRICT).grows
    assert trend_of(falling, STRICT).sureness < -5


def test_a_few_outliers_do_not_make_growth() -> None:
    flat = [(float(i), 14.0) for i in range(100)]
    flat[90] = flat[95] = flat[99] = (99.0, 5000.0)

    assert not trend_of(flat, STRICT).grows


def test_a_figure_that_never_moves_is_steady() -> None:
    trend = trend_of([(float(i), 42.0) for i in range(100)], STRICT)

    assert (trend.level, trend.growth, trend.sureness) == (42.0, 0.0, 0.0)
    assert trend.is_judged
    assert not trend.grows


def test_of_too_few_points_nothing_is_said() -> None:
    for count in (0, 1, 2, 15):
        trend = trend_of([(float(i), 100.0 * i) for i in range(count)], STRICT)
        assert not trend.is_judged
        assert not trend.grows
        assert trend.figures()["grows"] is None


def test_many_points_are_put_together_and_tell_the_same() -> None:
    trend = trend_of(series(20_000, 0.01, 5.0, 1), STRICT)

    assert trend.points == 200
    assert trend.growth == pytest.approx(200, rel=0.05)
    assert trend.grows


# --- samples and the verdict --------------------------------------------------------------


def test_a_machine_that_gets_busier_is_not_held_against_the_client() -> None:
    alike, own = Samples(), Samples()
    for second in range(100):
        busy = 1 + second / 20
        alike.add(float(second), 0.010 * busy, 0.002 * busy)
        own.add(float(second), 0.010 * busy, 0.002)

    assert not alike.trends()["latency_p50_ms"].grows
    assert own.trends()["latency_p50_ms"].grows


def test_connections_that_the_pool_knows_of_are_no_leak_and_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fine, leaking = Samples(), Samples()
    for second in range(100):
        opened = second // 5
        monkeypatch.setattr(soak_report, "open_descriptors", partial(sum, (10, opened)))
        fine.add(float(second), 0.01, 0.001, opened)
        leaking.add(float(second), 0.01, 0.001, 5)

    assert not fine.trends()["descriptors"].grows
    assert fine.last["descriptors"] == 29
    assert leaking.trends()["descriptors"].grows


def test_the_first_part_of_a_run_is_not_judged() -> None:
    samples = Samples()
    samples.points["threads"] = [(float(i), min(i, 20) * 5.0) for i in range(100)]

    assert not samples.trends()["threads"].grows
    assert samples.trends()["threads"].level == 100.0


FLAT = Trend(100, 10.0, 0.0, 0.0, 0.0, 2.0)
STEADY = Outcome(
    seconds=120.0,
    calls=1000,
    faults=50,
    with_faults=True,
    errors={"ConnectionLostError": 3},
    foreign={},
    late=0,
    slowest=2.0,
    connections=60,
    held={"connections held": 0, "callers waiting": 0},
    left={"threads": 0, "descriptors": -1},
    trends={"memory_kb": FLAT, "threads": FLAT},
)


def test_a_run_in_which_nothing_is_wrong_is_steady() -> None:
    assert STEADY.wrong() == []
    assert STEADY.verdict() == STEADY.figures()["verdict"] == "steady"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"trends": {"memory_kb": replace(FLAT, growth=5000.0, sureness=9.0)}}, "memory grows"),
        ({"held": {"connections held": 1}}, "1 connections held"),
        ({"left": {"threads": 2}}, "2 threads left behind"),
        ({"foreign": {"KeyError in f": 7}}, "7 x KeyError in f"),
        ({"late": 3, "slowest": 9.5}, "3 calls beyond their time-out, 9.50 s"),
        ({"with_faults": False}, "3 errors, and nothing was made to go wrong"),
    ],
)
def test_what_is_wrong_is_told_and_fails_the_run(change: dict[str, object], told: str) -> None:
    outcome = replace(STEADY, **change)

    assert outcome.verdict() == "wrong"
    assert told in " ".join(outcome.wrong())


def test_a_run_that_was_too_short_is_called_that() -> None:
    outcome = replace(STEADY, trends={"memory_kb": replace(FLAT, points=3)})

    assert outcome.verdict() == "too short"
    assert outcome.unjudged() == ["memory_kb"]


# --- the command --------------------------------------------------------------------------


def test_a_short_soak_prints_json_alone_on_stdout_and_its_progress_on_stderr() -> None:
    done = subprocess.run(
        command("--minutes", "0.1", "--threads", "8", "--rate", "100", "--faults", "--json"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    figures = json.loads(done.stdout)
    assert figures["foreign_errors"] == {}
    assert 100 < figures["calls"] <= 900
    assert set(figures["trends"]) >= {"threads", "latency_p50_ms"}
    assert figures["left_behind"]["threads"] == 0
    assert done.returncode == (1 if figures["wrong"] else 0)
    assert "calls" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_faults_there_is_no_error() -> None:
    done = subprocess.run(
        command("--minutes", "0.05", "--threads", "4", "--rate", "100"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ", 0 faults, 0 errors," in done.stdout
    assert "memory kB" in done.stdout
    assert "descriptors" in done.stdout
    assert done.returncode == 0, done.stderr


def test_ctrl_c_ends_the_soak_with_a_report_of_what_was_run() -> None:
    process = subprocess.Popen(
        command("--hours", "1", "--threads", "4", "--rate", "50", "--faults"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(3.0)  # the exchange starts in well under a second, the rest is load
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()

    assert process.returncode == 1
    assert "interrupted" in err
    assert "Traceback" not in err
    assert "verdict:" in out
    assert "calls in" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--minutes", "1", "--hours", "1"),
        ("--minutes", "0"),
        ("--threads", "0"),
        ("--rate", "-1"),
        ("--what",),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert "Traceback" not in done.stderr

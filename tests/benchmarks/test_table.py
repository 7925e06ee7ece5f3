"""The table and the guard, over made-up figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.budget import Budget
from benchmarks.chart import draw
from benchmarks.measure import BenchmarkError
from benchmarks.results import Comparison, Figure, Result, alarming
from benchmarks.table import markdown, number, render

LESS = Budget(1.8, 1.3)
MORE = Budget(7.0, 9.0, more_is_better=True)


def result(*comparisons: Comparison) -> Result:
    figures = [Figure("bare socket", {"p50 us": 107.0}), Figure("ours", {"p50 us": 1234.5})]
    return Result("small", "One small call", figures, list(comparisons))


def test_the_table_tells_figures_ratios_spread_and_verdict() -> None:
    compared = Comparison("p50 to bare socket", [1.4, 1.5, 1.6, 1.5, 1.9], LESS)

    lines = [line.split() for line in render([result(compared)]).splitlines()]

    assert ["bare", "socket", "107"] in lines
    assert ["ours", "1,234"] in lines
    told = "small: p50 to bare socket 1.50 1.50 .. 1.60 1.80 1.30 holds"
    assert told.split() in lines


def test_a_comparison_without_a_budget_has_no_verdict() -> None:
    text = render([result(Comparison("p50 to pybit", [0.25]))])

    told = " ".join(text.splitlines()[-1].split())
    assert told == "small: p50 to pybit 0.250 0.250 .. 0.250 - -"


@pytest.mark.parametrize(
    ("budget", "value", "verdict", "aim_met", "alarms"),
    [
        (LESS, 1.3, "holds", True, False),
        (LESS, 1.8, "holds", False, False),
        (LESS, 3.5, "missed", False, False),
        (LESS, 3.7, "missed", False, True),
        (MORE, 9.5, "holds", True, False),
        (MORE, 7.0, "holds", False, False),
        (MORE, 3.6, "missed", False, False),
        (MORE, 3.4, "missed", False, True),
    ],
)
def test_only_what_is_worse_than_twice_the_floor_alarms_the_guard(
    budget: Budget, value: float, verdict: str, aim_met: bool, alarms: bool
) -> None:
    compared = Comparison("ratio", [value], budget)

    assert (compared.verdict, compared.is_aim_met) == (verdict, aim_met)
    assert alarming([result(compared)]) == (["small: ratio"] if alarms else [])


def test_one_wild_round_changes_no_verdict() -> None:
    assert Comparison("ratio", [1.5, 1.5, 90.0, 1.4, 1.6], LESS).value == 1.5


def test_results_go_through_json_with_every_round() -> None:
    told = json.loads(json.dumps(result(Comparison("ratio", [1.0, 2.0], LESS)).to_dict()))

    assert told["comparisons"][0]["rounds"] == [1.0, 2.0]
    assert told["comparisons"][0]["floor"] == 1.8
    assert told["figures"]["ours"] == {"p50 us": 1234.5}


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0123, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123")],
)
def test_numbers_are_as_long_as_they_mean_something(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_disturbed_run_says_so_in_its_title() -> None:
    quiet, disturbed = (replace(result(), others=share) for share in (0.01, 0.31))

    assert "others" not in render([quiet])
    assert "(others took 31% of the client's core)" in render([disturbed])


def test_the_readmes_table_tells_what_has_a_floor_and_nothing_else() -> None:
    text = markdown([result(Comparison("p50", [1.5], LESS), Comparison("free", [2.0]))])

    assert text.splitlines()[2:] == ["| small: p50 | 1.50 | 1.80 | 1.30 |"]


def test_a_picture_is_drawn_of_latencies_and_floors(tmp_path: Path) -> None:
    path = tmp_path / "chart.png"

    draw([result(Comparison("p50", [1.5], LESS), Comparison("rate", [8.0], MORE))], "here", path)

    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="anything to draw"):
        draw([Result("memory", "Memory", [], [])], "here", tmp_path / "chart.png")

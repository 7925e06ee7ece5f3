"""The results as a picture: latency of one call by contender, and how far each budget is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .measure import BenchmarkError
from .results import Comparison, Result

_OURS, _PEERS, _MISSED = "#1f6feb", "#9aa4af", "#cf222e"


def draw(results: Sequence[Result], headline: str, path: Path) -> None:
    """Write a PNG of these results.

    Raises:
        BenchmarkError: matplotlib is not installed, or nothing was measured that can be drawn.
    """
    try:
        import matplotlib as mpl  # here: only who asks for a picture needs it

        mpl.use("Agg")
        from matplotlib import pyplot
    except ImportError as error:
        raise BenchmarkError(
            '--chart needs matplotlib: pip install "bybit-sync[jupyter]"'
        ) from error
    timed = [each for each in results if any("p50 us" in f.columns for f in each.figures)]
    budgets = [(r.name, c) for r in results for c in r.comparisons if c.budget is not None]
    if not timed and not budgets:
        raise BenchmarkError("--chart: none of these workloads has anything to draw")
    rows = len(timed) + bool(budgets)
    figure, axes = pyplot.subplots(rows, 1, figsize=(9, 3.2 * rows), squeeze=False)
    for axis, result in zip(axes[:, 0], timed, strict=False):
        _bars(axis, result)
    if budgets:
        _shares(axes[-1, 0], budgets)
    figure.suptitle(headline, fontsize=8)
    figure.tight_layout(rect=(0.0, 0.0, 1.0, 1.0 - 0.4 / (3.2 * rows)))  # room for two lines
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _bars(axis: Any, result: Result) -> None:
    """Half of the calls took less than this."""
    figures = [each for each in result.figures if "p50 us" in each.columns][::-1]
    names = [each.contender for each in figures]
    values = [each.columns["p50 us"] for each in figures]
    colours = [_OURS if name.startswith("bybit_sync") else _PEERS for name in names]
    bars = axis.barh(names, values, color=colours)
    axis.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
    axis.margins(x=0.12)
    axis.set_title(f"{result.title}: p50, microseconds", fontsize=9)
    axis.tick_params(labelsize=8)


def _shares(axis: Any, budgets: Sequence[tuple[str, Comparison]]) -> None:
    """Below 1 the floor holds."""
    names = [f"{name}: {each.label}" for name, each in budgets][::-1]
    shares = [_share(each) for _, each in budgets][::-1]
    axis.barh(names, shares, color=[_OURS if share <= 1.0 else _MISSED for share in shares])
    axis.axvline(1.0, color="black", linewidth=0.8)
    axis.set_title("share of the floor that is used (1 = just holds)", fontsize=9)
    axis.tick_params(labelsize=7)


def _share(comparison: Comparison) -> float:
    budget = comparison.budget
    assert budget is not None
    if budget.more_is_better:
        return budget.floor / comparison.value
    return max(0.0, comparison.value / budget.floor)

"""The results as text: what each contender took, then the ratios with their verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from .results import Comparison, Figure, Result

_QUIET = 0.05
"""A share of the core that others may take without being named."""
_HEADINGS = ("", "measured", "middle half", "floor", "aim", "verdict")


def render(results: Sequence[Result]) -> str:
    """Each workload's figures, and all comparisons together at the end."""
    parts = [
        f"{_title(result)}\n{columns(_figure_rows(result.figures))}"
        for result in results
        if result.figures
    ]
    rows = [_row(result, each) for result in results for each in result.comparisons]
    if rows:
        parts.append("Against the budgets\n" + columns([_HEADINGS, *rows]))
    return "\n\n".join(parts) + "\n"


def markdown(results: Sequence[Result]) -> str:
    """What has a floor, as the table that the README shows."""
    lines = ["| work | measured | floor | aim |", "|---|---|---|---|"]
    for result in results:
        for each in result.comparisons:
            if each.budget is not None:
                name = f"{result.name}: {each.label}"
                cells = (number(each.value), number(each.budget.floor), number(each.budget.aim))
                lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _title(result: Result) -> str:
    if result.others is None or result.others < _QUIET:
        return result.title
    return f"{result.title} (others took {result.others:.0%} of the client's core)"


def _figure_rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    headings = list(dict.fromkeys(name for figure in figures for name in figure.columns))
    rows: list[tuple[str, ...]] = [("", *headings)]
    for figure in figures:
        cells = (number(figure.columns.get(heading)) for heading in headings)
        rows.append((figure.contender, *cells))
    return rows


def _row(result: Result, comparison: Comparison) -> tuple[str, ...]:
    low, high = comparison.spread
    known = comparison.budget
    return (
        f"{result.name}: {comparison.label}",
        number(comparison.value),
        f"{number(low)} .. {number(high)}",
        number(known.floor if known else None),
        number(known.aim if known else None),
        comparison.verdict + (", aim met" if comparison.is_aim_met else ""),
    )


def number(value: float | None) -> str:
    """Three digits that say something; a dash for nothing."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows in line: the first column to the left, the rest to the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)

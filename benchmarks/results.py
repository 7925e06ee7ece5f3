"""What a workload found: figures of each contender, and comparisons with their budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from .budget import Budget


@dataclass(frozen=True, slots=True)
class Figure:
    """One contender's own numbers, by the heading of their column (``p50 us``)."""

    contender: str
    columns: dict[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A value of every round, with what it may be."""

    label: str
    values: Sequence[float]
    budget: Budget | None = None

    @property
    def value(self) -> float:
        """The median over the rounds."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """Where the middle half of the rounds lies."""
        if len(self.values) < 2:
            return self.value, self.value
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    @property
    def verdict(self) -> str:
        """``holds`` or ``missed``, against the floor; "" where there is none."""
        if self.budget is None:
            return ""
        return "holds" if self.budget.holds(self.value) else "missed"

    @property
    def is_aim_met(self) -> bool:
        """True where the value is as good as the aim."""
        return self.budget is not None and self.budget.is_met(self.value)

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        known = self.budget
        return {
            "label": self.label,
            "value": self.value,
            "spread": list(self.spread),
            "rounds": list(self.values),
            "floor": known.floor if known else None,
            "aim": known.aim if known else None,
            "more_is_better": known.more_is_better if known else None,
            "verdict": self.verdict or None,
            "aim_met": self.is_aim_met if known else None,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """All that one workload found."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    others: float | None = None
    """The share of the client's core that other processes took meanwhile, where it is known."""

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "name": self.name,
            "title": self.title,
            "figures": {figure.contender: figure.columns for figure in self.figures},
            "comparisons": [each.to_dict() for each in self.comparisons],
            "others": self.others,
        }


def alarming(results: Sequence[Result]) -> list[str]:
    """What is worse than twice its floor, by name."""
    return [
        f"{result.name}: {each.label}"
        for result in results
        for each in result.comparisons
        if each.budget is not None and each.budget.is_alarming(each.value)
    ]

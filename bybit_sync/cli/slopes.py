"""Does a figure grow? A trend is told from noise by what it would take chance to make it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

_FEWEST = 16
"""Points below which nothing is said: chance alone draws a line through a handful."""
_MOST = 200
"""Points that are compared, each with each; more are put together into medians of neighbours."""
_SURE = 3.3
"""Standard deviations of Mann and Kendall's S: chance passes them once in a thousand runs."""

Point = tuple[float, float]
"""Seconds since the start, and a value."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Growth over one run that is let pass: so much, or this share of the level if that is more."""

    absolute: float
    share: float = 0.0

    def at(self, level: float) -> float:
        """The growth that is let pass at this level."""
        return max(self.absolute, self.share * level)


@dataclass(frozen=True, slots=True)
class Trend:
    """Where one figure was going during a run."""

    points: int
    level: float
    """The median."""
    per_hour: float
    """The slope that half of all pairs of points lie above (Theil and Sen)."""
    growth: float
    """That slope over the time that was looked at."""
    sureness: float
    """Mann and Kendall's Z: above 0 rising, below 0 falling; within 2 or 3 it may be chance."""
    allowed: float
    """The growth that is let pass."""

    @property
    def is_judged(self) -> bool:
        """False where there were too few points to say anything."""
        return self.points >= _FEWEST

    @property
    def grows(self) -> bool:
        """True where the figure rises, surely and by more than is let pass."""
        return self.is_judged and self.sureness > _SURE and self.growth > self.allowed

    def figures(self) -> dict[str, Any]:
        """The trend in numbers, for ``--json``."""
        return {
            "level": round(self.level, 3),
            "slope_per_hour": round(self.per_hour, 3),
            "growth": round(self.growth, 3),
            "allowed": round(self.allowed, 3),
            "sureness": round(self.sureness, 2),
            "points": self.points,
            "grows": self.grows if self.is_judged else None,
        }


def trend_of(points: Sequence[Point], tolerance: Tolerance) -> Trend:
    """The trend of a figure, whatever its distribution: outliers move it little."""
    if len(points) < 2:
        level = points[0][1] if points else 0.0
        return Trend(len(points), level, 0.0, 0.0, 0.0, tolerance.at(level))
    thin = _thinned(points)
    slopes, s = [], 0
    for index, (earlier, low) in enumerate(thin):
        for later, high in thin[index + 1 :]:
            s += (high > low) - (high < low)
            if later > earlier:
                slopes.append((high - low) / (later - earlier))
    slope = median(slopes) if slopes else 0.0
    level = median(value for _, value in thin)
    growth = slope * (thin[-1][0] - thin[0][0])
    sureness = _z(s, [value for _, value in thin])
    return Trend(len(thin), level, slope * 3600, growth, sureness, tolerance.at(level))


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """At most `_MOST` points, each the median of its neighbours."""
    size = math.ceil(len(points) / _MOST)
    if size == 1:
        return points
    groups = (points[first : first + size] for first in range(0, len(points), size))
    return [(median(t for t, _ in group), median(v for _, v in group)) for group in groups]


def _z(s: int, values: list[float]) -> float:
    """How many standard deviations S lies from 0, ties (a flat figure has many) taken off."""
    n = len(values)
    ties = (values.count(value) for value in set(values))
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if variance <= 0:
        return 0.0
    return (s - math.copysign(1, s)) / math.sqrt(variance) if s else 0.0

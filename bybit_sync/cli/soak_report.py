"""What a soak has measured, and its verdict: steady, or what is wrong."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from .measure import open_descriptors
from .slopes import Point, Tolerance, Trend, trend_of

WARM_UP = 0.25
"""The first part of a run, of which nothing is judged: pools fill, allocators settle."""

_STATM = Path("/proc/self/statm")
_FIGURES = {
    "memory_kb": ("memory", "kB", Tolerance(2048.0)),
    "descriptors": ("descriptors beside connections", "", Tolerance(3.0)),
    "threads": ("threads", "", Tolerance(1.0)),
    # Milliseconds that a machine which is shared may add any time are no leak.
    "latency_p50_ms": ("latency p50", "ms", Tolerance(5.0, share=0.5)),
}


@dataclass(slots=True)
class Samples:
    """What was seen from time to time; memory is bounded by how often one looks."""

    points: dict[str, list[Point]] = field(default_factory=lambda: {name: [] for name in _FIGURES})
    yardsticks: list[float] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)
    base: dict[str, float] = field(default_factory=lambda: look())

    def add(self, at: float, latency_p50: float, yardstick: float, connections: int = 0) -> None:
        """Look now, `at` so many seconds from the start.

        `yardstick` is how long a question took that did not pass through the client. The pool's
        `connections` are no leak while it knows of them: a machine that gets busier has more of
        them in use, up to their limit.
        """
        seen = look()
        if latency_p50:  # else no call has ended since
            seen["latency_p50_ms"] = latency_p50 * 1000
            self.yardsticks.append(yardstick)
        self.last.update(seen)
        if "descriptors" in seen:
            seen["descriptors"] -= connections
        for name, value in seen.items():
            self.points[name].append((at, value))

    def trends(self) -> dict[str, Trend]:
        """Where each figure was going once the run was warm."""
        trends = {}
        for name, (_, _, tolerance) in _FIGURES.items():
            points = self.points[name]
            if name == "latency_p50_ms":
                points = self._corrected(points)
            begin = points[-1][0] * WARM_UP if points else 0.0
            trends[name] = trend_of([p for p in points if p[0] >= begin], tolerance)
        return trends

    def _corrected(self, latencies: list[Point]) -> list[Point]:
        """The latencies as they would be had the machine been equally busy all the time.

        A busier machine slows the yardstick down as well, and that is not held against the client.
        """
        if not latencies:
            return []
        usual = median(self.yardsticks)
        pairs = zip(latencies, self.yardsticks, strict=True)
        return [(at, latency * usual / taken) for (at, latency), taken in pairs]


def look() -> dict[str, float]:
    """Memory, descriptors and threads of this process now; what the system hides is left out."""
    seen: dict[str, float] = {"threads": threading.active_count()}
    if descriptors := open_descriptors():
        seen["descriptors"] = descriptors
    if (memory := resident_kb()) is not None:
        seen["memory_kb"] = memory
    return seen


def resident_kb() -> float | None:
    """Resident memory in kB, the most there was where the system tells no more; or None."""
    if _STATM.exists():
        _give_back_free_memory()
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform == "darwin" else float(peak)


def _give_back_free_memory() -> None:
    """Let glibc return what it keeps of a busier moment: that is no leak, and stays for ever."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such call
        ctypes.CDLL(None).malloc_trim(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One soak from its start to its end."""

    seconds: float
    calls: int
    faults: int
    with_faults: bool
    errors: Mapping[str, int]
    foreign: Mapping[str, int]
    late: int
    slowest: float
    connections: int
    held: Mapping[str, int]
    """Of the pool after the load and before the end: active and waiting."""
    left: Mapping[str, float]
    """What was there after the end and not before the start."""
    trends: Mapping[str, Trend]

    def wrong(self) -> list[str]:
        """What speaks against the client, in words; empty where nothing does."""
        found = [
            f"{_FIGURES[name][0]} grows: {trend.growth:+.1f} {_FIGURES[name][1]}".rstrip()
            for name, trend in self.trends.items()
            if trend.grows
        ]
        found += [f"{count} {name} after the load" for name, count in self.held.items() if count]
        found += [f"{n:g} {name} left behind" for name, n in self.left.items() if n > 0]
        if self.foreign:
            kinds = "; ".join(f"{count} x {place}" for place, count in self.foreign.items())
            found.append(f"exceptions that are not the client's own: {kinds}"[:2000])
        if self.late:
            found.append(f"{self.late} calls beyond their time-out, {self.slowest:.2f} s the worst")
        if self.errors and not self.with_faults:
            found.append(f"{sum(self.errors.values())} errors, and nothing was made to go wrong")
        return found

    def unjudged(self) -> list[str]:
        """The figures of which there were too few samples."""
        return [name for name, trend in self.trends.items() if not trend.is_judged]

    def verdict(self) -> str:
        """``steady``, ``too short`` where too little was seen to say so, or ``wrong``."""
        if self.wrong():
            return "wrong"
        return "too short" if self.unjudged() else "steady"

    def figures(self) -> dict[str, Any]:
        """Everything, for ``--json``."""
        return {
            "verdict": self.verdict(),
            "wrong": self.wrong(),
            "seconds": round(self.seconds, 1),
            "calls": self.calls,
            "calls_per_second": round(self.calls / self.seconds, 1) if self.seconds else 0.0,
            "faults": self.faults,
            "errors": dict(self.errors),
            "foreign_errors": dict(self.foreign),
            "late_calls": self.late,
            "slowest_call_seconds": round(self.slowest, 3),
            "connections_opened": self.connections,
            "held_after_load": dict(self.held),
            "left_behind": dict(self.left),
            "trends": {name: trend.figures() for name, trend in self.trends.items()},
        }

    def table(self) -> Table:
        """The trends, for people."""
        table = Table(title="Once the run was warm", title_justify="left")
        for head in ("", "level", "per hour", "growth", "let pass", "verdict"):
            table.add_column(head, justify="left" if head in ("", "verdict") else "right")
        for name, trend in self.trends.items():
            label, unit, _ = _FIGURES[name]
            verdict = "grows" if trend.grows else "steady" if trend.is_judged else "too short"
            values = (trend.level, trend.per_hour, trend.growth, trend.allowed)
            table.add_row(f"{label} {unit}".rstrip(), *(f"{v:.1f}" for v in values), verdict)
        return table

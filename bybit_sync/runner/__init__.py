"""Strategies on a pool of threads, processes or machines: scheduled, supervised, drained."""

from __future__ import annotations

from .report import RunnerStats, RunReport
from .runner import StrategyRunner
from .steps import BEGUN, BUSY, GO, Lease
from .strategy import StrategyStats

__all__ = [
    "BEGUN",
    "BUSY",
    "GO",
    "Lease",
    "RunReport",
    "RunnerStats",
    "StrategyRunner",
    "StrategyStats",
]

"""How much is measured: every loop is bounded by these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """One run's size."""

    rounds: int = 15
    """How often the contenders take turns."""
    small_rounds: int = 60
    """The same for the small call of one thread. A round's ratio lies within 6 % of the median: 15
    rounds tell that to 2 %, which is as far as it is from a floor, and 60 to 1 %."""
    calls: int = 300
    """Small calls that one contender makes in its turn; fewer where a call takes longer."""
    crowd_seconds: float = 1.5
    """What a crowd of threads is given in one turn."""

    many_calls: int = 1_000_000
    """Calls of the workload that looks for what grows."""
    keeps_awake: bool = False
    """Whether the cores are kept from sleeping meanwhile."""


FULL = Options()
QUICK = Options(rounds=5, small_rounds=5, calls=100, crowd_seconds=0.6, many_calls=50_000)
GUARD = Options(rounds=5, small_rounds=5, calls=60, crowd_seconds=0.5)

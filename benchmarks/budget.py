"""What must hold and what is aimed at: the floors and aims of the project's design."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """A floor that must hold and an aim, both for one measured value."""

    floor: float
    aim: float
    more_is_better: bool = False

    def holds(self, value: float) -> bool:
        """True where the value is no worse than the floor."""
        return self._is_no_worse(value, self.floor)

    def is_met(self, value: float) -> bool:
        """True where the value is no worse than the aim."""
        return self._is_no_worse(value, self.aim)

    def is_alarming(self, value: float) -> bool:
        """True where the value is worse than twice the floor: noise alone does not do that."""
        return not self._is_no_worse(value, self.floor * (0.5 if self.more_is_better else 2.0))

    def _is_no_worse(self, value: float, limit: float) -> bool:
        return value >= limit if self.more_is_better else value <= limit


SMALL_TO_BARE = Budget(1.8, 1.3)
SMALL_TO_PYCURL = Budget(1.3, 1.0)
SMALL_TO_AIOHTTP = Budget(0.75, 0.5)
SMALL_TO_PYBIT = Budget(0.18, 0.12)
SESSION_TO_REQUESTS = Budget(0.5, 0.35)
CROWD_TO_PYBIT = Budget(7.0, 9.0, more_is_better=True)
CROWD_TO_AIOHTTP = Budget(0.7, 1.0, more_is_better=True)
EVENNESS = Budget(0.8, 0.9, more_is_better=True)
TAIL = Budget(4.0, 2.0)
LARGE_TO_BARE = Budget(1.4, 1.15)
ROUND_TRIP_EXCESS_MS = Budget(3.0, 1.0)
NEW_CONNECTION_TO_REQUESTS = Budget(0.15, 0.05)
IMPORT = Budget(1.2, 1.0)

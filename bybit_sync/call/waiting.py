"""Who waits for a turn, and in what order the turns are given.

First come, first served within a rank; a lower rank goes first, so that an order passes the
market data that waits before it. So that nobody starves, each tenth turn given out of order goes
to whoever has waited longest.
"""

from __future__ import annotations

import threading
from collections import deque
from itertools import count
from typing import Generic, TypeVar

RANKS = 3
"""Orders and whatever else changes something; the account's other calls; market data."""
MOST_OVERTAKINGS = 9
"""How many turns in a row may pass over the one who has waited longest."""

T = TypeVar("T")


class Waiter(Generic[T]):
    """One thread that waits for `units` of a window; whoever serves it opens its gate."""

    __slots__ = ("due", "gate", "is_served", "number", "rank", "turn", "units")

    def __init__(self, turn: T, units: int, rank: int) -> None:
        self.turn = turn
        self.units = units
        self.rank = rank
        self.number = 0
        self.due = 0.0
        """When it means to look again, on the monotonic clock."""
        self.is_served = False
        self.gate = threading.Lock()
        self.gate.acquire()

    def wake(self) -> None:
        """Let it look now; it may be awake already."""
        try:
            self.gate.release()
        except RuntimeError:  # nobody waits there: it was woken before
            return


class WaitingLine(Generic[T]):
    """The waiters of one window. Its owner's lock guards it."""

    __slots__ = ("_numbers", "_overtakings", "_ranks", "count")

    def __init__(self) -> None:
        self._ranks: tuple[deque[Waiter[T]], ...] = tuple(deque() for _ in range(RANKS))
        self._numbers = count()
        self._overtakings = 0
        self.count = 0
        """How many wait."""

    def join(self, waiter: Waiter[T]) -> None:
        """Stand at the end of the waiter's rank."""
        waiter.number = next(self._numbers)
        self._ranks[waiter.rank].append(waiter)
        self.count += 1

    def push_in(self, waiter: Waiter[T]) -> None:
        """Stand before everybody: this one had its turn before, and could not use it."""
        waiter.rank = 0
        waiter.number = next(self._numbers)
        self._ranks[0].appendleft(waiter)
        self.count += 1

    def first(self) -> Waiter[T] | None:
        """Whose turn is next."""
        if not self.count:
            return None
        heads = [line[0] for line in self._ranks if line]
        if len(heads) > 1 and self._overtakings >= MOST_OVERTAKINGS:
            return min(heads, key=lambda head: head.number)
        return heads[0]

    def serve(self, waiter: Waiter[T]) -> None:
        """`first` gets its turn and leaves the line."""
        heads = [line[0] for line in self._ranks if line]
        is_oldest = all(waiter.number <= head.number for head in heads)
        self._overtakings = 0 if is_oldest else self._overtakings + 1
        self._ranks[waiter.rank].popleft()
        self.count -= 1
        waiter.is_served = True
        waiter.wake()

    def leave(self, waiter: Waiter[T]) -> bool:
        """Give up; False if the waiter is in no line, because it was served."""
        try:
            self._ranks[waiter.rank].remove(waiter)
        except ValueError:
            return False
        self.count -= 1
        return True

    def units_before(self, rank: int, waiter: Waiter[T] | None = None) -> int:
        """How many units go to others before a waiter, or before one who joins this rank now.

        The turns by which others may pass it, or it them, are not foreseen.
        """
        units = 0
        for line in self._ranks[: rank + 1]:
            for other in line:
                if other is waiter:
                    return units
                units += other.units
        return units

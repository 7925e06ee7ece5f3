"""Who has called too often: per account and endpoint, and per address."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .table import Endpoint, Limit


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an account has left at an endpoint; the ``X-Bapi-Limit*`` headers say the same."""

    limit: int
    remaining: int
    reset_ms: int
    granted: int
    """How many of the calls (or of the orders in a batch) may pass."""


class RollingWindow:
    """At most `limit` calls in any `seconds`."""

    __slots__ = ("_seconds", "_times", "limit")

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._times: deque[float] = deque()

    def take(self, now: float, cost: int) -> int:
        """How many of `cost` calls fit; those are booked."""
        times = self._times
        start = now - self._seconds
        while times and times[0] <= start:
            times.popleft()
        granted = min(cost, self.limit - len(times))
        for _ in range(granted):
            times.append(now)
        return granted

    @property
    def remaining(self) -> int:
        """Calls that still fit, as of the last `take`."""
        return self.limit - len(self._times)

    def resets_in(self, now: float) -> float:
        """Seconds until a full window has room for one call."""
        return max(0.0, self._times[0] + self._seconds - now) if self._times else 0.0


class AccountLimits:
    """The windows of every account, endpoint and, where it counts, category."""

    def __init__(self, switch: bool | Mapping[str, int]) -> None:
        self._on = switch is not False
        self._raised = switch if isinstance(switch, Mapping) else {}
        self._windows: dict[tuple[str, str, str], RollingWindow] = {}

    def take(
        self, uid: str, endpoint: Endpoint, category: str, cost: int, now_ms: Callable[[], int]
    ) -> Allowance | None:
        """Book a call; None where the endpoint has no limit of its own."""
        limit = endpoint.limit
        if limit is None or not self._on:
            return None
        window = self._window(uid, endpoint, limit, category)
        now = time.monotonic()
        granted = window.take(now, cost)
        # Both are cut to whole ms: one for each, or a reset told too early meets another refusal.
        wait_ms = 0 if granted == cost else int(window.resets_in(now) * 1000) + 2
        return Allowance(window.limit, window.remaining, now_ms() + wait_ms, granted)

    def _window(self, uid: str, endpoint: Endpoint, limit: Limit, category: str) -> RollingWindow:
        line = category if category in limit.by_category else ""
        name = (uid, endpoint.path, line)
        window = self._windows.get(name)
        if window is None:
            calls = self._raised.get(endpoint.path, limit.by_category.get(line, limit.calls))
            window = self._windows[name] = RollingWindow(calls, limit.window)
        return window


class AddressBudget:
    """The budget of each address over all endpoints, and the ban of those who broke it."""

    def __init__(self, limit: int | None, window: float, ban: float) -> None:
        self._limit = limit
        self._window = window
        self._ban = ban
        self._windows: dict[str, RollingWindow] = {}
        self._banned_until: dict[str, float] = {}

    def admits(self, address: str) -> bool:
        """Book a request; False while the address is banned."""
        if self._limit is None:
            return True
        now = time.monotonic()
        if now < self._banned_until.get(address, 0.0):
            return False
        window = self._windows.get(address)
        if window is None:
            window = self._windows[address] = RollingWindow(self._limit, self._window)
        if window.take(now, 1):
            return True
        self._banned_until[address] = now + self._ban
        del self._windows[address]
        return False

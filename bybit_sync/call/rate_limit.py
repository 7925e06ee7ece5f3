"""Keeps every call within Bybit's limits, for all threads together.

Two kinds of limit: a rolling window per account and endpoint (and product line, where the table
says so), and one for the address that all calls share. Bybit's own headers correct the table.
HTTP 403 means that the address is shut out: then nothing is sent for ten minutes, whatever the
mode.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import NamedTuple

from bybit_sync.clock import Clock, Deadline
from bybit_sync.exceptions import IpBannedError
from bybit_sync.forking import renew_after_fork

from .records import Endpoint, Limit, Params
from .window import Turn, Window

BAN_SECONDS = 600.0
"""How long Bybit shuts out an address at least."""
_PROBE_SECONDS = 10.0  # after a ban one call goes ahead; the next may follow after so long
_LONGEST_HOLD = 60.0  # a reset time further ahead than this is junk
_MOST_CALLS = 100_000
_MOST_WINDOWS = 2000  # far above the table; paths that a user makes up must not fill memory
_COUNTED_BY_ORDER = frozenset(("linear", "inverse", "spot"))


class RateLimit(NamedTuple):
    """What the headers of an answer say about the endpoint's limit; None where they do not."""

    limit: int | None
    remaining: int | None
    reset_ms: int | None


def rate_limit_in(headers: list[tuple[bytes, bytes]]) -> RateLimit | None:
    """The limit that raw headers tell, or None; what is no number counts as absent."""
    limit = remaining = reset_ms = None
    for raw_name, value in headers:
        if raw_name[:12].lower() != b"x-bapi-limit":
            continue
        name = raw_name[12:].lower()
        if name == b"":
            limit = _number(value)
        elif name == b"-status":
            remaining = _number(value)
        elif name == b"-reset-timestamp":
            reset_ms = _number(value)
    if limit is remaining is reset_ms is None:
        return None
    return RateLimit(limit, remaining, reset_ms)


def _number(value: bytes) -> int | None:
    value = value.strip()
    return int(value) if value.isdigit() and len(value) <= 15 else None


class Breaker:
    """Open while the address is shut out; then lets one call try, and all once it succeeds.

    The lock guards the moment at which the next call may try.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._until: float | None = None

    def check(self) -> None:
        """Pass, or say until when not.

        Raises:
            IpBannedError: the ban lasts, or another call is just trying whether it is over.
        """
        if self._until is None:
            return
        with self._lock:
            until, now = self._until, self._clock.monotonic()
            if until is None:
                return
            if until <= now:
                self._until = now + _PROBE_SECONDS
                return
        back = self._clock.wall() + until - now
        raise IpBannedError(
            f"Bybit has shut this address out; nothing is sent before {clock_time(back)}",
            until=back,
            effect_unknown=False,
        )

    def open(self) -> None:
        """Stop everything for `BAN_SECONDS`."""
        with self._lock:
            self._until = self._clock.monotonic() + BAN_SECONDS

    def close(self) -> None:
        """An answer came that is no ban."""
        if self._until is not None:
            with self._lock:
                self._until = None


def clock_time(unix_seconds: float) -> str:
    """A moment as a person reads it."""
    return datetime.fromtimestamp(unix_seconds, timezone.utc).strftime("%H:%M:%S UTC")


class Address:
    """What all calls from one IP address share: its window and its breaker.

    Clients that go out from one address can share one.
    """

    def __init__(self, calls: int, seconds: float, clock: Clock) -> None:
        self.window = Window("requests of this address", calls, seconds, clock)
        self.breaker = Breaker(clock)


class Grant:
    """Leave to make one attempt, and what it cost to get it."""

    __slots__ = ("_deadline", "_may_wait", "_turns", "waited")

    def __init__(self, deadline: Deadline, may_wait: bool) -> None:
        self._deadline = deadline
        self._may_wait = may_wait
        self._turns: list[tuple[Window, Turn]] = []
        self.waited = 0.0
        """Seconds spent waiting for the limits."""

    def take(self, window: Window, cost: int) -> None:
        """Wait for a turn in one more window."""
        turn, waited = window.enter(cost, self._deadline, may_wait=self._may_wait)
        self._turns.append((window, turn))
        self.waited += waited

    def depart(self) -> None:
        """Say that the request leaves now; waits where the turn was missed by too much."""
        for window, turn in self._turns:
            self.waited += window.depart(turn, self._deadline, may_wait=self._may_wait)

    def give_back(self) -> None:
        """Nothing was sent after all."""
        for window, turn in self._turns:
            window.leave(turn)


class RateLimiter:
    """Hands out `Grant`s; safe for any number of threads. The lock guards the set of windows.

    `mode` is ``wait``, ``raise`` (at once, instead of waiting) or ``off`` (only a ban counts).
    """

    def __init__(
        self,
        clock: Clock,
        *,
        mode: str = "wait",
        ip_limit: int = 600,
        ip_window: float = 5.0,
        endpoint_limits: Mapping[str, float] | None = None,
        address: Address | None = None,
    ) -> None:
        self._clock = clock
        self._mode = mode
        self._own_limits = dict(endpoint_limits or {})
        self._address = address or Address(ip_limit, ip_window, clock)
        self._ip_rate = ip_limit / ip_window
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._windows: dict[tuple[str, str, str], Window | None] = {}

    def acquire(self, endpoint: Endpoint, params: Params, deadline: Deadline) -> Grant:
        """Wait until the call is within every limit.

        Raises:
            RateLimitTimeoutError: at once, if that would be after the deadline; nothing was sent.
            IpBannedError: Bybit has shut the address out.
        """
        self._address.breaker.check()
        grant = Grant(deadline, self._mode == "wait")
        if self._mode == "off":
            return grant
        category = _category(endpoint, params)
        window = self._window(endpoint, category)
        try:
            if window is not None:
                grant.take(window, _cost(endpoint, params, category))
            grant.take(self._address.window, 1)
            if grant.waited:
                self._address.breaker.check()  # it may have opened meanwhile
        except BaseException:
            grant.give_back()
            raise
        return grant

    def learn(
        self, endpoint: Endpoint, params: Params, seen: RateLimit, seconds_to_reset: float
    ) -> None:
        """Take what Bybit's headers say over what the table says.

        `seconds_to_reset` is the time until ``seen.reset_ms``; what has passed holds nothing up.
        """
        if self._mode == "off":
            return
        category = _category(endpoint, params)
        window = self._window(endpoint, category)
        if window is None and seen.limit:
            window = self._add(endpoint, category, Limit(seen.limit))
        if window is None:
            return
        # The header counts calls per second, so it says nothing about longer windows.
        if seen.limit and seen.limit <= _MOST_CALLS and window.seconds == 1.0:
            calls = min(seen.limit, int(self._own_limits.get(endpoint.path, _MOST_CALLS)) or 1)
            if calls != window.calls:
                window.resize(calls)
        if seen.remaining == 0 and 0.0 < seconds_to_reset <= _LONGEST_HOLD:
            window.hold(seconds_to_reset)

    def hold(self, endpoint: Endpoint, params: Params, seconds: float) -> None:
        """Let nobody call this endpoint for so long: it has answered "too many visits"."""
        window = self._window(endpoint, _category(endpoint, params))
        if window is not None and self._mode != "off" and 0.0 < seconds <= _LONGEST_HOLD:
            window.hold(seconds)

    def ban(self) -> None:
        """Bybit has shut the address out: stop everything for `BAN_SECONDS`."""
        self._address.breaker.open()

    def is_welcome(self) -> None:
        """An answer came that is no ban."""
        self._address.breaker.close()

    # --- windows --------------------------------------------------------------------------

    def _window(self, endpoint: Endpoint, category: str) -> Window | None:
        try:
            return self._windows[endpoint.method, endpoint.path, category]
        except KeyError:
            return self._add(endpoint, category, self._limit(endpoint, category))

    def _limit(self, endpoint: Endpoint, category: str) -> Limit | None:
        if (own := self._own_limits.get(endpoint.path)) is not None:
            return Limit(own)
        limit = endpoint.limit
        if limit is None:
            return None
        if limit.scope == "ip" and limit.calls / limit.window >= self._ip_rate:
            return None  # no limit of its own, only the address's
        return Limit(limit.by_category.get(category, limit.calls), limit.window)

    def _add(self, endpoint: Endpoint, category: str, limit: Limit | None) -> Window | None:
        key = (endpoint.method, endpoint.path, category)
        name = f"{endpoint.key} ({category})" if category else endpoint.key
        with self._lock:
            if (window := self._windows.get(key)) is not None:
                return window
            if len(self._windows) >= _MOST_WINDOWS:
                return None
            if limit is not None:
                window = Window(name, limit.calls, limit.window, self._clock)
            self._windows[key] = window
            return window


def _category(endpoint: Endpoint, params: Params) -> str:
    """The product line, where it has a count of its own."""
    if endpoint.limit is None or not endpoint.limit.by_category:
        return ""
    category = params.get("category")
    known = isinstance(category, str) and category in endpoint.limit.by_category
    return str(category) if known else ""


def _cost(endpoint: Endpoint, params: Params, category: str) -> int:
    """What a call counts: on batches of orders as many as there are, for options one.

    docs/v5/rate-limit: linear, inverse and spot batches use one unit per order. A batch of orders
    is what takes a ``category`` and a ``request`` list.
    """
    batch = params.get("request")
    if not isinstance(batch, list | tuple) or category not in _COUNTED_BY_ORDER:
        return 1
    return max(1, len(batch))

"""Keeps every call within Bybit's limits, for all threads together.

Two kinds of limit: a rolling window per account and endpoint (and product line, where the table
says so), and one for the address that all calls share. Bybit's own headers correct the table.
HTTP 403 means that the address is shut out: then nothing is sent for ten minutes, whatever the
mode.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bybit_sync.clock import Clock, Deadline
from bybit_sync.forking import renew_after_fork
from bybit_sync.net.answer import Headers

from .breaker import BAN_SECONDS
from .grant import Grant, Lane
from .records import Endpoint, Limit, Params
from .shared_limits import LimitScope
from .window import Window

_LONGEST_HOLD = 60.0  # a reset time further ahead than this is junk
_MOST_CALLS = 100_000
_MOST_LANES = 2000  # far above the table; paths that a user makes up must not fill memory
_COUNTED_BY_ORDER = frozenset(("linear", "inverse", "spot"))
_NAME, _FIRST = b"x-bapi-limit", b"\r\nx-bapi-limit: "
_RESET = b"x-bapi-limit-reset-timestamp: "
# As the documentation shows them, one after the other, in plain digits.
_IN_ORDER = re.compile(
    rb"\r\nx-bapi-limit: ([0-9]{1,9})"
    rb"\r\nx-bapi-limit-status: ([0-9]{1,9})"
    rb"\r\nx-bapi-limit-reset-timestamp: ([0-9]{1,15})\r\n"
)


class RateLimit(NamedTuple):
    """What the headers of an answer say about the endpoint's limit; None where they do not."""

    limit: int | None
    remaining: int | None
    reset_ms: int | None


def rate_limit_in(headers: Headers) -> RateLimit | None:
    """The limit that an answer's headers tell, or None; what is no number counts as absent."""
    head = headers.lower_head
    if head:
        begin = head.find(_FIRST)
        found = _IN_ORDER.match(head, begin) if begin >= 0 else None
        if found is not None and head.find(_NAME, found.end()) < 0:  # the usual case: none twice
            return RateLimit(*map(int, found.groups()))
        if _NAME not in head:
            return None
    told = headers.by_name
    limit = _number(told.get(b"x-bapi-limit"))
    remaining = _number(told.get(b"x-bapi-limit-status"))
    reset_ms = _number(told.get(b"x-bapi-limit-reset-timestamp"))
    if limit is remaining is reset_ms is None:
        return None
    return RateLimit(limit, remaining, reset_ms)


def _left_in(head: bytes, line: bytes) -> int:
    """The calls that are left where `line`, which tells the limit, stands before them; 0 where it
    does not, or something of a limit is told twice."""
    at = head.find(line)
    if at < 0:
        return 0
    begin = at + len(line)
    digits = head[begin : head.find(b"\r", begin)]
    if not (digits.isdigit() and head.count(_NAME, begin) == 1 and head.find(_RESET, begin) >= 0):
        return 0
    return int(digits) if len(digits) <= 9 else 0


def _number(value: bytes | None) -> int | None:
    if value is None:
        return None
    value = value.strip()
    return int(value) if value.isdigit() and len(value) <= 15 else None


class RateLimiter:
    """Hands out `Grant`s; safe for any number of threads. The lock guards the set of lanes.

    `mode` is ``wait``, ``raise`` (at once, instead of waiting) or ``off`` (only a ban counts).
    `scope` says with whom the counts are shared; None: with nobody.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        mode: str = "wait",
        ip_limit: int = 600,
        ip_window: float = 5.0,
        endpoint_limits: Mapping[str, float] | None = None,
        scope: LimitScope | None = None,
    ) -> None:
        self._clock = clock
        self._mode = mode
        self._may_wait = mode == "wait"
        self._own_limits = dict(endpoint_limits or {})
        self._scope = scope or LimitScope.alone(clock)
        self.address = self._scope.windows.address(self._scope.address, ip_limit, ip_window)
        """What this client shares with all that go out from the same address."""
        self._ip_rate = ip_limit / ip_window
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._lanes: dict[tuple[str, str, str], Lane] = {}

    def acquire(self, endpoint: Endpoint, params: Params, deadline: Deadline) -> Grant:
        """Wait until the call is within every limit. The grant has to be ended.

        Raises:
            RateLimitTimeoutError: at once, if that would be after the deadline; nothing was sent.
            IpBannedError: Bybit has shut the address out.
        """
        breaker = self.address.breaker
        is_probe = breaker.is_open and breaker.admit()
        if self._mode == "off":
            lane = None
        else:
            limit, category = endpoint.limit, ""
            if limit is not None and limit.by_category:
                named = params.get("category")
                if isinstance(named, str) and named in limit.by_category:
                    category = named  # which has a count of its own
            lane = self._lanes.get((endpoint.method, endpoint.path, category))
            if lane is None:
                lane = self._add(endpoint, category)
        cost = _orders(params) if lane is not None and lane.is_counted_by_order else 1
        grant = Grant(lane, cost, deadline, self._clock, self._may_wait)
        if is_probe:
            grant.is_probe = True
        if lane is not None:
            self._enter(grant, lane, deadline)
        return grant

    def _enter(self, grant: Grant, lane: Lane, deadline: Deadline) -> None:
        began = now = self._clock.monotonic()
        window, address = lane.window, lane.address
        may_wait, rank = self._may_wait, lane.rank
        try:
            if window is not None:
                now = window.enter(grant, now, deadline, may_wait, rank)
            now = address.window.enter(grant, now, deadline, may_wait, rank)
            if now != began:
                grant.waited = now - began
                if address.breaker.is_open and not grant.is_probe:  # opened meanwhile
                    grant.is_probe = address.breaker.admit()
        except BaseException:
            grant.give_back()
            raise

    # --- what answers teach ---------------------------------------------------------------

    def learn(
        self, grant: Grant, headers: Headers, seconds_until: Callable[[int], float]
    ) -> int | None:
        """Take what an answer's headers say over what the table says; returns the calls that are
        left, where they tell.

        `seconds_until` tells how long it is until a moment in Bybit's ms; what has passed, or is
        too far ahead to be true, holds nothing up.
        """
        lane = grant.lane
        if lane is not None and lane.seen_line:
            left = _left_in(headers.lower_head, lane.seen_line)
            if left:
                return left  # the usual case: the limit is what it was, and not used up
        seen = rate_limit_in(headers)
        if seen is None:
            return None
        if lane is not None:
            self._heed(grant, lane, seen, seconds_until)
        return seen.remaining

    def _heed(
        self, grant: Grant, lane: Lane, seen: RateLimit, seconds_until: Callable[[int], float]
    ) -> None:
        window = lane.window
        if window is None:
            if not seen.limit or seen.limit > _MOST_CALLS:
                return
            window = lane.window = self._account_window(lane.name, Limit(seen.limit))
        # The header counts calls per second, so it says nothing about longer windows.
        if seen.limit and seen.limit <= _MOST_CALLS and window.seconds == 1.0:
            calls = min(seen.limit, int(lane.most_calls) or 1)
            if calls != window.calls:
                window.resize(calls)
            lane.seen_line = b"%b%d\r\n%b-status: " % (_FIRST, seen.limit, _NAME)
        if seen.remaining == 0 and seen.reset_ms is not None:
            self.hold(grant, seconds_until(seen.reset_ms))

    def hold(self, grant: Grant, seconds: float) -> None:
        """Let nobody call the grant's endpoint for so long: its budget is gone."""
        window = grant.lane.window if grant.lane is not None else None
        if window is not None and 0.0 < seconds <= _LONGEST_HOLD:
            window.hold(seconds)

    def ban(self) -> None:
        """Bybit has shut the address out: stop everything for `BAN_SECONDS`."""
        self.address.breaker.open()
        self.address.window.ban(BAN_SECONDS)

    def answered(self, grant: Grant, at: float, *, is_welcome: bool) -> None:
        """An answer came `at` this moment; `is_welcome`: it is no ban.

        Only that of the call which tried says that a ban is over: others may have left before it.
        """
        if grant.lane is not None:
            grant.lane.note_trip(at - grant.at, at)
        if grant.is_probe and is_welcome:
            self.address.breaker.close()
            self.address.window.welcome()

    # --- lanes ----------------------------------------------------------------------------

    def _add(self, endpoint: Endpoint, category: str) -> Lane:
        key: tuple[str, str, str] = (endpoint.method, endpoint.path, category)
        with self._lock:
            if len(self._lanes) >= _MOST_LANES:
                key = ("", "", "")
            lane = self._lanes.get(key)
            if lane is None:
                lane = self._lanes[key] = self._lane(endpoint, category, has_window=any(key))
            return lane

    def _lane(self, endpoint: Endpoint, category: str, *, has_window: bool) -> Lane:
        name = endpoint.key if endpoint.name else f"{endpoint.method} {endpoint.path}"
        if category:
            name = f"{name} ({category})"
        limit = self._limit(endpoint, category) if has_window else None
        return Lane(
            name,
            None if limit is None else self._account_window(name, limit),
            self.address,
            rank=_rank(endpoint),
            most_calls=self._own_limits.get(endpoint.path, _MOST_CALLS),
            is_counted_by_order=category in _COUNTED_BY_ORDER and endpoint.method == "POST",
        )

    def _account_window(self, name: str, limit: Limit) -> Window:
        owner = self._scope.address if limit.scope == "ip" else self._scope.account
        return self._scope.windows.window(f"{owner} {name}", limit.calls, limit.window, title=name)

    def _limit(self, endpoint: Endpoint, category: str) -> Limit | None:
        if (own := self._own_limits.get(endpoint.path)) is not None:
            return Limit(own)
        limit = endpoint.limit
        if limit is None:
            return None
        if limit.scope == "ip" and limit.calls / limit.window >= self._ip_rate:
            return None  # no limit of its own, only the address's
        return Limit(limit.by_category.get(category, limit.calls), limit.window, limit.scope)


def _rank(endpoint: Endpoint) -> int:
    """Who goes first: what changes something, the account's own calls, then market data."""
    if endpoint.changes_something:
        return 0
    return 2 if endpoint.auth == "none" else 1


def _orders(params: Params) -> int:
    """What a call counts: on batches of orders as many as there are, for options one.

    docs/v5/rate-limit: linear, inverse and spot batches use one unit per order. A batch of orders
    is what takes a ``category`` and a ``request`` list.
    """
    batch = params.get("request")
    return max(1, len(batch)) if isinstance(batch, list | tuple) else 1

"""Retries as a state machine: many calls over one budget, whatever fails in whatever order."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bybit_sync.call.records import Endpoint
from bybit_sync.call.retry import Retry
from bybit_sync.exceptions import (
    AuthError,
    BybitError,
    ClockError,
    ConnectionLostError,
    ExchangeBusyError,
    IpBannedError,
    PoolFullError,
    RateLimitedError,
    RateLimitTimeoutError,
    TotalTimeoutError,
)
from tests.conftest import FakeClock
from tests.unit.call_fakes import GET_TICKERS, PLACE_ORDER
from tests.unit.test_retry import FakeCall, api, http, lost, unsent

FAULTS: dict[str, Callable[[], BybitError]] = {
    "unsent": unsent,
    "lost": lost,
    "503": lambda: http(503, unknown=True),
    "429": lambda: http(429),
    "told to wait": lambda: http(503, Retry_After="1"),
    "told to wait for an hour": lambda: http(503, Retry_After="3600"),
    "told junk": lambda: http(503, Retry_After="soon"),
    "too many": lambda: api(RateLimitedError, 10006),
    "too many, reset past": lambda: api(RateLimitedError, 10006, reset_ms=1),
    "too many, reset far": lambda: api(RateLimitedError, 10006, reset_ms=2_000_000_000_000),
    "clock": lambda: api(ClockError, 10002),
    "busy": lambda: api(ExchangeBusyError, 10000, effect_unknown=True),
    "no": lambda: api(AuthError, 10003),
    "banned": lambda: IpBannedError("banned", until=0.0),
    "late": lambda: TotalTimeoutError("t", phase="read", effect_unknown=True),
    "pool full": lambda: PoolFullError("full", phase="pool"),
    "limiter": lambda: RateLimitTimeoutError("late", phase="rate_limit"),
    "lost unsent": lambda: ConnectionLostError("x", phase="write", effect_unknown=False),
}
FINAL = {"no", "banned", "pool full", "limiter"}


class Retries(RuleBasedStateMachine):
    """One client's retries: calls come and go, the budget is shared."""

    capacity = 0.0

    @initialize(capacity=st.sampled_from([0, 1, 3, 10]), seed=st.integers(0, 1000))
    def start(self, capacity: int, seed: int) -> None:
        random.seed(seed)  # the jitter
        self.clock = FakeClock()
        self.capacity = float(capacity)
        self.retry = Retry(self.clock, attempts=3, base_delay=0.1, max_delay=1.0, budget=capacity)
        self.taken = self.earned = 0

    @rule(
        names=st.lists(st.sampled_from(sorted(FAULTS)), max_size=6),
        endpoint=st.sampled_from([GET_TICKERS, PLACE_ORDER]),
        attempts=st.integers(1, 5),
        timeout=st.floats(0.05, 10.0),
        takes=st.floats(0.0, 1.0),
        can_correct=st.booleans(),
    )
    def call(
        self,
        names: list[str],
        endpoint: Endpoint,
        attempts: int,
        timeout: float,
        takes: float,
        can_correct: bool,
    ) -> None:
        script: list[Any] = [FAULTS[name]() for name in names]
        call = FakeCall(self.clock, list(script), endpoint, attempts, timeout, can_correct, takes)
        before, began = self.retry.budget.left, self.clock.monotonic()
        raised: BaseException | None = None
        try:
            assert self.retry.run(call) == "done"
        except BybitError as error:
            raised = error
        # What the caller is told is what the last attempt met, not something older or else.
        assert raised is (script[call.made - 1] if call.made <= len(script) else None)
        self._check(call, names, script, before)
        assert self.clock.monotonic() - began <= timeout + takes + 1e-6
        self.taken += call.made - 1
        self.earned += max(1, call.made - 1) if raised is None else 0

    def _check(self, call: FakeCall, names: list[str], script: list[Any], before: float) -> None:
        repeated = names[: call.made - 1]
        assert 1 <= call.made <= call.attempts
        assert call.corrected <= 1
        assert len(call.told) == call.made - 1
        assert not FINAL & set(repeated)
        assert repeated.count("clock") <= 1
        assert "told to wait for an hour" not in repeated
        assert "too many, reset far" not in repeated
        assert call.made - 1 <= before or not self.capacity
        if call.endpoint is PLACE_ORDER:
            assert not any(error.effect_unknown for error in script[: call.made - 1])

    @rule(seconds=st.floats(0.0, 100.0))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.floats(-3600.0, 3600.0))
    def step_the_wall_clock(self, seconds: float) -> None:
        self.clock.step_wall(seconds)

    @invariant()
    def the_budget_is_never_overdrawn(self) -> None:
        if self.capacity:
            assert 0 <= self.retry.budget.left <= self.capacity
            assert self.taken <= self.capacity + self.earned


TestRetries = Retries.TestCase
TestRetries.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)

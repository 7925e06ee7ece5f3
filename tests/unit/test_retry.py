"""Calls are repeated where that is safe, useful and in time; and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from bybit_sync.call.records import Endpoint
from bybit_sync.call.retry import Retry, reason_of, retry_after
from bybit_sync.clock import Deadline
from bybit_sync.exceptions import (
    AuthError,
    BadAnswerError,
    BybitError,
    ClockError,
    ConnectError,
    ConnectionLostError,
    ExchangeBusyError,
    IpBannedError,
    PoolFullError,
    RateLimitedError,
    RateLimitTimeoutError,
    TlsError,
    TooManyRequestsError,
    TotalTimeoutError,
)
from tests.conftest import FakeClock
from tests.unit.call_fakes import GET_TICKERS, PLACE_ORDER

NOW_MS = 1_700_000_000_000


def unsent() -> BybitError:
    return ConnectError("refused", phase="connect")


def lost() -> BybitError:
    return ConnectionLostError("reset", phase="read", effect_unknown=True)


def api(kind: type, code: int, **facts: Any) -> Any:
    return kind("no", ret_code=code, ret_msg="no", body={}, **facts)


def http(status: int, *, unknown: bool = False, **headers: str) -> BybitError:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    error = BadAnswerError("no", status_code=status, resp_headers=fields, effect_unknown=unknown)
    error.transient = True
    return error


@dataclass
class FakeCall:
    """Fails as the script says, then succeeds."""

    clock: FakeClock
    script: list[BaseException]
    endpoint: Endpoint = GET_TICKERS
    attempts: int = 3
    timeout: float = 60.0
    can_correct: bool = True
    takes: float = 0.0
    made: int = 0
    corrected: int = 0
    told: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadline = Deadline.after(self.timeout, self.clock)

    def attempt(self) -> str:
        self.made += 1
        self.clock.advance(self.takes)
        if self.script:
            raise self.script.pop(0)
        return "done"

    def correct_clock(self) -> bool:
        self.corrected += 1
        return self.can_correct

    def seconds_until(self, exchange_ms: int) -> float:
        return exchange_ms / 1000.0 - self.clock.wall()

    def tell_retry(self, error: BybitError, pause: float) -> None:
        self.told.append((reason_of(error), pause))


def run(call: FakeCall, **settings: Any) -> str:
    return Retry(call.clock, **settings).run(call)


def fails(call: FakeCall, kind: type[BaseException], **settings: Any) -> Any:
    with pytest.raises(kind) as raised:
        run(call, **settings)
    return raised.value


def test_a_call_that_succeeds_is_made_once(clock: FakeClock) -> None:
    call = FakeCall(clock, [])
    assert run(call) == "done"
    assert (call.made, call.told, clock.slept) == (1, [], [])


@pytest.mark.parametrize("endpoint", [GET_TICKERS, PLACE_ORDER])
def test_what_was_not_sent_is_sent_again(clock: FakeClock, endpoint: Endpoint) -> None:
    call = FakeCall(clock, [unsent(), unsent()], endpoint)
    assert run(call) == "done"
    assert call.made == 3
    assert [reason for reason, _ in call.told] == ["connect", "connect"]


@pytest.mark.parametrize(
    "failure",
    [
        lost,
        lambda: http(502, unknown=True),
        lambda: api(ExchangeBusyError, 10000, effect_unknown=True),
    ],
)
def test_what_may_have_acted_is_repeated_for_reads_and_never_for_orders(
    clock: FakeClock, failure: Callable[[], BybitError]
) -> None:
    read, order = FakeCall(clock, [failure()]), FakeCall(clock, [failure()], PLACE_ORDER)
    assert run(read) == "done"
    assert fails(order, BybitError).effect_unknown
    assert (read.made, order.made) == (2, 1)


@pytest.mark.parametrize(
    "failure",
    [
        api(AuthError, 10003),
        TlsError("expired", phase="tls"),
        PoolFullError("full", phase="pool"),
        RateLimitTimeoutError("no room", phase="rate_limit"),
        IpBannedError("banned", until=0.0),
        BadAnswerError("html", status_code=200),
        KeyboardInterrupt(),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_would_fail_again_fails_at_once(clock: FakeClock, failure: BaseException) -> None:
    call = FakeCall(clock, [failure])
    assert fails(call, type(failure)) is failure
    assert (call.made, clock.slept) == (1, [])


def test_a_failure_shortly_before_the_deadline_does_not_wait_for_what_a_repeat_would_load(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "tenacity")
    for takes in (0.801, 1.0, 1.1):
        call = FakeCall(clock, [lost()], timeout=1.0, takes=takes)
        fails(call, ConnectionLostError)
        assert (call.made, call.told, clock.slept) == (1, [], [])

    assert "tenacity" not in sys.modules, "to load it takes longer than a call may be late"
    assert run(FakeCall(clock, [lost()], timeout=1.0, takes=0.2)) == "done"
    monkeypatch.delitem(sys.modules, "tenacity")
    assert run(FakeCall(clock, [lost()], timeout=0.3, takes=0.1), base_delay=0.01) == "done"


def test_the_last_error_comes_out_when_the_attempts_are_used_up(clock: FakeClock) -> None:
    errors = [unsent(), lost(), unsent(), unsent()]
    call = FakeCall(clock, list(errors))
    error = fails(call, BybitError)
    assert error is errors[2]
    assert call.made == 3
    seen = error.__cause__ or error.__context__
    assert not isinstance(seen, tenacity.RetryError)


def test_a_failure_that_may_not_be_repeated_ends_the_attempts(clock: FakeClock) -> None:
    call = FakeCall(clock, [unsent(), lost()], PLACE_ORDER)
    assert isinstance(fails(call, BybitError), ConnectionLostError)
    assert call.made == 2


def test_an_interrupt_in_a_later_attempt_comes_out(clock: FakeClock) -> None:
    fails(FakeCall(clock, [unsent(), KeyboardInterrupt()]), KeyboardInterrupt)


def test_one_attempt_means_one(clock: FakeClock) -> None:
    call = FakeCall(clock, [unsent()], attempts=1)
    fails(call, ConnectError)
    assert call.made == 1


def test_pauses_grow_are_jittered_and_bounded(clock: FakeClock) -> None:
    pauses: list[list[float]] = []
    for _ in range(200):
        call = FakeCall(clock, [unsent() for _ in range(5)], attempts=6)
        run(call, base_delay=0.1, max_delay=0.4)
        pauses.append([pause for _, pause in call.told])
    for nth, ceiling in enumerate([0.1, 0.2, 0.4, 0.4, 0.4]):
        column = [row[nth] for row in pauses]
        assert all(0.0 <= pause <= ceiling for pause in column)
        assert max(column) > 0.8 * ceiling
        assert min(column) < 0.2 * ceiling


def test_a_pause_that_would_end_after_the_deadline_is_not_begun(clock: FakeClock) -> None:
    call = FakeCall(clock, [http(503, Retry_After="2"), http(503, Retry_After="2")], timeout=3.0)
    fails(call, BadAnswerError)
    assert clock.slept == [2.0]  # the second pause, of 2 s again, would end too late
    assert call.made == 2


def test_no_attempt_is_made_once_the_time_is_used_up(clock: FakeClock) -> None:
    late = TotalTimeoutError("late", phase="connect")
    call = FakeCall(clock, [late, late], takes=5.0, timeout=5.0)
    fails(call, TotalTimeoutError, base_delay=0.0)
    assert call.made == 1


# --- what the exchange says ---------------------------------------------------------------


@pytest.mark.parametrize("seconds", ["1.5", "soon", "-3", "", "Fri, 99 Foo 2024", "\N{DIGIT ONE}x"])
def test_a_retry_after_that_is_junk_is_as_good_as_none(clock: FakeClock, seconds: str) -> None:
    call = FakeCall(clock, [http(503, Retry_After=seconds)])
    assert run(call) == "done"
    assert call.told[0][0] == "http_5xx"
    assert call.told[0][1] <= 0.1


def test_retry_after_is_honoured_but_never_beyond_the_deadline(clock: FakeClock) -> None:
    call = FakeCall(clock, [http(503, Retry_After="3600")])
    fails(call, BadAnswerError)
    assert (call.made, clock.slept) == (1, [])
    call = FakeCall(clock, [http(503, Retry_After="3")])
    run(call)
    assert call.told == [("http_5xx", 3.0)]


def test_too_many_requests_without_a_reset_time_waits_as_retry_after_says(
    clock: FakeClock,
) -> None:
    limited = api(TooManyRequestsError, 429, resp_headers={"Retry-After": "3"})
    call = FakeCall(clock, [limited], PLACE_ORDER)
    assert run(call) == "done"
    assert call.told == [("rate_limited", 3.0)]


def test_a_reset_that_is_hours_ahead_is_not_believed(clock: FakeClock) -> None:
    limited = api(RateLimitedError, 10006, reset_ms=NOW_MS + 7_200_000)
    call = FakeCall(clock, [limited], timeout=10_000.0)
    assert run(call) == "done"
    assert call.told == [("rate_limited", 60.0)]


def test_retry_after_may_be_a_date_and_a_past_one_means_now() -> None:
    later = format_datetime(datetime(2023, 11, 14, 22, 13, 25, tzinfo=timezone.utc))
    assert retry_after(later, 1_700_000_000.0) == 5.0
    assert retry_after("Tue, 14 Nov 2023 22:13:25 GMT", 1_700_000_000.0) == 5.0
    assert retry_after("Tue, 14 Nov 2023 22:13:25", 1_700_000_030.0) == -25.0
    assert retry_after(None, 0.0) is None


@given(st.text(max_size=40))
def test_any_retry_after_is_a_number_or_nothing(value: str) -> None:
    found = retry_after(value, 1_700_000_000.0)
    assert found is None or isinstance(found, float)


@pytest.mark.parametrize(("ahead_ms", "pause"), [(700, 0.7), (-60_000, 0.0), (None, 1.0)])
def test_too_many_visits_waits_for_the_reset(
    clock: FakeClock, ahead_ms: int | None, pause: float
) -> None:
    reset_ms = None if ahead_ms is None else NOW_MS + ahead_ms
    call = FakeCall(clock, [api(RateLimitedError, 10006, reset_ms=reset_ms)], PLACE_ORDER)
    assert run(call) == "done"
    # Untold it is a second, and a little more, so that those who were refused together part.
    assert call.told == [("rate_limited", pytest.approx(pause, rel=0.25))]
    assert call.told[0][1] >= pause * 0.999


def test_a_reset_beyond_the_deadline_is_told_at_once(clock: FakeClock) -> None:
    limited = api(RateLimitedError, 10006, reset_ms=NOW_MS + 15_000)
    call = FakeCall(clock, [limited], timeout=2.0)
    assert fails(call, RateLimitedError).reset_ms == NOW_MS + 15_000
    assert clock.slept == []


# --- the clock ----------------------------------------------------------------------------


def test_a_wrong_clock_is_corrected_and_the_call_repeated_at_once(clock: FakeClock) -> None:
    call = FakeCall(clock, [api(ClockError, 10002)], PLACE_ORDER)
    assert run(call) == "done"
    assert (call.corrected, call.made, call.told) == (1, 2, [("clock", 0.0)])


def test_a_clock_that_is_refused_twice_has_another_fault(clock: FakeClock) -> None:
    call = FakeCall(clock, [api(ClockError, 10002), api(ClockError, 10002)], attempts=9)
    fails(call, ClockError)
    assert (call.corrected, call.made) == (1, 2)


def test_a_clock_that_cannot_be_measured_leaves_the_refusal(clock: FakeClock) -> None:
    call = FakeCall(clock, [api(ClockError, 10002)], can_correct=False)
    fails(call, ClockError)
    assert call.made == 1


# --- the budget ---------------------------------------------------------------------------


def test_an_outage_is_not_multiplied(clock: FakeClock) -> None:
    retry = Retry(clock, attempts=3, budget=10)
    made = 0
    for _ in range(500):
        call = FakeCall(clock, [unsent(), unsent(), unsent()])
        with pytest.raises(ConnectError):
            retry.run(call)
        made += call.made
    assert made == 510


def test_calls_that_succeed_pay_the_budget_back(clock: FakeClock) -> None:
    retry = Retry(clock, budget=2)
    with pytest.raises(ConnectError):
        retry.run(FakeCall(clock, [unsent(), unsent(), unsent()]))
    assert retry.budget.left == 0
    with pytest.raises(ConnectError):
        retry.run(FakeCall(clock, [unsent()]))
    for _ in range(5):
        assert retry.run(FakeCall(clock, [])) == "done"
    assert retry.run(FakeCall(clock, [unsent()])) == "done"
    assert retry.budget.left == pytest.approx(1)
    for _ in range(50):
        retry.run(FakeCall(clock, []))
    assert retry.budget.left == 2


def test_retries_that_help_cost_no_budget(clock: FakeClock) -> None:
    retry = Retry(clock, budget=2)
    for _ in range(100):
        assert retry.run(FakeCall(clock, [unsent(), unsent()])) == "done"
    assert retry.budget.left == 2


def test_when_half_of_the_calls_fail_a_fifth_is_added_at_most(clock: FakeClock) -> None:
    retry = Retry(clock, attempts=3, budget=10)
    made = 0
    for i in range(2000):
        call = FakeCall(clock, [unsent(), unsent(), unsent()] if i % 2 else [])
        with suppress(ConnectError):
            retry.run(call)
        made += call.made
    assert made <= 2000 * 1.2


def test_the_error_speaks_of_every_attempt_not_only_of_the_last(clock: FakeClock) -> None:
    call = FakeCall(clock, [lost(), unsent(), unsent()])
    error = fails(call, ConnectError)
    assert error.effect_unknown
    assert not fails(FakeCall(clock, [unsent(), unsent(), unsent()]), ConnectError).effect_unknown


def test_a_budget_of_0_has_no_bound(clock: FakeClock) -> None:
    retry = Retry(clock, budget=0)
    for _ in range(200):
        retry.run(FakeCall(clock, [unsent(), unsent()]))
    assert retry.budget.left == float("inf")


# --- and the rest -------------------------------------------------------------------------


def test_a_call_made_while_another_waits_to_be_repeated_does_not_disturb_it(
    clock: FakeClock,
) -> None:
    retry = Retry(clock)
    inner = FakeCall(clock, [unsent(), unsent()])

    class Nosy(FakeCall):
        def tell_retry(self, error: BybitError, pause: float) -> None:
            super().tell_retry(error, pause)
            if not inner.made:
                assert retry.run(inner) == "done"

    outer = Nosy(clock, [unsent(), unsent()])
    assert retry.run(outer) == "done"
    assert (outer.made, inner.made) == (3, 3)


FAILURES = st.sampled_from(
    [
        unsent,
        lost,
        lambda: http(503, unknown=True),
        lambda: http(429),
        lambda: api(RateLimitedError, 10006),
        lambda: api(ClockError, 10002),
        lambda: api(AuthError, 10003),
        lambda: TotalTimeoutError("t", phase="read", effect_unknown=True),
    ]
)


@given(st.lists(FAILURES, max_size=6), st.integers(1, 5), st.floats(0.1, 5.0), st.floats(0.0, 1.0))
def test_whatever_happens_an_order_that_may_have_acted_is_not_repeated(
    failures: list[Callable[[], BybitError]], attempts: int, timeout: float, takes: float
) -> None:
    clock = FakeClock()
    script: list[BaseException] = [make() for make in failures]
    call = FakeCall(clock, list(script), PLACE_ORDER, attempts, timeout, takes=takes)
    began = clock.monotonic()
    with suppress(BybitError):
        run(call)
    assert call.made <= attempts
    assert not any(
        isinstance(error, BybitError) and error.effect_unknown for error in script[: call.made - 1]
    )
    assert clock.monotonic() - began <= timeout + takes

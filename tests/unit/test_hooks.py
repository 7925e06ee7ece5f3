"""What is counted is what happened."""

from __future__ import annotations

import logging
import threading

import pytest

from bybit_sync.call.hooks import CALL_BUCKETS, Hooks, Observer, outcome_of
from bybit_sync.call.records import Endpoint
from bybit_sync.exceptions import (
    ApiError,
    BadAnswerError,
    ClientClosedError,
    ConfigError,
    ConnectError,
    IpBannedError,
)
from tests.unit.call_fakes import GET_ORDERS, GET_TICKERS


def test_calls_are_counted_by_endpoint_and_outcome() -> None:
    hooks = Hooks()
    hooks.done(GET_TICKERS, "ok", 0.004, 0.0)
    hooks.done(GET_TICKERS, "ok", 0.02, 1.5)
    hooks.done(GET_ORDERS, "api_error", 99.0, 0.0)
    seen = hooks.snapshot()
    ok = seen.durations["market.get_tickers", "ok"]
    assert (ok.count, ok.sum) == (2, pytest.approx(0.024))
    assert ok.bounds == CALL_BUCKETS
    assert (ok.counts[0], ok.counts[2]) == (1, 1)
    assert seen.durations["trade.get_open_orders", "api_error"].counts[-1] == 1
    assert (seen.rate_limit_waits.count, seen.rate_limit_waits.sum) == (3, 1.5)
    assert seen.rate_limit_waits.counts[0] == 2


def test_attempts_retries_and_what_is_left_are_counted() -> None:
    hooks = Hooks()
    hooks.attempt(GET_TICKERS)
    hooks.attempt(GET_TICKERS)
    hooks.retry(GET_TICKERS, ConnectError("x", phase="connect"), "connect", 0.1)
    hooks.rate_limit(GET_ORDERS, 49)
    hooks.read_clock_from(lambda: 0.25)
    seen = hooks.snapshot()
    assert seen.attempts == {"market.get_tickers": 2}
    assert seen.retries == {"connect": 1}
    assert seen.rate_limit_remaining == {"trade.get_open_orders": 49}
    assert seen.clock_offset == 0.25


def test_a_snapshot_does_not_change_afterwards() -> None:
    hooks = Hooks()
    hooks.done(GET_TICKERS, "ok", 0.1, 0.0)
    before = hooks.snapshot()
    hooks.done(GET_TICKERS, "ok", 0.1, 0.0)
    assert before.durations["market.get_tickers", "ok"].count == 1


def test_no_count_is_lost_between_threads() -> None:
    hooks = Hooks()

    def work() -> None:
        for _ in range(500):
            hooks.attempt(GET_TICKERS)
            hooks.done(GET_TICKERS, "ok", 0.001, 0.0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    seen = hooks.snapshot()
    assert seen.attempts["market.get_tickers"] == 4000
    assert seen.durations["market.get_tickers", "ok"].count == 4000


class Listener(Observer):
    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def on_attempt(self, endpoint: Endpoint) -> None:
        self.heard.append(("attempt", endpoint.key))

    def on_retry(self, endpoint: Endpoint, reason: str, pause: float) -> None:
        self.heard.append(("retry", reason, pause))

    def on_done(self, endpoint: Endpoint, outcome: str, seconds: float, waited: float) -> None:
        self.heard.append(("done", outcome, seconds, waited))


def test_observers_hear_everything_until_they_are_removed() -> None:
    listener = Listener()
    hooks = Hooks((Observer(),))
    hooks.add(listener)
    hooks.attempt(GET_TICKERS)
    hooks.retry(GET_TICKERS, ConnectError("x", phase="connect"), "connect", 0.1)
    hooks.done(GET_TICKERS, "ok", 0.1, 0.2)
    hooks.remove(listener)
    hooks.remove(listener)
    hooks.done(GET_TICKERS, "ok", 0.1, 0.2)
    assert listener.heard == [
        ("attempt", "market.get_tickers"),
        ("retry", "connect", 0.1),
        ("done", "ok", 0.1, 0.2),
    ]


def test_a_function_can_watch_for_a_while() -> None:
    hooks, seen = Hooks(), []
    with hooks.watched(lambda seconds, waited: seen.append((seconds, waited))):
        hooks.done(GET_TICKERS, "ok", 0.1, 0.2)
    hooks.done(GET_TICKERS, "ok", 0.3, 0.4)
    assert seen == [(0.1, 0.2)]


def test_the_log_tells_of_calls_at_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks()
    with caplog.at_level(logging.INFO, "bybit_sync.call"):
        hooks.done(GET_TICKERS, "ok", 0.1, 0.0)
    assert not caplog.records
    with caplog.at_level(logging.DEBUG, "bybit_sync.call"):
        hooks.retry(GET_TICKERS, ConnectError("refused", phase="connect"), "connect", 0.1)
        hooks.done(GET_TICKERS, "ok", 0.1, 0.0)
    assert "again in 0.100 s (connect): refused" in caplog.text
    assert "GET /v5/market/tickers (market.get_tickers): ok in 100.0 ms" in caplog.text


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ApiError("x", ret_code=1, ret_msg="", body={}), "api_error"),
        (ConnectError("x", phase="connect"), "transport_error"),
        (BadAnswerError("x"), "bad_answer"),
        (IpBannedError("x", until=0.0), "bad_answer"),
        (ClientClosedError("x"), "closed"),
        (ConfigError("x"), "refused"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_every_end_has_one_of_a_few_labels(error: BaseException, outcome: str) -> None:
    assert outcome_of(error) == outcome

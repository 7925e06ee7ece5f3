"""Orders without a socket: what is sent, and how long it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bybit_sync import (
    CallOptions,
    ConfigError,
    ConnectError,
    OrderNotPlacedError,
    OrderUnknownError,
)
from bybit_sync.net.answer import Answer
from bybit_sync.orders import Orders
from tests.conftest import FakeClock

from .call_fakes import ORDER, Sent, answer
from .orders_fakes import (
    LOST,
    NAME,
    PROOF,
    WANTED,
    Bybit,
    failure,
    orders_at,
)


@pytest.fixture
def bybit(clock: FakeClock) -> Bybit:
    return Bybit(clock)


@pytest.fixture
def orders(bybit: Bybit) -> Orders:
    return orders_at(bybit)


# --- what goes out ------------------------------------------------------------------------


def test_an_order_is_acknowledged_under_the_name_that_was_sent(
    orders: Orders, bybit: Bybit
) -> None:
    placed = orders.place(**ORDER)

    assert (placed.orderId, placed.orderLinkId) == ("id-1", bybit.sent[0].json["orderLinkId"])
    assert len(placed.orderLinkId) == 32
    assert (placed.placed, placed.recovered, placed.row) == (True, False, None)
    assert bybit.queries() == 0


def test_an_order_is_signed_for_the_short_window_of_orders(orders: Orders, bybit: Bybit) -> None:
    orders.place(**ORDER)
    orders.place(**ORDER, options=CallOptions(recv_window_ms=700))

    windows = [sent.signed["X-BAPI-RECV-WINDOW"] for sent in bybit.sent]
    assert windows == ["2000", "700"]


def test_the_caller_may_listen_to_the_signing_as_well(orders: Orders, clock: FakeClock) -> None:
    stamps: list[int] = []

    orders.place(**ORDER, options=CallOptions(on_sign=stamps.append))

    assert stamps == [int(clock.wall() * 1000) - 1]


@pytest.mark.parametrize("change", [{"orderlinkid": "x"}, {"quantity": "1"}])
def test_a_parameter_that_is_not_known_is_a_type_error_that_names_the_nearest(
    change: dict[str, str], orders: Orders, bybit: Bybit
) -> None:
    with pytest.raises(TypeError, match="nearest"):
        orders.place(**ORDER, **change)
    assert bybit.sent == []


@pytest.mark.parametrize(
    "bad",
    [
        lambda orders: orders.place(category="linear", symbol="BTCUSDT"),
        lambda orders: orders.place(**{**ORDER, "qty": True}),
        lambda orders: orders.place_batch("linear", []),
        lambda orders: orders.place_batch("linear", [{"symbol": "BTCUSDT"}]),
        lambda orders: orders.place_batch("linear", [WANTED, WANTED]),
        lambda orders: orders.cancel(category="linear", symbol="BTCUSDT"),
        lambda orders: orders.amend(category="linear", symbol="BTCUSDT", price="1"),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_is_sent(
    bad: Callable[[Orders], Any], orders: Orders, bybit: Bybit
) -> None:
    assert isinstance(failure(lambda: bad(orders)), ConfigError)
    assert bybit.sent == []


def test_an_order_of_which_nothing_was_sent_is_told_as_such(orders: Orders, bybit: Bybit) -> None:
    bybit.on_post = [ConnectError("refused", phase="connect")] * 3

    assert isinstance(failure(lambda: orders.place(**WANTED)), ConnectError)
    assert (len(bybit.posts()), bybit.queries()) == (3, 0)


# --- how long it is asked for -------------------------------------------------------------


def test_absence_is_proved_by_a_query_after_window_margin_and_lag_and_not_before(
    orders: Orders, bybit: Bybit, clock: FakeClock
) -> None:
    began = clock.monotonic()
    bybit.on_post = [LOST]

    error = failure(lambda: orders.place(**WANTED))

    assert isinstance(error, OrderNotPlacedError)
    assert error.orderLinkId == NAME
    assert PROOF < clock.monotonic() - began < PROOF + 0.1
    assert len(bybit.posts()) == 1
    assert bybit.queries() > 4  # it was asked for from the start


def test_an_order_that_shows_at_the_last_moment_is_found(
    orders: Orders, bybit: Bybit, clock: FakeClock
) -> None:
    began = clock.monotonic()
    bybit.on_post = [LOST]
    bybit.on_get = lambda _: (
        bybit.shows() if clock.monotonic() - began > PROOF - 1.5 else None,
        bybit._list(),
    )[1]

    placed = orders.place(**WANTED)

    assert placed.recovered
    assert clock.monotonic() - began < PROOF


def test_queries_that_fail_prove_nothing_and_the_deadline_ends_them(
    orders: Orders, bybit: Bybit, clock: FakeClock
) -> None:
    bybit.on_post = [LOST]
    bybit.on_get = answer(b"<html>", status=502)
    began = clock.monotonic()

    error = failure(lambda: orders.place(**WANTED, options=CallOptions(timeout=20.0)))

    assert isinstance(error, OrderUnknownError)
    assert (error.orderLinkId, error.effect_unknown, error.transient) == (NAME, True, True)
    assert "gone" in str(error)
    assert 19.9 < clock.monotonic() - began <= 20.01

    bybit.on_get = None
    bybit.shows()
    assert error.resolve().orderId == "id-1"


def test_absence_waits_for_bybits_own_clock(orders: Orders, bybit: Bybit, clock: FakeClock) -> None:
    def steps_back(_: Sent) -> Answer:
        bybit.ahead_ms = -3000
        raise LOST

    bybit.on_post = [steps_back]
    began = clock.monotonic()

    assert isinstance(failure(lambda: orders.place(**WANTED)), OrderNotPlacedError)
    assert clock.monotonic() - began > PROOF + 3.0


def test_absence_is_not_hurried_by_a_clock_that_steps_ahead(
    orders: Orders, bybit: Bybit, clock: FakeClock
) -> None:
    def steps_ahead(_: Sent) -> Answer:
        bybit.ahead_ms = 90_000
        raise LOST

    bybit.on_post = [steps_ahead]
    began = clock.monotonic()

    assert isinstance(failure(lambda: orders.place(**WANTED)), OrderNotPlacedError)
    assert clock.monotonic() - began > PROOF


@pytest.mark.parametrize("code", [10003, 10005])
def test_where_asking_is_refused_it_ends_at_once(
    code: int, orders: Orders, bybit: Bybit, clock: FakeClock
) -> None:
    bybit.on_post = [LOST]
    bybit.on_get = bybit.says({}, code)
    began = clock.monotonic()

    error = failure(lambda: orders.place(**WANTED))

    assert isinstance(error, OrderUnknownError)
    assert getattr(error.__cause__, "ret_code", None) == code
    assert clock.monotonic() - began < 1.0


def test_an_answer_to_a_query_without_a_list_proves_nothing(orders: Orders, bybit: Bybit) -> None:
    bybit.on_post = [LOST]
    bybit.on_get = lambda _: bybit.says({})

    error = failure(lambda: orders.place(**WANTED, options=CallOptions(timeout=20.0)))

    assert isinstance(error, OrderUnknownError)


def test_another_try_is_made_once_and_under_the_same_name(orders: Orders, bybit: Bybit) -> None:
    bybit.on_post = [LOST, LOST]

    error = failure(lambda: orders.place(**WANTED, resend=True))

    assert isinstance(error, OrderNotPlacedError)
    assert [sent.json["orderLinkId"] for sent in bybit.sent if sent.method == "POST"] == [NAME] * 2

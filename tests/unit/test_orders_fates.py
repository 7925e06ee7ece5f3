"""Orders without a socket: what is seen, remembered and told, one by one and in batches."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from bybit_sync import (
    BybitError,
    CallOptions,
    ClientClosedError,
    ConfigError,
    InsufficientFundsError,
    OrderError,
    OrderNotPlacedError,
    OrderUnknownError,
)
from bybit_sync.net.answer import Answer
from bybit_sync.orders import OrderResult, Orders
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

AMEND, CANCEL = "/v5/order/amend", "/v5/order/cancel"


@pytest.fixture
def bybit(clock: FakeClock) -> Bybit:
    return Bybit(clock)


@pytest.fixture
def orders(bybit: Bybit) -> Orders:
    return orders_at(bybit)


# --- what is seen -------------------------------------------------------------------------


def test_an_order_that_was_accepted_and_then_rejected_is_not_placed(
    orders: Orders, bybit: Bybit
) -> None:
    bybit.on_post = [LOST]
    bybit.shows(orderStatus="Rejected", rejectReason="EC_NoEnoughQtyToFill")

    error = failure(lambda: orders.place(**WANTED, resend=True))

    assert isinstance(error, OrderNotPlacedError)
    assert "EC_NoEnoughQtyToFill" in str(error)
    assert len(bybit.posts()) == 1


@pytest.mark.parametrize("other", [{"side": "Sell"}, {"createdTime": "1600000000000"}])
def test_an_order_of_somebody_else_under_the_name_is_not_taken_for_ours(
    other: dict[str, str], orders: Orders, bybit: Bybit
) -> None:
    bybit.on_post = [LOST]
    bybit.shows(**other)

    error = failure(lambda: orders.place(**WANTED))

    assert isinstance(error, OrderNotPlacedError)
    assert "another order" in str(error)


@pytest.mark.parametrize(("later_ms", "is_ours"), [(1, True), (0, True), (-1, False)])
def test_a_duplicate_that_is_no_older_than_the_request_came_of_it(
    later_ms: int, is_ours: bool, orders: Orders, bybit: Bybit
) -> None:
    """Near the exchange an order is often made in the millisecond in which it was signed."""

    def handed_on_twice(sent: Sent) -> Answer:
        signed_ms = int(sent.signed["X-BAPI-TIMESTAMP"])
        bybit.shows(createdTime=str(signed_ms + later_ms))
        return bybit.says({}, 110072)

    bybit.on_post = [handed_on_twice]

    if is_ours:
        assert orders.place(**WANTED).recovered
    else:
        assert isinstance(failure(lambda: orders.place(**WANTED)), OrderError)


def test_rows_of_other_orders_in_an_answer_are_passed_over(orders: Orders, bybit: Bybit) -> None:
    bybit.on_post = [LOST]
    bybit.shows(orderLinkId="not-mine")

    assert isinstance(failure(lambda: orders.place(**WANTED)), OrderNotPlacedError)


# --- names and memory ---------------------------------------------------------------------


def test_a_name_may_be_used_again_after_a_refusal(orders: Orders, bybit: Bybit) -> None:
    bybit.on_post = [bybit.says({}, 110007)]

    assert isinstance(failure(lambda: orders.place(**WANTED)), InsufficientFundsError)
    assert orders.place(**{**WANTED, "qty": "0.0005"}).orderLinkId == NAME


def test_a_second_order_under_a_name_is_the_exchanges_to_refuse_if_it_is_the_same(
    orders: Orders, bybit: Bybit
) -> None:
    orders.place(**WANTED)
    bybit.on_post = [bybit.says({}, 110072)]

    assert isinstance(failure(lambda: orders.place(**WANTED)), OrderError)
    assert bybit.queries() == 0
    changed = failure(lambda: orders.place(**{**WANTED, "price": "1"}))  # the name is still taken
    assert isinstance(changed, ConfigError)


def test_a_name_in_flight_is_refused_to_another_call(orders: Orders, bybit: Bybit) -> None:
    told: list[BybitError] = []

    def meanwhile(sent: Sent) -> Answer:
        told.append(failure(lambda: orders.place(**WANTED)))
        return bybit.acknowledge(sent)

    bybit.on_post = [meanwhile]
    orders.place(**WANTED)

    assert isinstance(told[0], ConfigError)
    assert len(bybit.posts()) == 1


@pytest.mark.parametrize("booked", [True, False])
def test_placing_an_unknown_order_again_asks_for_the_first_one_before_it_sends(
    booked: bool, orders: Orders, bybit: Bybit
) -> None:
    bybit.on_post = [LOST]
    bybit.on_get = answer(b"<html>", status=502)
    failure(lambda: orders.place(**WANTED, options=CallOptions(timeout=3.0)))
    bybit.on_get = None
    if booked:
        bybit.shows()

    placed = orders.place(**WANTED)

    assert placed.recovered == booked
    assert len(bybit.posts()) == 1 + (not booked)


# --- interrupts ---------------------------------------------------------------------------


def test_an_interrupt_while_asking_names_the_order_and_recover_settles_it(
    orders: Orders, bybit: Bybit
) -> None:
    bybit.on_post = [LOST]
    bybit.on_get = KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt) as interrupted:
        orders.place(**WANTED)

    assert any(NAME in note for note in getattr(interrupted.value, "__notes__", [NAME]))
    bybit.on_get = None
    bybit.shows()
    (settled,) = orders.recover()
    assert (settled.orderLinkId, settled.orderId, settled.placed) == (NAME, "id-1", True)
    assert orders.recover() == []


def test_an_interrupt_before_the_first_byte_leaves_nothing_to_recover(
    orders: Orders, clock: FakeClock, bybit: Bybit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(orders._pipeline, "send", interrupted)
        orders.place(**WANTED)

    assert orders.recover() == []
    assert orders.place(**{**WANTED, "qty": "0.002"}).orderLinkId == NAME


def test_recover_that_cannot_ask_says_so_and_its_error_goes_on(
    orders: Orders, bybit: Bybit
) -> None:
    for number in range(2):
        bybit.on_post = [LOST]
        bybit.on_get = answer(b"<html>", status=502)
        wanted = {**WANTED, "orderLinkId": f"mine-{number}"}
        failure(lambda wanted=wanted: orders.place(**wanted, options=CallOptions(timeout=2.0)))

    error = failure(lambda: orders.recover(timeout=1.0))
    assert isinstance(error, OrderUnknownError)
    assert "mine-0" in str(error)
    assert "mine-1" in str(error)

    bybit.on_get = None
    bybit.shows(orderLinkId="mine-1")
    settled = {one.orderLinkId: one for one in error.resolve()}
    assert settled["mine-1"].orderId == "id-1"
    assert (settled["mine-0"].placed, settled["mine-0"].orderId) == (False, "")


def test_after_close_an_order_whose_fate_is_open_is_named_in_the_error(
    orders: Orders, bybit: Bybit
) -> None:
    bybit.on_post = [LOST]
    bybit.on_get = ClientClosedError("closed")

    error = failure(lambda: orders.place(**WANTED))

    assert isinstance(error, OrderUnknownError)
    assert isinstance(error.__cause__, ClientClosedError)


# --- batches ------------------------------------------------------------------------------

ITEM = {name: value for name, value in ORDER.items() if name != "category"}


def _batch_of(rows: list[Any], notes: list[Any]) -> Callable[[Bybit], Answer]:
    return lambda bybit: bybit.says({"list": rows}, retExtInfo={"list": notes})


def test_every_order_of_a_batch_has_its_own_fate(orders: Orders, bybit: Bybit) -> None:
    items = [{**ITEM, "orderLinkId": f"b-{number}"} for number in range(4)]
    rows = [{"orderId": f"id-{n}", "orderLinkId": f"b-{n}"} for n in range(4)]
    rows[3]["orderLinkId"] = "not-mine"
    notes = [{"code": 0}, {"code": 110007, "msg": "poor"}, {"code": 10000, "msg": "late"}]
    bybit.on_post = [_batch_of(rows, [*notes, {"code": 0}])(bybit)]

    first, second, third, fourth = orders.place_batch("linear", items)

    assert isinstance(first, OrderResult)
    assert first.orderId == "id-0"
    assert isinstance(second, InsufficientFundsError)
    assert isinstance(third, OrderNotPlacedError)
    assert isinstance(fourth, OrderNotPlacedError)
    assert fourth.orderLinkId == "b-3"


@pytest.mark.parametrize("rows", [[], [None], "nonsense"])
def test_a_batch_answer_that_does_not_fit_says_nothing_about_any_order(
    rows: Any, orders: Orders, bybit: Bybit
) -> None:
    bybit.on_post = [_batch_of(rows, [])(bybit)]
    bybit.shows(orderLinkId="b-1")

    fates = orders.place_batch("linear", [{**ITEM, "orderLinkId": f"b-{n}"} for n in range(2)])

    assert isinstance(fates[0], OrderNotPlacedError)
    assert isinstance(fates[1], OrderResult)


def test_a_batch_that_is_refused_as_a_whole_gives_every_order_that_error(
    orders: Orders, bybit: Bybit
) -> None:
    bybit.on_post = [bybit.says({}, 110007)]

    fates = orders.place_batch("linear", [ITEM, ITEM])

    assert [type(fate) for fate in fates] == [InsufficientFundsError] * 2
    assert bybit.queries() == 0


# --- amends and cancels -------------------------------------------------------------------

WHICH = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": NAME}


def test_an_amend_is_sent_again_only_when_the_first_can_act_no_more(
    orders: Orders, bybit: Bybit, clock: FakeClock
) -> None:
    bybit.shows()
    bybit.on_post = [LOST]
    began = clock.monotonic()

    done = orders.amend(**WHICH, price="29000")

    assert not done.recovered
    assert bybit.posts() == [AMEND] * 2
    assert clock.monotonic() - began > PROOF


@pytest.mark.parametrize("shown", ["29000", "29000.00", "2.9E4"])
def test_an_amend_that_shows_is_done_however_its_numbers_are_written(
    shown: str, orders: Orders, bybit: Bybit
) -> None:
    bybit.shows(price=shown)
    bybit.on_post = [LOST]

    assert orders.amend(**WHICH, price="29000").recovered
    assert bybit.posts() == [AMEND]


def test_a_cancel_is_sent_again_while_the_order_is_open(orders: Orders, bybit: Bybit) -> None:
    bybit.shows()
    bybit.on_post = [LOST]

    assert not orders.cancel(**WHICH).recovered
    assert bybit.posts() == [CANCEL] * 2


@pytest.mark.parametrize(
    ("status", "is_done"),
    [("Cancelled", True), ("PartiallyFilledCanceled", True), ("Filled", False)],
)
def test_gone_after_a_lost_cancel_is_told_as_what_it_is(
    status: str, is_done: bool, orders: Orders, bybit: Bybit
) -> None:
    bybit.on_get = LOST
    bybit.on_post = [LOST, bybit.says({}, 110001)]

    def show(_: Sent) -> Answer:
        bybit.on_get = None
        return bybit._list()

    bybit.shows(orderStatus=status)
    bybit.on_get = show

    if is_done:
        done = orders.cancel(**WHICH)
        assert done.row is not None
        assert done.row["orderStatus"] == status
    else:
        error = failure(lambda: orders.cancel(**WHICH))
        assert isinstance(error, OrderError)
        assert error.ret_code == 110001


def test_a_cancel_whose_fate_stays_open_is_unknown_and_resolve_goes_on(
    orders: Orders, bybit: Bybit
) -> None:
    bybit.on_post = [LOST]
    bybit.on_get = answer(b"<html>", status=502)
    error = failure(lambda: orders.cancel(**WHICH, options=CallOptions(timeout=3.0)))
    assert isinstance(error, OrderUnknownError)
    assert error.orderLinkId == NAME

    bybit.on_get = None
    bybit.shows(orderStatus="Cancelled")
    assert error.resolve().recovered


def test_an_order_may_be_named_by_the_exchanges_id(orders: Orders, bybit: Bybit) -> None:
    bybit.on_post = [LOST]
    bybit.shows(orderStatus="Cancelled")

    done = orders.cancel(category="linear", symbol="BTCUSDT", orderId="id-1")

    assert (done.orderId, done.orderLinkId) == ("id-1", NAME)


# --- the result ---------------------------------------------------------------------------


def test_a_result_is_a_dict_that_can_be_copied_pickled_and_written() -> None:
    placed = OrderResult("id-1", NAME, recovered=True, row={"price": "1"})

    over_there = pickle.loads(pickle.dumps(placed))  # noqa: S301

    for one in (over_there, copy.deepcopy(placed), copy.copy(placed)):
        assert one == placed
        assert (one.orderId, one.recovered, one.row) == ("id-1", True, {"price": "1"})
    assert json.loads(json.dumps(placed))["orderLinkId"] == NAME
    assert placed.result["orderId"] == placed["orderId"] == "id-1"

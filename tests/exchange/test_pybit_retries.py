"""pybit's rule of repeating, and that no order is placed twice by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import Config, FailedRequestError, OrdersConfig
from bybit_sync.exceptions import ConnectionLostError, InvalidRequestError
from bybit_sync.simulator import LocalExchange
from bybit_sync.unified_trading import HTTP

from .tools import ORDER, RESTING, TIME, Seen, new_name, orders_named

WALLET = "/v5/account/wallet-balance"
TRANSFER = "/v5/asset/transfer/inter-transfer"


@pytest.fixture
def session(exchange: LocalExchange) -> Iterator[HTTP]:
    """With pauses of nothing and short windows, so that absence is proved soon."""
    account = exchange.add_account()
    with HTTP(
        api_key=account.api_key,
        api_secret=account.api_secret,
        retry_delay=0,
        recv_window=300,
        config=Config(orders=OrdersConfig(query_lag=0.1)),
        registry=CollectorRegistry(),
    ) as session:
        session.endpoint = exchange.url
        session.client.verify = exchange.ca_file
        session.get_server_time()  # the clock and a connection are there
        yield session


def windows(seen: Seen) -> list[str]:
    return [row["headers"]["x-bapi-recv-window"] for row in seen.rows(WALLET)]


def failed(session: HTTP, name: str, **given: Any) -> Any:
    with pytest.raises((FailedRequestError, InvalidRequestError)) as caught:
        getattr(session, name)(**given)
    return caught.value


# --- retCodes -----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [10002, 10006, 30034, 30035, 130035, 130150])
def test_a_code_of_the_default_set_is_worth_another_attempt(
    code: int, exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.ret_code(TIME, code, times=2)
    seen = Seen(exchange)

    assert session.get_server_time()["retCode"] == 0
    assert seen.count() == 3


def test_attempts_are_counted_in_all_and_the_last_code_is_told(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.ret_code(TIME, 130035, times=None)
    seen = Seen(exchange)

    for attempts in (1, 2, 4):
        session.max_retries = attempts
        before = seen.count()
        error = failed(session, "get_server_time")
        assert isinstance(error, FailedRequestError)
        assert error.status_code == 400
        assert error.message.startswith("Bad Request. Retries exceeded maximum.")
        assert "130035" in error.message
        assert error.__cause__.ret_code == 130035
        assert seen.count() - before == attempts


def test_the_window_grows_while_bybit_finds_the_timestamp_wrong(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.ret_code(WALLET, 10002, times=2)
    session.recv_window = 5000
    seen = Seen(exchange)

    session.get_wallet_balance(accountType="UNIFIED")

    assert windows(seen) == ["5000", "7500", "10000"]


def test_other_codes_are_raised_at_once(exchange: LocalExchange, session: HTTP) -> None:
    exchange.faults.ret_code(TIME, 10001, times=None)
    seen = Seen(exchange)

    assert failed(session, "get_server_time").status_code == 10001
    assert seen.count() == 1


def test_the_users_codes_take_the_place_of_the_default_ones(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.ret_code(TIME, 10001, times=1)
    exchange.faults.ret_code(TIME, 10006, times=1)
    session.retry_codes = {10001}
    seen = Seen(exchange)

    assert failed(session, "get_server_time").status_code == 10006
    assert seen.count() == 2
    session.retry_codes = set()
    assert 10006 in session.retry_codes


def test_ignored_codes_are_answers_unless_they_are_worth_another_attempt(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.ret_code(TIME, 10001, times=2)
    session.ignore_codes.add(10001)
    session.record_request_time = True

    answer, elapsed = session.get_server_time()
    assert answer["retCode"] == 10001
    assert elapsed.total_seconds() > 0
    session.retry_codes = {10001}
    answer, _ = session.get_server_time()
    assert answer["retCode"] == 0


def test_a_code_that_may_hide_an_order_is_not_repeated_on_one(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.ret_code(ORDER, 10016, times=None)
    exchange.faults.ret_code(WALLET, 10016, times=1)
    session.retry_codes = {10016}
    seen = Seen(exchange)

    error = failed(session, "place_order", **RESTING)
    session.get_wallet_balance(accountType="UNIFIED")

    assert (error.status_code, error.effect_unknown) == (10016, True)
    assert len(seen.rows(ORDER)) == 1
    assert len(seen.rows(WALLET)) == 2


# --- force_retry --------------------------------------------------------------------------


def test_without_force_a_lost_connection_is_raised_at_once(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.reset_before(WALLET, times=None)
    seen = Seen(exchange)

    error = failed(session, "get_wallet_balance", accountType="UNIFIED")

    assert isinstance(error, ConnectionLostError)
    # A kept connection that was dead is replaced by the pool, as urllib3 does for pybit.
    assert len(seen.rows(WALLET)) <= 2


def test_with_force_a_question_is_asked_again(exchange: LocalExchange, session: HTTP) -> None:
    exchange.faults.reset_before(WALLET, times=3)
    session.force_retry = True

    assert session.get_wallet_balance(accountType="UNIFIED")["retCode"] == 0
    exchange.faults.reset_before(WALLET, times=None)
    assert isinstance(
        failed(session, "get_wallet_balance", accountType="UNIFIED"), ConnectionLostError
    )


@pytest.mark.parametrize("fault", ["drop_after_accept", "reset_after", "garbage", "html"])
def test_with_force_an_order_whose_answer_was_lost_is_found_and_is_one(
    fault: str, exchange: LocalExchange, session: HTTP
) -> None:
    details = {"after_accept": True} if fault in ("garbage", "html") else {}
    getattr(exchange.faults, fault)(ORDER, **details)
    session.force_retry = True
    name = new_name()

    answer = session.place_order(**RESTING, orderLinkId=name)

    (order,) = orders_named(exchange, name)
    assert answer["retCode"] == 0
    assert answer["result"] == {"orderId": order["orderId"], "orderLinkId": name}


@pytest.mark.parametrize("fault", ["drop_before_accept", "garbage"])
def test_with_force_an_order_that_got_lost_is_sent_again_once_that_is_proved(
    fault: str, exchange: LocalExchange, session: HTTP
) -> None:
    getattr(exchange.faults, fault)(ORDER)
    session.force_retry = True
    name = new_name()
    seen = Seen(exchange)

    answer = session.place_order(**RESTING, orderLinkId=name)

    (order,) = orders_named(exchange, name)
    assert answer["result"]["orderId"] == order["orderId"]
    paths = seen.paths()
    assert paths.count(ORDER) == 2
    assert "/v5/order/history" in paths[paths.index(ORDER) : -1]


def test_an_order_that_never_arrives_is_told_as_not_there(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.drop_before_accept(ORDER, times=None)
    session.force_retry, session.max_retries = True, 1
    name = new_name()

    error = failed(session, "place_order", **RESTING, orderLinkId=name)

    assert isinstance(error, ConnectionLostError)
    assert not error.effect_unknown
    assert orders_named(exchange, name) == []


def test_an_order_without_force_is_told_with_its_name(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.drop_after_accept(ORDER)

    error = failed(session, "place_order", **RESTING)

    assert error.effect_unknown
    assert len(orders_named(exchange, error.request.params["orderLinkId"])) == 1


def test_any_other_change_is_repeated_only_if_nothing_was_sent(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.drop_before_accept(TRANSFER, times=None)
    session.force_retry = True
    seen = Seen(exchange)

    error = failed(
        session,
        "create_internal_transfer",
        transferId="6c3b1c5e-5d2c-4b0c-9a3e-0a1b2c3d4e5f",
        coin="USDT",
        amount="1",
        fromAccountType="UNIFIED",
        toAccountType="FUND",
    )

    assert error.effect_unknown
    assert len(seen.rows(TRANSFER)) == 1

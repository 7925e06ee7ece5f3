"""pybit's face without a host: options, how values are written, and what is refused at once."""

from __future__ import annotations

import inspect
import json
import logging
import pickle
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry

from bybit_sync import ConfigError, ConnectError, ReadTimeoutError
from bybit_sync.api import find
from bybit_sync.call.records import Endpoint, Request
from bybit_sync.exceptions import (
    BadAnswerError,
    BybitError,
    ParameterError,
    RequestInfo,
    TransportError,
)
from bybit_sync.unified_trading import HTTP
from bybit_sync.unified_trading.encode import request_of
from bybit_sync.unified_trading.errors import as_pybit_tells
from bybit_sync.unified_trading.logs import show_at
from bybit_sync.unified_trading.options import RETRY_CODES, Options


def row(method: str, path: str) -> Endpoint:
    found = find(method, path)
    assert found is not None
    return found


def query(**given: Any) -> Request:
    return request_of(row("GET", "/v5/order/realtime"), given)


def body(**given: Any) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(
        request_of(row("POST", "/v5/position/set-leverage"), given).body
    )
    return written


# --- options ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_retries", 0),
        ("max_retries", 2.5),
        ("max_retries", True),
        ("retry_delay", -1),
        ("retry_delay", "3"),
        ("recv_window", 0),
        ("recv_window", 60_001),
        ("timeout", 0),
        ("timeout", "10"),
        ("timeout", (1, 2, 3)),
        ("timeout", float("nan")),
        ("retry_codes", 10006),
        ("ignore_codes", "10001"),
        ("domain", 7),
        ("logging_level", "LOUD"),
        ("logging_level", None),
        ("referral_id", b"Broker"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"HTTP: {name}: "):
        HTTP(**{name: value}, registry=CollectorRegistry())


@pytest.fixture
def session() -> Iterator[HTTP]:
    with HTTP(registry=CollectorRegistry()) as session:
        yield session


def test_an_option_that_is_assigned_is_checked_too(session: HTTP) -> None:
    session.max_retries = 5
    with pytest.raises(ConfigError, match="max_retries"):
        session.max_retries = 0
    with pytest.raises(ConfigError, match="timeout"):
        session.timeout = -1

    assert (session.max_retries, session.timeout) == (5, 10)


def test_a_timeout_is_one_number_a_pair_or_the_configs(session: HTTP) -> None:
    pool = session.bybit.adapter.pool_config
    assert (pool.connect_timeout, pool.sock_read_timeout, pool.total_timeout) == (10, 10, 60)

    session.timeout = (2, 90)
    pool = session.bybit.adapter.pool_config
    assert (pool.connect_timeout, pool.sock_read_timeout, pool.total_timeout) == (2, 90, 92)
    assert session.timeout == (2, 90)
    session.timeout = None
    assert session.bybit.adapter.pool_config == session.bybit.config.connection_pool


@pytest.mark.parametrize("name", ["testnet", "demo", "domain", "tld", "rsa_authentication"])
def test_what_names_the_host_or_the_key_is_said_once(name: str, session: HTTP) -> None:
    with pytest.raises(AttributeError):
        setattr(session, name, True)


def test_an_unknown_option_is_told_with_the_nearest_one() -> None:
    with pytest.raises(TypeError, match=r"'recvWindow'; nearest: 'recv_window'"):
        HTTP(recvWindow=5000)
    with pytest.raises(TypeError, match=r"assign session\.endpoint"):
        HTTP(endpoint="https://api.bybit.com")
    with pytest.raises(TypeError):
        HTTP(True)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["disable_ssl_checks", "verify", "verify_ssl"])
def test_there_is_no_switch_that_turns_the_check_of_certificates_off(name: str) -> None:
    with pytest.raises(ConfigError, match="no switch"):
        HTTP(**{name: True})


@pytest.mark.parametrize("tld", ["com/evil", "com@evil.example", "com:99999", "com?x"])
def test_a_host_that_is_none_is_refused(tld: str) -> None:
    with pytest.raises(ConfigError):
        HTTP(tld=tld, registry=CollectorRegistry())


def test_each_session_has_codes_of_its_own() -> None:
    one, two = Options(retry_codes=None, ignore_codes=()), Options(retry_codes=(), ignore_codes={})
    assert isinstance(one.ignore_codes, set)
    one.ignore_codes.add(1)

    assert two.ignore_codes == set()
    assert one.retry_codes == two.retry_codes == set(RETRY_CODES)
    mine = {7}
    one.retry_codes = mine
    mine.add(8)
    assert 8 in one.retry_codes


# --- values -------------------------------------------------------------------------------


def test_a_query_is_sorted_and_leaves_out_what_is_none() -> None:
    made = query(symbol="BTCUSDT", category="spot", orderId=None, limit=5.0)

    assert made.query == "category=spot&limit=5&symbol=BTCUSDT"
    assert made.payload == made.query.encode()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("132766%3A2%2C132766%3A2", "132766%3A2%2C132766%3A2"),
        ("a/b+c;d==", "a/b+c;d=="),
        ("50%", "50%25"),
        ("a&b#c d", "a%26b%23c%20d"),
    ],
)
def test_a_cursor_goes_back_as_it_came(value: str, written: str) -> None:
    assert query(cursor=value).query == f"cursor={written}"


def test_a_value_keeps_the_type_that_it_was_given() -> None:
    given = {"n": 5, "text": "5", "half": 0.5, "yes": True, "list": [1, "1"], "buyLeverage": 10}

    assert body(**given) == given


def test_six_parameters_are_converted_as_pybit_does() -> None:
    assert body(qty=0.001, price=30000.0, triggerPrice=5, takeProfit=None, positionIdx="1") == {
        "qty": "0.001",
        "price": "30000",
        "triggerPrice": "5",
        "positionIdx": 1,
    }
    assert body(rows=[{"qty": 0.001}]) == {"rows": [{"qty": 0.001}]}


def test_numbers_keep_their_digits() -> None:
    made = request_of(
        row("POST", "/v5/position/set-leverage"),
        {"qty": Decimal("1E-7"), "n": 1e-7, "big": 2**53 + 1, "price": 0.1 + 0.2},
    )

    assert made.body == (
        b'{"qty":"0.0000001","n":0.0000001,"big":9007199254740993,"price":"0.30000000000000004"}'
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("qty", True),
        ("price", float("nan")),
        ("positionIdx", "one"),
        ("positionIdx", False),
        ("symbol", "BTC\r\nUSDT"),
        ("when", datetime(2026, 1, 2)),
        ("rows", [None]),
        ("thing", object()),
        ("", "x"),
        ("a\x00b", "x"),
    ],
)
def test_what_nobody_can_mean_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        body(**{name: value})
    if not isinstance(value, bool) and value != "one":
        with pytest.raises(ConfigError):
            query(**{name: value})


def test_a_datetime_is_milliseconds() -> None:
    moment = datetime(2026, 1, 2, tzinfo=timezone.utc)

    assert query(startTime=moment).query == "startTime=1767312000000"
    assert body(startTime=moment) == {"startTime": 1767312000000}


def test_an_upload_needs_its_file() -> None:
    upload = row("POST", "/v5/p2p/oss/upload_file")

    with pytest.raises(ConfigError, match="upload_file"):
        request_of(upload, {})
    with pytest.raises(ConfigError, match="filename"):
        request_of(upload, {"upload_file": b"x"})


# --- errors -------------------------------------------------------------------------------

ASKED = RequestInfo("POST", "/v5/order/create", {"symbol": "BTCUSDT"})


def refusal() -> ParameterError:
    return ParameterError(
        "params error (retCode 10001)",
        ret_code=10001,
        ret_msg="params error",
        body={},
        request=ASKED,
    )


def test_an_error_keeps_its_class_and_reads_as_pybits() -> None:
    told = as_pybit_tells(refusal())

    assert isinstance(told, ParameterError)
    assert told.message == "params error"
    assert str(told) == (
        f"params error (ErrCode: 10001) (ErrTime: {told.time}).\n"
        "Request → POST /v5/order/create: {'symbol': 'BTCUSDT'}."
    )
    assert type(told).__name__ == "ParameterError"
    assert type(as_pybit_tells(refusal())) is type(told)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ReadTimeoutError("silent", phase="read"), requests.exceptions.ReadTimeout),
        (ConnectError("refused", phase="connect"), requests.exceptions.ConnectionError),
    ],
)
def test_what_pybit_lets_through_is_an_exception_of_requests_too(
    error: TransportError, kind: type[Exception]
) -> None:
    told = as_pybit_tells(error)
    again = pickle.loads(pickle.dumps(told))  # noqa: S301

    for each in (told, again):
        assert isinstance(each, kind)
        assert isinstance(each, type(error))
        assert each.phase == error.phase
        assert each.response is None  # type: ignore[attr-defined]


def test_an_answer_is_no_exception_of_requests() -> None:
    told = as_pybit_tells(BadAnswerError("HTTP 503", status_code=503))

    assert not isinstance(told, requests.exceptions.RequestException)
    assert "(ErrCode: 503)" in str(told)


def test_the_cause_stays_and_no_context_comes_with_it() -> None:
    error: BybitError = refusal()
    try:
        raise error from ValueError("why")
    except BybitError as caught:
        told = as_pybit_tells(caught)

    assert isinstance(told.__cause__, ValueError)
    assert told.__context__ is None
    assert told.__traceback__ is error.__traceback__


# --- logging and names --------------------------------------------------------------------


def test_logging_is_set_up_only_where_nobody_did_and_only_once() -> None:
    logger = logging.Logger("pybits user has set up nothing")

    show_at(logger, logging.INFO)
    show_at(logger, "ERROR")
    assert [handler.level for handler in logger.handlers] == [logging.ERROR]

    logger = logging.Logger("this one has")
    own = logging.NullHandler()
    logger.addHandler(own)
    show_at(logger, logging.DEBUG)
    assert logger.handlers == [own]


@pytest.mark.parametrize("name", ["WebSocket", "WebSocketTrading"])
def test_the_web_socket_is_told_to_stay_with_pybit(name: str) -> None:
    with pytest.raises(ImportError, match=r"keep `from pybit\.unified_trading"):
        exec(f"from bybit_sync.unified_trading import {name}", {})  # noqa: S102
    with pytest.raises(ImportError, match="cannot import"):
        exec("from bybit_sync.unified_trading import Nothing", {})  # noqa: S102


def test_completion_shows_methods_with_their_parameters() -> None:
    told = inspect.getdoc(HTTP.get_kline) or ""

    assert "GET /v5/market/kline" in told
    assert re.search(r"Takes symbol, interval,.* start\?, end\?", " ".join(told.split()))
    assert "BybitClient.market.get_kline" in " ".join(told.split())
    assert {"get_kline", "place_order", "endpoint", "client"} <= set(dir(HTTP))

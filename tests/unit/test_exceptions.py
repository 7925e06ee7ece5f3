"""The error tree: what a caller asks first, and what survives on the way to him."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from datetime import datetime, timezone
from typing import Any

import pytest

from bybit_sync import exceptions
from bybit_sync.exceptions import (
    PHASES,
    AnswerTooLargeError,
    ApiError,
    AuthError,
    BadAnswerError,
    BybitError,
    ClientClosedError,
    ClockError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    DnsError,
    ExchangeBusyError,
    FailedRequestError,
    InsufficientFundsError,
    InvalidRequestError,
    IpBannedError,
    MissingCredentialsError,
    OrderError,
    OrderNotPlacedError,
    OrderUnknownError,
    ParameterError,
    PermissionDeniedError,
    PoolFullError,
    PoolTimeoutError,
    RateLimitedError,
    RateLimitTimeoutError,
    ReadTimeoutError,
    RequestInfo,
    TlsError,
    TooManyRequestsError,
    TotalTimeoutError,
    TransportError,
)

TREE: dict[type[BybitError], type[Exception]] = {
    BybitError: Exception,
    ConfigError: BybitError,
    MissingCredentialsError: ConfigError,
    ClientClosedError: BybitError,
    FailedRequestError: BybitError,
    TransportError: FailedRequestError,
    DnsError: TransportError,
    ConnectError: TransportError,
    TlsError: ConnectError,
    PoolTimeoutError: TransportError,
    PoolFullError: TransportError,
    RateLimitTimeoutError: TransportError,
    ReadTimeoutError: TransportError,
    TotalTimeoutError: TransportError,
    ConnectionLostError: TransportError,
    BadAnswerError: FailedRequestError,
    AnswerTooLargeError: BadAnswerError,
    IpBannedError: BadAnswerError,
    ApiError: BybitError,
    AuthError: ApiError,
    PermissionDeniedError: ApiError,
    ClockError: ApiError,
    RateLimitedError: ApiError,
    TooManyRequestsError: RateLimitedError,
    ParameterError: ApiError,
    OrderError: ApiError,
    InsufficientFundsError: ApiError,
    ExchangeBusyError: ApiError,
    OrderNotPlacedError: BybitError,
    OrderUnknownError: BybitError,
}
TRANSIENT = {
    TransportError,
    DnsError,
    ConnectError,
    PoolTimeoutError,
    PoolFullError,
    RateLimitTimeoutError,
    ReadTimeoutError,
    TotalTimeoutError,
    ConnectionLostError,
    ClockError,
    RateLimitedError,
    TooManyRequestsError,
    ExchangeBusyError,
    OrderUnknownError,
}
REQUEST = RequestInfo("POST", "/v5/order/create", {"symbol": "BTCUSDT"})
BODY = {"retCode": 10001, "retMsg": "no", "result": {}}


def make(kind: type[BybitError], **facts: Any) -> BybitError:
    """An error of the class, with what it cannot do without."""
    if issubclass(kind, TransportError):
        facts.setdefault("phase", "read")
    if issubclass(kind, IpBannedError):
        facts.setdefault("until", 1_700_000_600.0)
    if issubclass(kind, ApiError):
        facts = {"ret_code": 10001, "ret_msg": "no", "body": BODY, **facts}
    if issubclass(kind, (OrderNotPlacedError, OrderUnknownError)):
        facts.setdefault("orderLinkId", "mine-1")
    return kind("it did not work", **facts)


def test_the_tree_holds_these_classes_and_no_others() -> None:
    found = {
        kind
        for _, kind in inspect.getmembers(exceptions, inspect.isclass)
        if issubclass(kind, Exception)
    }

    assert found == set(TREE)


@pytest.mark.parametrize(("kind", "parent"), TREE.items())
def test_each_class_has_its_place_and_its_name(
    kind: type[BybitError], parent: type[Exception]
) -> None:
    assert parent in kind.__bases__
    assert kind.__name__.endswith("Error")
    assert kind.__doc__


def test_some_are_also_what_python_calls_them() -> None:
    assert issubclass(ConfigError, ValueError)
    assert issubclass(MissingCredentialsError, PermissionError)
    assert not issubclass(FailedRequestError, OSError)
    assert InvalidRequestError is ApiError


@pytest.mark.parametrize("kind", TREE)
def test_each_class_says_whether_a_second_try_may_help(kind: type[BybitError]) -> None:
    assert make(kind).transient == (kind in TRANSIENT)


@pytest.mark.parametrize("kind", TREE)
def test_an_effect_is_unknown_only_where_somebody_said_so(kind: type[BybitError]) -> None:
    assert make(kind).effect_unknown == (kind is OrderUnknownError)
    assert make(kind, effect_unknown=True).effect_unknown
    assert not make(kind, effect_unknown=False).effect_unknown
    assert kind.effect_unknown == (kind is OrderUnknownError)


@pytest.mark.parametrize("kind", TREE)
def test_all_carry_what_pybit_users_read(kind: type[BybitError]) -> None:
    error = make(kind, request=REQUEST, resp_headers={"X-Id": "7"})

    assert error.message == "it did not work"
    assert error.request == REQUEST
    assert error.resp_headers == {"X-Id": "7"}
    assert re.fullmatch(r"\d\d:\d\d:\d\d", error.time)
    assert str(error) == "POST /v5/order/create: it did not work"
    assert str(make(kind)) == "it did not work"


def test_the_time_is_that_of_the_error_in_utc() -> None:
    before = datetime.now(timezone.utc).strftime("%H:%M:%S")
    error = BybitError("x")
    after = datetime.now(timezone.utc).strftime("%H:%M:%S")

    assert error.time in (before, after)


@pytest.mark.parametrize("kind", TREE)
def test_an_error_is_whole_after_a_pickle_and_a_copy(kind: type[BybitError]) -> None:
    error = make(kind, request=REQUEST, resp_headers={"X-Id": "7"}, effect_unknown=True)

    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert twin.__dict__ == error.__dict__


def test_a_status_code_is_http_s_or_bybit_s() -> None:
    assert make(BadAnswerError, status_code=502).status_code == 502
    assert make(FailedRequestError).status_code is None
    assert make(ApiError, ret_code=110007).status_code == 110007


def test_an_answer_of_the_exchange_is_kept_as_it_came() -> None:
    error = make(ApiError, ret_code=10001, ret_msg="no", resp_headers={"Traceid": "1"})

    assert isinstance(error, ApiError)
    assert (error.ret_code, error.ret_msg, error.body) == (10001, "no", BODY)
    assert error.headers == {"Traceid": "1"}
    bare = make(ApiError)
    assert isinstance(bare, ApiError)
    assert bare.headers == {}


def test_errors_keep_what_only_they_know() -> None:
    assert vars(make(TransportError, phase="tls"))["phase"] == "tls"
    assert vars(make(IpBannedError, until=5.0))["until"] == 5.0
    assert vars(make(RateLimitedError, reset_ms=7))["reset_ms"] == 7
    assert vars(make(RateLimitedError))["reset_ms"] is None
    assert vars(make(OrderNotPlacedError))["orderLinkId"] == "mine-1"
    assert vars(make(OrderUnknownError))["orderLinkId"] == "mine-1"


def test_phases_stand_in_the_order_of_a_call() -> None:
    assert PHASES == ("rate_limit", "pool", "dns", "connect", "tls", "write", "read", "backoff")


def test_an_unknown_order_goes_on_asking_where_it_was_raised() -> None:
    asked: list[float | None] = []

    def resolver(timeout: float | None) -> str:
        asked.append(timeout)
        return "placed"

    error = make(OrderUnknownError, resolver=resolver)
    assert isinstance(error, OrderUnknownError)

    assert (error.resolve(), error.resolve(2.5)) == ("placed", "placed")
    assert asked == [None, 2.5]


def test_an_unknown_order_from_another_process_says_where_to_ask() -> None:
    twin = pickle.loads(pickle.dumps(make(OrderUnknownError, resolver=lambda _: "placed")))  # noqa: S301

    assert twin.orderLinkId == "mine-1"
    with pytest.raises(ClientClosedError, match="ask by orderLinkId"):
        twin.resolve()

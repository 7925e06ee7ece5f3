"""An answer is Bybit's envelope, or an error that says what it is instead."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bybit_sync.call.parse import Parser
from bybit_sync.call.ret_codes import verdict
from bybit_sync.clock import SYSTEM_CLOCK
from bybit_sync.exceptions import (
    ApiError,
    AuthError,
    BadAnswerError,
    BybitError,
    ClockError,
    ExchangeBusyError,
    FailedRequestError,
    InsufficientFundsError,
    IpBannedError,
    OrderError,
    ParameterError,
    PermissionDeniedError,
    RateLimitedError,
    TooManyRequestsError,
)
from tests.conftest import FakeClock
from tests.unit.call_fakes import API_KEY, GET_TICKERS, PLACE_ORDER, answer, envelope

P2P = replace(GET_TICKERS, envelope="p2p")
BARE = replace(GET_TICKERS, envelope="none")


def parse(body: bytes, endpoint: Any = GET_TICKERS, status: int = 200, **headers: str) -> Any:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    response = answer(body, status, fields)
    response.body = body
    return Parser(FakeClock(), (API_KEY,)).parse(endpoint, response)


def error_of(body: bytes, endpoint: Any = GET_TICKERS, status: int = 200, **headers: str) -> Any:
    with pytest.raises(BybitError) as raised:
        parse(body, endpoint, status, **headers)
    return raised.value


# --- envelopes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"retCode": 0, "retMsg": "OK", "result": {}, "retExtInfo": {}, "time": 1671017382656},
        {"retCode": 0, "retMsg": "", "result": [], "retExtInfo": "{}"},
        {"retCode": 0, "retMsg": "success", "result": None, "retExtInfo": None, "time": None},
        {"retCode": 0, "result": ""},
        {"retCode": "0", "retMsg": "OK", "result": {"retCode": 10001}},
    ],
)
def test_a_yes_is_returned_as_bybit_sent_it(body: dict[str, Any]) -> None:
    assert parse(orjson.dumps(body)) == body


def test_p2p_answers_have_another_envelope() -> None:
    body = {"ret_code": 0, "ret_msg": "SUCCESS", "result": {}, "time_now": "1671017382.656"}
    assert parse(orjson.dumps(body), P2P) == body
    assert error_of(b'{"ret_code":10001,"ret_msg":"no"}', P2P).ret_msg == "no"


def test_a_p2p_call_may_be_refused_in_the_v5_envelope_by_the_gateway() -> None:
    assert isinstance(error_of(b'{"retCode":10003,"retMsg":"x"}', P2P), AuthError)


def test_an_answer_without_envelope_is_taken_where_the_table_says_so() -> None:
    assert parse(b'{"botId":"7"}', BARE) == {"botId": "7"}
    assert isinstance(error_of(b'{"retCode":10001,"retMsg":"x"}', BARE), ParameterError)


# --- what is no envelope ------------------------------------------------------------------

BROKEN = {
    "html": b"<html><body>502 Bad Gateway</body></html>",
    "empty": b"",
    "cut": b'{"retCode":0,"retMsg":"OK","result":{"list":[{"symb',
    "null": b"null",
    "list": b"[]",
    "number": b"1",
    "text": b'"OK"',
    "no retCode": b'{"retMsg":"OK","result":{}}',
    "null retCode": b'{"retCode":null}',
    "false retCode": b'{"retCode":false}',
    "float retCode": b'{"retCode":0.0}',
    "word retCode": b'{"retCode":"zero"}',
    "odd digits": '{"retCode":"\N{SUPERSCRIPT TWO}"}'.encode(),
    "two retCodes": b'{"retCode":0,"retMsg":"OK","result":{},"retCode":10001}',
    "two retCodes, refusal first": b'{"retCode":10001,"retCode":0,"result":{}}',
    "two envelopes": b'{"retCode":0,"ret_code":10001}',
    "NaN": b'{"retCode":0,"result":{"price":NaN}}',
    "infinity": b'{"retCode":0,"result":{"price":Infinity}}',
    "1e999": b'{"retCode":0,"result":{"price":1e999}}',
    "5000 digits": b'{"retCode":0,"result":' + b"9" * 5000 + b"}",
    "deep": b'{"retCode":0,"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "not UTF-8": b'{"retCode":0,"retMsg":"\xff"}',
    "half a character": b'{"retCode":0,"retMsg":"\\ud800"}',
    "byte order mark": b'\xef\xbb\xbf{"retCode":0}',
    "more after the end": b'{"retCode":0}{"retCode":10001}',
    "two retCodes far apart": b'{"retCode":0,"result":"' + b"x" * 90_000 + b'","retCode":1}',
}


@pytest.mark.row(64, 65, 66, 67, 68, 69)
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_no_envelope_is_a_bad_answer_whose_effect_is_unknown(body: bytes) -> None:
    error = error_of(body, PLACE_ORDER)
    assert type(error) is BadAnswerError
    assert error.effect_unknown
    assert not error_of(body, GET_TICKERS).effect_unknown
    assert len(error.message) < 300
    assert error.message.isprintable()
    assert error.__cause__ is None
    assert error.__context__ is None, "the decoder's error would carry the whole answer along"


def test_a_retcode_inside_the_result_is_not_a_second_one() -> None:
    body = b'{"retCode":0,"result":{"list":[{"retCode":10001},{"retCode":0}]}}'
    assert parse(body)["retCode"] == 0


def test_a_message_quotes_no_secret() -> None:
    signature = "ab" * 32
    page = f'<p>{API_KEY} "secret":"tOpSeCrEt" X-BAPI-SIGN: {signature} {signature}</p>'
    text = str(error_of(page.encode()))
    assert "<p>" in text
    for secret in (API_KEY, "tOpSeCrEt", signature):
        assert secret not in text


def test_a_cut_answer_that_holds_a_new_key_does_not_show_it() -> None:
    body = b'{"retCode":0,"result":{"apiKey":"XXXXXXnewKey","secret":"YYYYYYnewSecr'
    text = str(error_of(body))
    assert "newKey" not in text
    assert "newSecr" not in text


# --- retCodes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "transient", "unknown"),
    [
        (10001, ParameterError, False, False),
        (10002, ClockError, True, False),
        (10003, AuthError, False, False),
        (10004, AuthError, False, False),
        (10005, PermissionDeniedError, False, False),
        (10006, RateLimitedError, True, False),
        (10429, RateLimitedError, True, False),
        (110001, OrderError, False, False),
        (110072, OrderError, False, False),
        (170141, OrderError, False, False),
        (170213, OrderError, False, False),
        (110007, InsufficientFundsError, False, False),
        (170131, InsufficientFundsError, False, False),
        (10000, ExchangeBusyError, True, True),
        (10016, ExchangeBusyError, True, True),
        (429, RateLimitedError, True, False),
        (170007, ExchangeBusyError, True, True),
        (170032, ExchangeBusyError, True, True),
        (170146, ExchangeBusyError, True, True),
        (170147, ExchangeBusyError, True, True),
        (170310, ExchangeBusyError, True, True),
        (110079, ExchangeBusyError, True, False),
        (131097, ExchangeBusyError, False, False),
        (987654321, ApiError, False, False),
        (-1, ClockError, True, False),
    ],
)
def test_a_retcode_is_the_error_that_it_means(
    code: int, kind: type, transient: bool, unknown: bool
) -> None:
    body = envelope(retCode=code, retMsg="because")
    error = error_of(body, PLACE_ORDER)
    assert type(error) is kind
    assert (error.transient, error.effect_unknown) == (transient, unknown)
    assert (error.ret_code, error.status_code, error.ret_msg) == (code, code, "because")
    assert error.body == orjson.loads(body)
    assert not error_of(body, GET_TICKERS).effect_unknown


def test_data_that_comes_with_a_refusal_stays_on_the_error() -> None:
    body = envelope({"reasons": [{"reasonCode": "3400000"}]}, retCode=3400045, retMsg="no")
    assert error_of(body).body["result"]["reasons"][0]["reasonCode"] == "3400000"


def test_too_many_visits_tells_when_to_come_back() -> None:
    body = envelope(retCode=10006, retMsg="Too many visits!")
    told = error_of(body, X_Bapi_Limit_Reset_Timestamp="1700000001000")
    assert told.reset_ms == 1_700_000_001_000
    assert told.headers["x-bapi-limit-reset-timestamp"] == "1700000001000"
    assert error_of(body).reset_ms is None
    assert error_of(body, X_Bapi_Limit_Reset_Timestamp="soon").reset_ms is None


def test_the_message_of_a_bad_signature_quotes_the_key_but_the_error_does_not() -> None:
    message = f"error sign! origin_string[1658385579423{API_KEY}5000]"
    error = error_of(envelope(retCode=10004, retMsg=message))
    assert "origin_string" in error.ret_msg
    assert API_KEY not in f"{error}{error.ret_msg}{error.body}{error.args}"


def test_every_listed_retcode_is_ready() -> None:
    assert verdict(10001).error is ParameterError
    assert verdict(0).error is ApiError  # success is not in the table of errors


# --- HTTP ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "transient", "unknown"),
    [
        (400, False, False),
        (401, False, False),
        (404, False, False),
        (405, False, False),
        (408, True, True),
        (500, True, True),
        (502, True, True),
        (503, True, True),
        (504, True, True),
        (301, False, True),
        (307, False, True),
        (199, False, True),
    ],
)
@pytest.mark.parametrize("body", [b"<html>no</html>", b"", envelope()])
def test_an_http_error_is_a_bad_answer(
    status: int, transient: bool, unknown: bool, body: bytes
) -> None:
    error = error_of(body, PLACE_ORDER, status)
    assert type(error) is BadAnswerError
    assert isinstance(error, FailedRequestError)
    assert error.status_code == status
    assert (error.transient, error.effect_unknown) == (transient, unknown)
    assert not error_of(body, GET_TICKERS, status).effect_unknown


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"<html>slow down</html>", 429, ""),
        (b"", 429, ""),
        (envelope(retCode=10429, retMsg="too many"), 10429, "too many"),
    ],
)
def test_429_is_too_many_requests_whatever_the_body_says(
    body: bytes, code: int, message: str
) -> None:
    error = error_of(body, PLACE_ORDER, 429)
    assert isinstance(error, TooManyRequestsError)
    assert isinstance(error, RateLimitedError)
    assert isinstance(error, FailedRequestError)
    assert (error.status_code, error.ret_code, error.ret_msg) == (429, code, message)
    assert (error.transient, error.effect_unknown) == (True, False)


def test_401_with_an_envelope_is_an_auth_error() -> None:
    assert type(error_of(envelope(retCode=10003, retMsg="x"), status=401)) is AuthError
    assert type(error_of(envelope(retCode=99999, retMsg="x"), status=401)) is AuthError


def test_403_says_until_when_the_address_is_shut_out() -> None:
    error = error_of(b"<html>access too frequent</html>", PLACE_ORDER, 403)
    assert type(error) is IpBannedError
    assert error.until == FakeClock().wall() + 600
    assert not error.effect_unknown
    assert not error.transient
    assert "22:23:20 UTC" in str(error)
    assert type(error_of(envelope(retCode=10018, retMsg="ip"), status=403)) is IpBannedError


def test_403_for_the_region_or_the_key_is_no_ban() -> None:
    region = error_of(b"configured to block access from your country", status=403)
    assert type(region) is BadAnswerError
    assert "region" in str(region)
    refused = error_of(envelope(retCode=10024, retMsg="compliance"), status=403)
    assert type(refused) is PermissionDeniedError


def test_a_redirect_is_named_by_its_host_and_not_followed() -> None:
    text = str(error_of(b"", status=307, Location="https://evil.example/?sign=1234"))
    assert "evil.example" in text
    assert "1234" not in text
    assert "no address" in str(error_of(b"", status=302, Location="http://[bad"))


# --- anything at all ----------------------------------------------------------------------


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda body, cut, byte: body[:cut] + byte + body[cut + 1 :],
        st.sampled_from([envelope({"list": [{"price": "1.0"}]}), envelope(retCode=10006)]),
        st.integers(0, 90),
        st.binary(max_size=2),
    ),
    st.sampled_from([200, 200, 200, 204, 302, 401, 403, 404, 429, 500]),
)
@settings(max_examples=500)
def test_any_bytes_are_an_envelope_or_one_of_our_errors(body: bytes, status: int) -> None:
    response = answer(b"x", status)
    response.body = body
    for endpoint in (GET_TICKERS, P2P, BARE, PLACE_ORDER):
        with suppress(BybitError):
            assert Parser(SYSTEM_CLOCK).parse(endpoint, response) == orjson.loads(body)

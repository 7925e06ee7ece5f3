"""One call, from its parameters to its reply or its error."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from bybit_sync.call.records import CallOptions, Endpoint
from bybit_sync.call.reply import Reply
from bybit_sync.clock import Deadline
from bybit_sync.config import ClientConfig, ClockConfig, ConnectionPoolConfig, RateLimitConfig
from bybit_sync.exceptions import (
    ApiError,
    BadAnswerError,
    BybitError,
    ClientClosedError,
    ClockError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    ExchangeBusyError,
    IpBannedError,
    MissingCredentialsError,
    ParameterError,
    RateLimitedError,
    RateLimitTimeoutError,
)
from bybit_sync.net.answer import Answer
from tests.conftest import FakeClock
from tests.unit.call_fakes import (
    API_KEY,
    GET_ORDERS,
    GET_TICKERS,
    ORDER,
    PLACE_BATCH,
    PLACE_ORDER,
    SECRET,
    UPLOAD,
    FakeTransport,
    Sent,
    answer,
    envelope,
    pipeline,
)

SPOT = {"category": "spot"}
TIME_PATH = "/v5/market/time"


@pytest.fixture
def transport(clock: FakeClock) -> FakeTransport:
    return FakeTransport(clock)


def unsent() -> BybitError:
    return ConnectError("refused", phase="connect")


def server(clock: FakeClock, ahead: float = 0.0, window: float = 5.0) -> Callable[[Sent], Answer]:
    """Bybit, as far as its clock goes."""

    def act(request: Sent) -> Answer:
        now = int((clock.wall() + ahead) * 1000)
        stamp = int(request.signed.get("X-BAPI-TIMESTAMP", now))
        if not now - window * 1000 <= stamp < now + 1000:
            return answer(envelope(retCode=10002, retMsg="invalid request time", time=now))
        return answer(envelope({"timeSecond": str(now // 1000)}, time=now))

    return act


# --- the way there ------------------------------------------------------------------------


def test_a_public_call_goes_unsigned_and_its_reply_is_the_envelope(
    transport: FakeTransport,
) -> None:
    headers = {"X-Bapi-Limit": "50", "X-Bapi-Limit-Status": "49"}
    transport.then(answer(envelope({"list": [1]}, time=1), headers=headers, elapsed=0.05))
    reply = pipeline(transport, keys=False).call(GET_TICKERS, {**SPOT, "symbol": "No VIP"})
    assert isinstance(reply, Reply)
    assert (reply["retMsg"], reply.result) == ("OK", {"list": [1]})
    assert (reply.elapsed, reply.rate_limit) == (0.05, (50, 49, None))
    [sent] = transport.sent
    assert sent.target == "/v5/market/tickers?category=spot&symbol=No%20VIP"
    assert (sent.method, sent.body, sent.signed) == ("GET", b"", {})
    assert "Content-Type" not in sent.headers


def test_a_private_call_is_signed_over_what_is_sent(
    transport: FakeTransport, clock: FakeClock
) -> None:
    lines = pipeline(transport, client=ClientConfig(recv_window_ms=3000))
    lines.call(GET_ORDERS, {**SPOT, "symbol": "A,B"})
    lines.call(PLACE_ORDER, ORDER, CallOptions(recv_window_ms=1500))
    for sent, window in zip(transport.sent, ("3000", "1500"), strict=True):
        stamp = sent.signed["X-BAPI-TIMESTAMP"]
        payload = sent.target.partition("?")[2].encode() or sent.body
        text = f"{stamp}{API_KEY}{window}".encode() + payload
        expected = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        assert sent.signed["X-BAPI-SIGN"] == expected
        assert sent.signed["X-BAPI-RECV-WINDOW"] == window
    assert transport.sent[1].headers["Content-Type"] == "application/json"
    assert transport.sent[0].body == b"", "a GET with a body is a 403"


@pytest.mark.parametrize(("compression", "asks"), [(True, "gzip, deflate"), (False, "identity")])
def test_the_config_says_whether_compressed_answers_are_asked_for(
    transport: FakeTransport, compression: bool, asks: str
) -> None:
    lines = pipeline(transport, client=ClientConfig(compression=compression))
    lines.call(GET_ORDERS, SPOT)
    lines.call(PLACE_ORDER, ORDER)
    assert [sent.headers["Accept-Encoding"] for sent in transport.sent] == [asks] * 2


def test_a_call_is_signed_after_every_wait_and_again_for_each_attempt(
    transport: FakeTransport, clock: FakeClock
) -> None:
    transport.seconds = 7.0  # the wait for a connection, longer than recv_window
    transport.then(unsent(), answer())
    pipeline(transport).call(GET_ORDERS, SPOT)
    first, second = (int(sent.signed["X-BAPI-TIMESTAMP"]) for sent in transport.sent)
    assert first == 1_700_000_007_000
    assert second >= first + 7000


def test_optional_calls_are_signed_where_there_are_keys(transport: FakeTransport) -> None:
    endpoint = replace(GET_TICKERS, auth="optional")
    pipeline(transport).call(endpoint, SPOT)
    pipeline(transport, keys=False).call(endpoint, SPOT)
    assert [bool(sent.signed) for sent in transport.sent] == [True, False]


def test_a_private_call_without_keys_fails_before_anything_is_sent(
    transport: FakeTransport,
) -> None:
    with pytest.raises(MissingCredentialsError, match="BYBIT_API_KEY") as refused:
        pipeline(transport, keys=False).call(GET_ORDERS, SPOT)
    assert isinstance(refused.value, PermissionError)
    assert transport.sent == []


def test_bad_parameters_fail_before_anything_is_sent(transport: FakeTransport) -> None:
    with pytest.raises(ConfigError, match=r"trade\.place_order\.qty"):
        pipeline(transport).call(PLACE_ORDER, {**ORDER, "qty": float("nan")})
    assert transport.sent == []


def test_a_file_goes_out_as_multipart_and_its_bytes_are_signed(transport: FakeTransport) -> None:
    transport.then(answer(b'{"ret_code":0,"ret_msg":"SUCCESS","result":{}}'))
    pipeline(transport).call(UPLOAD, {"upload_file": b"\x89PNG", "filename": "a.png"})
    [sent] = transport.sent
    assert sent.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert sent.headers["Accept"] == "application/json"
    text = f"{sent.signed['X-BAPI-TIMESTAMP']}{API_KEY}5000".encode() + sent.body
    assert sent.signed["X-BAPI-SIGN"] == hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()


# --- ids ----------------------------------------------------------------------------------


def test_an_order_without_id_gets_one_that_stays_the_same_on_repetition(
    transport: FakeTransport,
) -> None:
    transport.then(unsent(), unsent(), answer())
    pipeline(transport).call(PLACE_ORDER, ORDER)
    ids = {sent.json["orderLinkId"] for sent in transport.sent}
    assert len(transport.sent) == 3
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,36}", ids.pop())
    assert not ids


def test_every_order_gets_its_own_id_and_the_callers_id_is_kept(transport: FakeTransport) -> None:
    lines = pipeline(transport)
    item = {key: value for key, value in ORDER.items() if key != "category"}
    given = [item, {**item, "orderLinkId": "mine"}, item]
    lines.call(PLACE_BATCH, {"category": "linear", "request": given})
    sent = [each["orderLinkId"] for each in transport.sent[0].json["request"]]
    assert sent[1] == "mine"
    assert len(set(sent)) == 3
    assert "orderLinkId" not in item, "the caller's own orders are not written to"
    lines.call(PLACE_ORDER, {**ORDER, "orderLinkId": "mine"})
    lines.call(PLACE_ORDER, ORDER, extra={"orderLinkId": "mine"})
    assert [each.json["orderLinkId"] for each in transport.sent[1:]] == ["mine", "mine"]


def test_other_ids_and_other_calls_are_left_alone(transport: FakeTransport) -> None:
    lines = pipeline(transport)
    lines.call(replace(PLACE_ORDER, idempotency="transferId"), ORDER)
    lines.call(replace(PLACE_ORDER, idempotency=None), ORDER)
    assert all("orderLinkId" not in sent.json for sent in transport.sent)


# --- any path -----------------------------------------------------------------------------


def test_any_path_can_be_called(transport: FakeTransport) -> None:
    lines = pipeline(transport)
    lines.request("GET", "/v5/new/thing", {"a b": True, "x": None})
    lines.request("POST", "/v5/new/thing", {"n": 1, "price": 0.5})
    lines.request("POST", "/v5/new/empty")
    get, post, empty = transport.sent
    assert get.target == "/v5/new/thing?a%20b=true"
    assert post.body == b'{"n":1,"price":0.5}'
    assert empty.body == b"{}"
    assert set(lines.hooks.snapshot().attempts) == {"other"}


@pytest.mark.parametrize(
    ("auth", "keys", "signed"),
    [(None, True, True), (None, False, False), (True, True, True), (False, True, False)],
)
def test_a_path_is_signed_as_asked(
    transport: FakeTransport, auth: bool | None, keys: bool, signed: bool
) -> None:
    pipeline(transport, keys=keys).request("GET", "/v5/new", auth=auth)
    assert bool(transport.sent[0].signed) is signed


def test_a_path_that_shall_be_signed_needs_keys(transport: FakeTransport) -> None:
    with pytest.raises(MissingCredentialsError):
        pipeline(transport, keys=False).request("GET", "/v5/new", auth=True)
    assert transport.sent == []


def test_a_path_of_the_table_is_treated_as_its_row_says_but_nothing_is_refused(
    transport: FakeTransport,
) -> None:
    lines = pipeline(transport)
    lines.request("POST", PLACE_ORDER.path, {"side": "Both", "qty": 0.1}, endpoint=PLACE_ORDER)
    lines.request("GET", GET_TICKERS.path, {"category": "new"}, endpoint=GET_TICKERS)
    order, tickers = transport.sent
    assert order.json["qty"] == "0.1"
    assert len(order.json["orderLinkId"]) == 32
    assert (bool(order.signed), bool(tickers.signed)) == (True, False)
    assert set(lines.hooks.snapshot().attempts) == {"trade.place_order", "market.get_tickers"}


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("get", "/v5/x", None),
        ("DELETE", "/v5/x", None),
        ("GET", "v5/x", None),
        ("GET", "https://evil.example/", None),
        ("GET", "@evil.example/", None),
        ("GET", "/v5/x?a=1", None),
        ("GET", "/v5/x#y", None),
        ("GET", "/v5/x y", None),
        ("GET", "/v5/x\r\nX: 1", None),
        ("GET", "/v5/\N{LATIN SMALL LETTER E WITH ACUTE}", None),
        ("GET", None, None),
        ("GET", "/v5/x", [1]),
        ("GET", "/v5/x", {1: 2}),
        ("POST", "/v5/x", {"a": object()}),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(
    transport: FakeTransport, method: str, path: Any, params: Any
) -> None:
    with pytest.raises(ConfigError):
        pipeline(transport).request(method, path, params)
    assert transport.sent == []


def test_reads_of_unknown_paths_are_repeated_and_changes_are_not(transport: FakeTransport) -> None:
    transport.then(answer(b"x", 502))
    lines = pipeline(transport)
    with pytest.raises(BadAnswerError):
        lines.request("POST", "/v5/new")
    assert len(transport.sent) == 1
    with pytest.raises(BadAnswerError):
        lines.request("GET", "/v5/new")
    assert len(transport.sent) == 4


# --- errors and repetition ----------------------------------------------------------------


def test_an_error_knows_the_request_but_no_header(transport: FakeTransport) -> None:
    transport.then(answer(envelope(retCode=10001, retMsg="bad symbol")))
    with pytest.raises(ParameterError) as refused:
        pipeline(transport).call(PLACE_ORDER, {**ORDER, "orderLinkId": "mine"})
    request = refused.value.request
    assert request is not None
    assert (request.method, request.path) == ("POST", "/v5/order/create")
    assert request.params == {**ORDER, "orderLinkId": "mine"}
    assert str(refused.value) == "POST /v5/order/create: bad symbol (retCode 10001)"


def test_a_password_is_not_on_the_error(transport: FakeTransport) -> None:
    transport.then(answer(envelope(retCode=10001, retMsg="x")))
    with pytest.raises(ApiError) as refused:
        pipeline(transport).request("POST", "/v5/user/create", {"password": "hunter2"})
    assert "hunter2" not in repr(refused.value.request)
    assert transport.sent[0].json == {"password": "hunter2"}


def test_a_read_is_repeated_after_a_lost_answer_and_an_order_is_not(
    transport: FakeTransport,
) -> None:
    lost = ConnectionLostError("reset", phase="read", effect_unknown=True)
    transport.then(lost, answer())
    lines = pipeline(transport)
    assert lines.call(GET_ORDERS, SPOT)["retCode"] == 0
    transport.script = [lost]
    with pytest.raises(ConnectionLostError) as error:
        lines.call(PLACE_ORDER, ORDER)
    assert error.value.effect_unknown
    assert len(transport.sent) == 3
    assert lines.hooks.snapshot().retries == {"read": 1}


def test_a_busy_exchange_may_have_placed_the_order(transport: FakeTransport) -> None:
    transport.then(answer(envelope(retCode=10016, retMsg="Server error")))
    with pytest.raises(ExchangeBusyError) as busy:
        pipeline(transport).call(PLACE_ORDER, ORDER)
    assert busy.value.effect_unknown
    assert len(transport.sent) == 1


def test_attempts_can_be_set_for_one_call(transport: FakeTransport) -> None:
    transport.then(unsent())
    for attempts in (1, 5):
        transport.sent.clear()
        with pytest.raises(ConnectError):
            pipeline(transport).call(GET_TICKERS, SPOT, CallOptions(attempts=attempts))
        assert len(transport.sent) == attempts


def test_a_call_has_one_deadline_whatever_happens_in_it(
    transport: FakeTransport, clock: FakeClock
) -> None:
    transport.seconds = 3.0
    transport.then(unsent())
    began = clock.monotonic()
    with pytest.raises(ConnectError):
        pipeline(transport).call(GET_TICKERS, SPOT, CallOptions(timeout=7.0, attempts=50))
    assert clock.monotonic() - began <= 7.0 + 3.0
    began = clock.monotonic()
    lines = pipeline(transport, connection_pool=ConnectionPoolConfig(total_timeout=4.0))
    with pytest.raises(ConnectError):
        lines.call(GET_TICKERS, SPOT, CallOptions(attempts=50))
    assert clock.monotonic() - began <= 4.0 + 3.0


def test_after_close_every_call_is_refused(transport: FakeTransport) -> None:
    lines = pipeline(transport)
    lines.close()
    lines.close()
    for call in (
        lambda: lines.call(GET_TICKERS, SPOT),
        lambda: lines.request("GET", "/v5/x"),
    ):
        with pytest.raises(ClientClosedError):
            call()
    assert transport.sent == []


def test_another_transport_can_stand_in_for_a_while(
    transport: FakeTransport, clock: FakeClock
) -> None:
    other = FakeTransport(clock)
    lines = pipeline(transport)
    with lines.over(other):
        lines.call(GET_TICKERS, SPOT)
    lines.call(GET_TICKERS, SPOT)
    assert (len(other.sent), len(transport.sent)) == (1, 1)


# --- limits -------------------------------------------------------------------------------


def test_what_the_limiter_took_is_kept_apart_from_latency(
    transport: FakeTransport, clock: FakeClock
) -> None:
    seen: list[tuple[float, float]] = []
    lines = pipeline(transport)
    transport.seconds = 0.02
    with lines.hooks.watched(lambda seconds, waited: seen.append((seconds, waited))):
        for _ in range(11):
            lines.call(PLACE_ORDER, ORDER)
    assert all(seconds == pytest.approx(0.02) for seconds, _ in seen)
    assert [waited for _, waited in seen[:10]] == [0.0] * 10
    assert seen[10][1] > 0.7
    assert lines.hooks.snapshot().rate_limit_waits.sum == pytest.approx(seen[10][1])


def test_calls_that_were_never_sent_use_up_no_limit(
    transport: FakeTransport, clock: FakeClock
) -> None:
    lines = pipeline(transport, rate_limit=RateLimitConfig(ip_limit=2, ip_window=5.0))
    transport.then(*[unsent()] * 6, answer(envelope()))
    once = CallOptions(attempts=1)
    for _ in range(6):
        with pytest.raises(ConnectError):
            lines.call(GET_TICKERS, SPOT, once)
    before = clock.monotonic()
    lines.call(GET_TICKERS, SPOT, once)
    assert clock.monotonic() == before  # in an outage nobody waits for room that nobody took


def test_no_room_before_the_deadline_is_told_at_once_and_not_repeated(
    transport: FakeTransport, clock: FakeClock
) -> None:
    lines = pipeline(transport)
    for _ in range(10):
        lines.call(PLACE_ORDER, ORDER)
    with pytest.raises(RateLimitTimeoutError) as full:
        lines.call(PLACE_ORDER, ORDER, CallOptions(timeout=0.5))
    assert (full.value.phase, full.value.effect_unknown) == ("rate_limit", False)
    assert len(transport.sent) == 10
    assert clock.slept == []


def test_a_refusal_for_too_many_visits_holds_back_everybody_until_the_reset(
    transport: FakeTransport, clock: FakeClock
) -> None:
    reset = str(int(clock.wall() * 1000) + 800)
    headers = {"X-Bapi-Limit-Reset-Timestamp": reset, "X-Bapi-Limit-Status": "0"}
    transport.then(answer(envelope(retCode=10006, retMsg="Too many visits!"), headers=headers))
    lines = pipeline(transport)
    with pytest.raises(RateLimitedError):
        lines.call(PLACE_ORDER, ORDER, CallOptions(attempts=1))
    transport.script = [answer()]
    began = clock.monotonic()
    lines.call(PLACE_ORDER, ORDER)
    assert clock.monotonic() - began == pytest.approx(0.8, abs=0.02)


def test_too_many_visits_is_repeated_after_the_reset(
    transport: FakeTransport, clock: FakeClock
) -> None:
    headers = {"X-Bapi-Limit-Reset-Timestamp": str(int(clock.wall() * 1000) + 800)}
    refused = answer(envelope(retCode=10006, retMsg="Too many visits!"), headers=headers)
    transport.then(refused, answer())
    lines = pipeline(transport, rate_limit=RateLimitConfig(mode="off"))
    lines.call(PLACE_ORDER, ORDER)
    assert len(transport.sent) == 2
    assert sum(clock.slept) == pytest.approx(0.8, abs=0.02)
    assert lines.hooks.snapshot().rate_limit_remaining == {}


def test_a_ban_stops_all_calls_until_it_ends(transport: FakeTransport, clock: FakeClock) -> None:
    transport.then(answer(b"access too frequent", 403))
    lines = pipeline(transport)
    with pytest.raises(IpBannedError) as banned:
        lines.call(GET_TICKERS, SPOT)
    assert banned.value.until == clock.wall() + 600
    for call in (GET_TICKERS, GET_ORDERS):
        with pytest.raises(IpBannedError):
            lines.call(call, SPOT)
    assert len(transport.sent) == 1
    clock.advance(600)
    transport.script = [answer()]
    lines.call(GET_TICKERS, SPOT)
    lines.call(GET_TICKERS, SPOT)
    assert len(transport.sent) == 3


def test_what_headers_say_is_left_can_be_seen(transport: FakeTransport) -> None:
    transport.then(answer(headers={"X-Bapi-Limit-Status": "7"}))
    lines = pipeline(transport)
    lines.call(GET_ORDERS, SPOT)
    assert lines.hooks.snapshot().rate_limit_remaining == {"trade.get_open_orders": 7}


# --- the clock ----------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [-90.0, -3.0, 3.0, 30.0, 90.0, 86_400.0])
def test_a_wrong_clock_costs_one_repeated_call_and_no_failed_one(
    transport: FakeTransport, clock: FakeClock, ahead: float
) -> None:
    transport.then(server(clock, ahead, window=2.0))
    lines = pipeline(transport)
    lines.call(PLACE_ORDER, ORDER)
    for _ in range(5):
        lines.call(GET_ORDERS, SPOT)
    targets = [sent.target.partition("?")[0] for sent in transport.sent]
    assert targets == ["/v5/order/create", TIME_PATH, "/v5/order/create"] + [GET_ORDERS.path] * 5
    assert lines.hooks.snapshot().retries == {"clock": 1}
    assert lines.hooks.snapshot().clock_offset == pytest.approx(ahead, abs=0.02)
    assert {sent.signed["X-BAPI-RECV-WINDOW"] for sent in transport.sent if sent.signed} == {"5000"}


@pytest.mark.parametrize("ahead", [-90.0, 90.0])
def test_a_public_reply_is_enough_to_know_the_time(
    transport: FakeTransport, clock: FakeClock, ahead: float
) -> None:
    transport.then(server(clock, ahead))
    lines = pipeline(transport)
    lines.call(GET_TICKERS, SPOT)
    lines.call(GET_ORDERS, SPOT)
    assert len(transport.sent) == 2, "no request is made that nobody asked for"


def test_the_clock_may_step_between_calls(transport: FakeTransport, clock: FakeClock) -> None:
    base = clock.wall() - clock.monotonic()

    def act(request: Sent) -> Answer:
        now = int((base + clock.monotonic()) * 1000)
        stamp = int(request.signed.get("X-BAPI-TIMESTAMP", now))
        refused = not now - 5000 <= stamp < now + 1000
        return answer(envelope(retCode=10002 if refused else 0, time=now))

    transport.then(act)
    lines = pipeline(transport)
    lines.call(GET_ORDERS, SPOT)
    for step in (3600.0, -7200.0, 90.0):
        clock.step_wall(step)
        lines.call(GET_ORDERS, SPOT)
    assert len(transport.sent) == 4


def test_a_clock_that_is_not_the_fault_is_told(transport: FakeTransport, clock: FakeClock) -> None:
    def never(request: Sent) -> Answer:
        if request.target == TIME_PATH:
            return server(clock)(request)
        return answer(envelope(retCode=10002, retMsg="recv_window"))

    transport.then(never)
    with pytest.raises(ClockError):
        pipeline(transport).call(PLACE_ORDER, ORDER, CallOptions(attempts=9))
    assert len(transport.sent) == 3


@pytest.mark.parametrize("reply", [unsent(), answer(b"<html>"), answer(envelope())])
def test_when_the_time_cannot_be_measured_the_refusal_comes_out(
    transport: FakeTransport, reply: Any
) -> None:
    transport.then(answer(envelope(retCode=10002, retMsg="late")), reply)
    with pytest.raises(ClockError):
        pipeline(transport).call(PLACE_ORDER, ORDER)
    assert len(transport.sent) == 2


def test_active_mode_measures_before_a_signed_call(
    transport: FakeTransport, clock: FakeClock
) -> None:
    transport.then(server(clock, 90.0))
    lines = pipeline(transport, clock=ClockConfig(mode="active", interval=60.0))
    lines.call(GET_ORDERS, SPOT)
    lines.call(GET_ORDERS, SPOT)
    clock.advance(61.0)
    lines.call(GET_ORDERS, SPOT)
    paths = [sent.target.partition("?")[0] for sent in transport.sent]
    orders = GET_ORDERS.path
    assert paths == [TIME_PATH, orders, orders, TIME_PATH, orders]


def test_the_clock_can_be_measured_on_request(transport: FakeTransport, clock: FakeClock) -> None:
    transport.then(server(clock, 12.0))
    lines = pipeline(transport)
    assert lines.measure_clock() == pytest.approx(12.0, abs=0.02)
    assert transport.sent[0].signed == {}


# --- who hears of it ----------------------------------------------------------------------


def test_every_call_is_counted_by_how_it_ended(transport: FakeTransport) -> None:
    transport.then(
        answer(),
        answer(envelope(retCode=10001)),
        answer(b"<html>"),
        unsent(),
        answer(),
        KeyboardInterrupt(),
    )
    lines = pipeline(transport)
    lines.call(GET_TICKERS, SPOT)
    for error in (ApiError, BadAnswerError):
        with pytest.raises(error):
            lines.call(GET_TICKERS, SPOT)
    lines.call(GET_TICKERS, SPOT)  # at the second attempt
    with pytest.raises(KeyboardInterrupt):
        lines.call(GET_TICKERS, SPOT)
    seen = lines.hooks.snapshot()
    counts = {outcome: each.count for (_, outcome), each in seen.durations.items()}
    assert counts == {"ok": 2, "api_error": 1, "bad_answer": 1, "interrupted": 1}
    assert seen.attempts == {"market.get_tickers": len(transport.sent)}
    assert seen.retries == {"connect": 1}


def test_the_transport_gets_the_calls_own_deadline(
    transport: FakeTransport, clock: FakeClock
) -> None:
    seen: list[Deadline] = []
    real = transport.send

    def spy(*args: Any, **kwargs: Any) -> Answer:
        seen.append(kwargs["deadline"])
        return real(*args, **kwargs)

    transport.send = spy  # type: ignore[method-assign]
    transport.then(unsent(), answer())
    pipeline(transport).call(GET_TICKERS, SPOT, CallOptions(timeout=9.0))
    assert seen[0] is seen[1]
    assert seen[0].seconds == 9.0


def test_an_endpoint_row_is_plain_data() -> None:
    row = Endpoint("market", "x", "GET", "/v5/x")
    assert row == Endpoint("market", "x", "GET", "/v5/x")
    assert row.key == "market.x"
    assert orjson.dumps(row.by_name) == b"{}"
    assert row.changes_something

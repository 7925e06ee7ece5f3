"""The `responses` library mocks a client as it mocks any use of requests."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
import responses
from prometheus_client import CollectorRegistry

from bybit_sync import (
    BadAnswerError,
    BybitClient,
    Config,
    ConnectError,
    ConnectionLostError,
    ReadTimeoutError,
    RetryConfig,
    TlsError,
    TransportError,
)
from bybit_sync.simulator import LocalExchange

from .tools import RESTING, Seen, connect, failure

BASE = "https://api.bybit.com"
YES = {"retCode": 0, "retMsg": "OK", "result": {"orderId": "1"}, "retExtInfo": {}, "time": 1}


@pytest.fixture
def mocked() -> Iterator[BybitClient]:
    """A client of the mainnet, which no test may reach."""
    quick = RetryConfig(base_delay=0.001, max_delay=0.002)
    with BybitClient(
        "key-of-a-mock", "s" * 36, config=Config(retry=quick), registry=CollectorRegistry()
    ) as client:
        yield client


@responses.activate
def test_a_get_is_mocked_and_its_signed_headers_can_be_seen(mocked: BybitClient) -> None:
    responses.get(f"{BASE}/v5/order/realtime", json=YES, headers={"X-Bapi-Limit": "50"})

    reply = mocked.trade.get_open_orders(category="spot", symbol="BTCUSDT")

    assert reply.result == {"orderId": "1"}
    assert reply.headers["X-Bapi-Limit"] == "50"
    (call,) = responses.calls
    assert call.request.url == f"{BASE}/v5/order/realtime?category=spot&symbol=BTCUSDT"
    assert call.request.headers["X-BAPI-API-KEY"] == "key-of-a-mock"
    assert len(call.request.headers["X-BAPI-SIGN"]) == 64
    assert call.request.headers["X-BAPI-RECV-WINDOW"] == "5000"


@responses.activate
def test_a_post_is_mocked_with_the_body_that_was_signed(mocked: BybitClient) -> None:
    responses.post(f"{BASE}/v5/order/create", json=YES)

    mocked.trade.place_order(**RESTING)

    (call,) = responses.calls
    sent = json.loads(str(call.request.body, "utf-8"))
    assert sent["price"] == RESTING["price"]
    assert len(sent["orderLinkId"]) == 32
    assert call.request.headers["Content-Type"] == "application/json"


@responses.activate
def test_matchers_and_public_calls_work_as_with_requests(mocked: BybitClient) -> None:
    wanted = responses.matchers.query_param_matcher({"category": "linear", "symbol": "BTCUSDT"})
    responses.get(f"{BASE}/v5/market/tickers", match=[wanted], json=YES)

    assert mocked.market.get_tickers(category="linear", symbol="BTCUSDT").result
    assert "X-BAPI-SIGN" not in responses.calls[0].request.headers


@responses.activate
def test_the_session_is_mocked_too(mocked: BybitClient) -> None:
    responses.get(f"{BASE}/elsewhere", body="hello")

    assert mocked.session.get(f"{BASE}/elsewhere").text == "hello"


@responses.activate
def test_answers_in_turn_show_the_retries(mocked: BybitClient) -> None:
    responses.get(f"{BASE}/v5/market/time", status=503)
    responses.get(f"{BASE}/v5/market/time", json=YES)

    assert mocked.market.get_server_time()["retCode"] == 0
    assert len(responses.calls) == 2


@pytest.mark.parametrize(
    ("raised", "kind", "unknown"),
    [
        (requests.ConnectionError("gone"), ConnectionLostError, True),
        (requests.ReadTimeout("slow"), ReadTimeoutError, True),
        (requests.ConnectTimeout("slow"), ConnectError, False),
        (requests.exceptions.SSLError("no"), TlsError, False),
        (requests.exceptions.ProxyError("no"), ConnectError, False),
        (requests.exceptions.ChunkedEncodingError("cut"), BadAnswerError, True),
        (ConnectionResetError("reset"), ConnectionLostError, True),
        (TimeoutError("slow"), ReadTimeoutError, True),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
@responses.activate
def test_what_a_mock_raises_becomes_one_of_our_errors(
    raised: Exception, kind: type[TransportError], unknown: bool, mocked: BybitClient
) -> None:
    responses.post(f"{BASE}/v5/order/create", body=raised)

    error = failure(lambda: mocked.trade.place_order(**RESTING))

    assert type(error) is kind
    assert error.effect_unknown is unknown
    assert error.__cause__ is raised
    # What may have acted is not repeated; what was not sent is.
    assert len(responses.calls) == (3 if error.transient and not unknown else 1)


@responses.activate
def test_an_address_that_is_not_mocked_is_an_error_of_ours_and_reaches_nobody(
    mocked: BybitClient,
) -> None:
    error = failure(lambda: mocked.market.get_server_time())

    assert isinstance(error, TransportError)


def test_after_a_mock_calls_go_to_the_exchange_again(exchange: LocalExchange) -> None:
    with connect(exchange) as client:
        client.market.get_server_time()
        seen = Seen(exchange)
        with responses.RequestsMock() as mock:
            mock.get(f"{exchange.url}/v5/market/time", json=YES)
            assert client.market.get_server_time()["time"] == 1
        assert seen.count() == 0

        client.market.get_server_time()

        assert seen.count() == 1
        assert client.pool_stats().created == 1


def test_an_adapter_that_the_user_mounts_is_used(exchange: LocalExchange) -> None:
    class Counting(requests.adapters.HTTPAdapter):
        sent = 0

        def send(self, *args: object, **kwargs: object) -> requests.Response:
            self.sent += 1
            assert exchange.ca_file is not None
            kwargs["verify"] = exchange.ca_file
            kwargs["timeout"] = 5
            return super().send(*args, **kwargs)  # type: ignore[arg-type]

    with connect(exchange) as client:
        own = Counting()
        client.session.mount("https://", own)

        assert client.trade.place_order(**RESTING)["retCode"] == 0

        assert own.sent == 1

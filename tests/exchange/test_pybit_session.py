"""`unified_trading.HTTP` as a pybit user holds it: options, attributes, answers, errors."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import logging
import pickle
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pybit.exceptions
import pybit.unified_trading
import pytest
import requests
from prometheus_client import CollectorRegistry

from bybit_sync import Config, ConfigError, ConnectionPoolConfig, FailedRequestError, TlsConfig
from bybit_sync.exceptions import InvalidRequestError, OrderError
from bybit_sync.helpers import Helpers
from bybit_sync.simulator import LocalExchange
from bybit_sync.unified_trading import HTTP
from tests.net.servers import Server, relaying
from tests.net.tools import Crew

from .tools import ORDER, RESTING, TIME, Seen, eventually

WALLET = "/v5/account/wallet-balance"


def connected(exchange: LocalExchange, account: Any = None, **options: Any) -> HTTP:
    """A session as a pybit user makes one and points it somewhere else."""
    owner = account or exchange
    keys = {"api_key": owner.api_key, "api_secret": owner.api_secret}
    session = HTTP(**{**keys, "registry": CollectorRegistry(), **options})
    session.endpoint = exchange.url
    session.client.verify = exchange.ca_file
    return session


@pytest.fixture
def session(exchange: LocalExchange) -> Iterator[HTTP]:
    with connected(exchange, exchange.add_account(), retry_delay=0) as session:
        yield session


def failure(session: HTTP, name: str, **given: Any) -> Any:
    with pytest.raises((InvalidRequestError, FailedRequestError)) as caught:
        getattr(session, name)(**given)
    return caught.value


# --- options ------------------------------------------------------------------------------


def test_the_options_are_pybits_with_the_same_defaults() -> None:
    theirs = {each.name: each for each in dataclasses.fields(pybit.unified_trading.HTTP)}
    ours = inspect.signature(HTTP).parameters
    pybits = pybit.unified_trading.HTTP()

    assert set(ours) - {"unknown"} == {*theirs, "config", "registry"}
    with HTTP(registry=CollectorRegistry()) as session:
        for name in theirs.keys() - {"api_key", "api_secret", "referral_id"}:
            assert getattr(session, name) == getattr(pybits, name), name
    pybits.client.close()


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"testnet": True},
        {"demo": True},
        {"demo": True, "testnet": True},
        {"domain": "bytick"},
        {"domain": None},
        {"domain": "bybit", "tld": "nl"},
        {"tld": "com.hk", "testnet": True},
        {"domain": "bybit-tr"},
    ],
)
def test_the_host_is_pybits(place: dict[str, Any]) -> None:
    pybits = pybit.unified_trading.HTTP(**place)
    pybits.client.close()

    with HTTP(**place, registry=CollectorRegistry()) as session:
        assert session.endpoint == pybits.endpoint


def test_a_config_is_taken_and_pybits_options_win_over_it(exchange: LocalExchange) -> None:
    config = Config.from_dict(
        {
            "client": {"base_url": exchange.url, "recv_window_ms": 1234},
            "tls": {"ca_file": exchange.ca_file},
            "connection_pool": {"limit_per_host": 2, "sock_read_timeout": 3.0},
        }
    )
    keys = {"api_key": exchange.api_key, "api_secret": exchange.api_secret}
    seen = Seen(exchange)
    with HTTP(**keys, config=config, timeout=None, registry=CollectorRegistry()) as session:
        session.get_wallet_balance(accountType="UNIFIED")
        assert session.endpoint == exchange.url
        assert session.bybit.pool_stats().limit_per_host == 2
        assert session.bybit.adapter.pool_config.sock_read_timeout == 3.0
    with HTTP(testnet=True, config=config, registry=CollectorRegistry()) as session:
        assert session.endpoint == "https://api-testnet.bybit.com"
        assert session.bybit.adapter.pool_config.sock_read_timeout == 10.0

    assert seen.rows()[0]["headers"]["x-bapi-recv-window"] == "5000"


def test_an_rsa_key_signs_and_what_is_none_is_refused(exchange: LocalExchange) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    account = exchange.add_account(rsa_public_key=public.decode())
    options = {"api_key": account.api_key, "api_secret": pem, "rsa_authentication": True}
    with connected(exchange, **options) as session:
        assert session.get_wallet_balance(accountType="UNIFIED")["retCode"] == 0

    with pytest.raises(ConfigError, match="rsa_authentication") as refused:
        HTTP(api_key="k", api_secret="nobody may see this", rsa_authentication=True)
    assert "nobody may see this" not in str(refused.value)


def test_keys_are_not_shown_and_private_calls_need_them(exchange: LocalExchange) -> None:
    with connected(exchange) as session:
        assert exchange.api_key not in repr(session) + str(vars(session))
        assert exchange.api_secret not in repr(session) + str(vars(session))
        with pytest.raises(TypeError):
            pickle.dumps(session)
    with connected(exchange, api_key=None, api_secret=None) as session:
        assert session.get_server_time()["retCode"] == 0
        assert session.get_collateral_coins_new_crypto_loan()["retCode"] == 0
        with pytest.raises(PermissionError):
            session.get_wallet_balance(accountType="UNIFIED")


# --- answers ------------------------------------------------------------------------------


def test_an_answer_is_a_dict_or_the_tuple_that_was_asked_for(session: HTTP) -> None:
    plain = session.get_server_time()
    session.record_request_time = True
    timed = session.get_server_time()
    session.return_response_headers = True
    full = session.get_server_time()

    assert isinstance(plain, dict)
    assert plain["retMsg"] == "OK"
    assert isinstance(timed[1], timedelta)
    assert [len(timed), len(full)] == [2, 3]
    assert timedelta() < full[1] < timedelta(seconds=30)
    assert full[2]["content-type"].startswith("application/json")
    assert full[2].get("CONTENT-TYPE") == full[2]["Content-Type"]


def test_an_order_goes_its_way_with_numbers_as_pybits_users_give_them(session: HTTP) -> None:
    market = {"category": "linear", "symbol": "BTCUSDT"}

    order = session.place_order(
        **market, side="Buy", orderType="Limit", qty=0.001, price=50000, positionIdx="0"
    )["result"]["orderId"]
    session.amend_order(**market, orderId=order, price=50001.0)
    (row,) = session.get_open_orders(**market)["result"]["list"]
    session.cancel_order(**market, orderId=order)

    assert (row["orderId"], float(row["price"])) == (order, 50001.0)
    assert session.get_open_orders(**market)["result"]["list"] == []


def test_one_dict_may_stand_for_the_keywords_as_in_pybits_readme(session: HTTP) -> None:
    payload = {"category": "spot", "request": [{**RESTING, "price": p} for p in (9000, 9001)]}

    answer = session.place_batch_order(payload)

    assert [each["code"] for each in answer["retExtInfo"]["list"]] == [0, 0]
    with pytest.raises(ConfigError, match="one dict"):
        session.place_batch_order([payload])


def test_play_money_is_for_demo_sessions(exchange: LocalExchange, session: HTTP) -> None:
    with pytest.raises(ConfigError, match="demo=True"):
        session.request_demo_trading_funds()
    with connected(exchange, exchange.add_account(), demo=True) as demo:
        assert demo.request_demo_trading_funds()["retCode"] == 0


# --- errors -------------------------------------------------------------------------------


def test_a_refusal_has_pybits_attributes_and_text(session: HTTP) -> None:
    order = {"category": "linear", "symbol": "BTCUSDT", "orderId": "nobody-knows"}

    error = failure(session, "cancel_order", **order)

    assert isinstance(error, InvalidRequestError)
    assert isinstance(error, OrderError)
    assert error.status_code == error.ret_code == 110001
    assert error.message == error.body["retMsg"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d", error.time)
    assert error.resp_headers["Content-Type"].startswith("application/json")
    theirs = pybit.exceptions.InvalidRequestError(
        request=f"POST {ORDER}",
        message=error.message,
        status_code=110001,
        time="x",
        resp_headers={},
    )
    assert str(error).split("(ErrTime")[0] == str(theirs).split("(ErrTime")[0]
    assert str(error.request) == "POST /v5/order/cancel"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again)) == (type(error), str(error))


@pytest.mark.parametrize("status", [429, 500, 503, 401, 404])
def test_any_status_but_200_is_a_failed_request_at_once(
    status: int, exchange: LocalExchange, session: HTTP
) -> None:
    body = '{"retCode": 10006, "retMsg": "Too many visits!"}'
    exchange.faults.http_status(TIME, status, body=body, times=None)
    session.force_retry = True
    seen = Seen(exchange)

    error = failure(session, "get_server_time")

    assert isinstance(error, FailedRequestError)
    assert not isinstance(error, InvalidRequestError)
    assert error.status_code == status
    assert seen.count() == 1


def test_an_answer_that_is_not_json_has_pybits_status(
    exchange: LocalExchange, session: HTTP
) -> None:
    exchange.faults.http_status(TIME, 200, body="<html>", times=2)

    assert failure(session, "get_server_time").status_code == 409
    session.force_retry = True
    assert session.get_server_time()["retCode"] == 0


def test_a_silent_host_is_requests_read_timeout_too(exchange: LocalExchange, session: HTTP) -> None:
    exchange.faults.stall(TIME)
    session.timeout = 0.2

    with pytest.raises(requests.exceptions.ReadTimeout) as caught:
        session.get_server_time()

    error = caught.value
    assert isinstance(error, FailedRequestError)
    assert (error.phase, session.timeout) == ("read", 0.2)  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert isinstance(again, requests.exceptions.ReadTimeout)


def test_an_absent_host_is_requests_connection_error_too(session: HTTP) -> None:
    session.endpoint = "http://127.0.0.1:9"

    with pytest.raises(requests.exceptions.ConnectionError) as caught:
        session.get_server_time()

    assert isinstance(caught.value, FailedRequestError)


# --- what users do to the session ---------------------------------------------------------


def test_headers_of_the_client_go_along_and_the_referral_too(exchange: LocalExchange) -> None:
    seen = Seen(exchange)
    with connected(exchange, referral_id="Broker1") as session:
        session.get_server_time()
        session.client.headers.update({"X-Trace": "7", "accept": "text/plain"})
        session.client.headers["User-Agent"] = None  # type: ignore[assignment]
        session.get_wallet_balance(accountType="UNIFIED")

    first, second = (row["headers"] for row in seen.rows())
    assert first["referer"] == second["referer"] == "Broker1"
    assert "x-trace" not in first
    assert (second["x-trace"], second["accept"]) == ("7", "text/plain")
    assert second["x-bapi-sign"]


def test_the_client_is_a_session_on_the_same_pool(exchange: LocalExchange, session: HTTP) -> None:
    session.get_server_time()
    before = exchange.connections.opened

    assert session.client.get(f"{exchange.url}{TIME}").json()["retCode"] == 0
    assert exchange.connections.opened == before


def test_another_proxy_is_used_from_the_next_call_on(
    exchange: LocalExchange, session: HTTP
) -> None:
    session.get_server_time()
    proxy = Server(relaying)
    try:
        session.client.proxies = {"https": proxy.url}
        assert session.get_server_time()["retCode"] == 0
        assert proxy.accepted == 1
        session.client.proxies.clear()
        assert session.get_server_time()["retCode"] == 0
        assert len(proxy.requests) == 1
        session.client.proxies["https"] = "socks5://127.0.0.1:1"
        with pytest.raises(ConfigError, match="proxies"):
            session.get_server_time()
    finally:
        session.close()
        proxy.close()


def test_certificates_are_checked_whatever_is_said(exchange: LocalExchange, tmp_path: Any) -> None:
    with connected(exchange) as session:
        for value in (False, str(tmp_path / "nowhere.pem")):
            session.client.verify = value
            with pytest.raises(ConfigError, match=r"HTTP\.client\.verify"):
                session.get_server_time()
        session.client.verify = True
        with pytest.raises(requests.exceptions.SSLError):
            session.get_server_time()
        session.client.verify = exchange.ca_file
        assert session.get_server_time()["retCode"] == 0
    config = Config(tls=TlsConfig(ca_file=exchange.ca_file or ""))
    with HTTP(config=config, registry=CollectorRegistry()) as session:
        session.endpoint = exchange.url
        assert session.get_server_time()["retCode"] == 0


def test_the_endpoint_may_be_another_host_but_no_other_thing(session: HTTP) -> None:
    before = session.endpoint

    for url in ("http://api.bybit.com", "api.bybit.com", "https://api.bybit.com/v5", ""):
        with pytest.raises(ConfigError):
            session.endpoint = url
    assert session.endpoint == before


def test_a_session_that_nobody_holds_any_more_closes_its_connections(
    exchange: LocalExchange,
) -> None:
    open_before = exchange.connections.open
    session = connected(exchange)
    session.get_server_time()
    assert exchange.connections.open == open_before + 1

    del session
    gc.collect()

    eventually(lambda: exchange.connections.open == open_before)


def test_threads_share_a_session(exchange: LocalExchange) -> None:
    pool = Config(connection_pool=ConnectionPoolConfig(limit_per_host=4))
    with connected(exchange, exchange.add_account(), config=pool) as session, Crew() as crew:
        for _ in range(12):
            crew.start(lambda: session.get_wallet_balance(accountType="UNIFIED")["retCode"])
        crew.join()
        assert crew.results == [0] * 12
        assert session.bybit.pool_stats().created <= 4


def test_requests_are_logged_without_key_and_signature(
    exchange: LocalExchange, session: HTTP, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "bybit_sync.unified_trading")
    session.get_server_time()
    assert [r for r in caplog.records if r.name == session.logger.name] == []

    session.log_requests = True
    session.place_order(**RESTING)

    told = [r.getMessage() for r in caplog.records if r.name == session.logger.name]
    assert any(f"POST {exchange.url}{ORDER}" in line and "'0.001'" in line for line in told)
    assert any("Content-Type" in line for line in told)
    assert "sign" not in "".join(told).lower()


# --- Helpers ------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["Buy", "Sell"])
def test_a_position_is_closed_and_not_turned_round(
    side: str, exchange: LocalExchange, session: HTTP
) -> None:
    market = {"category": "linear", "symbol": "BTCUSDT"}
    session.place_order(**market, side=side, orderType="Market", qty="0.01")
    session.record_request_time = True

    answers = Helpers(session).close_position(**market)
    again = Helpers(session).close_position(**market)

    session.record_request_time = False
    assert [answer["retCode"] for answer, _ in answers] == [0]
    assert again == []
    (position,) = session.get_positions(**market)["result"]["list"]
    assert float(position["size"]) == 0
    assert exchange.orders[-1]["reduceOnly"] is True

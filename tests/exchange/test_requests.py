"""`request()` reaches any path; clients are made, configured and closed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import (
    ApiError,
    BadAnswerError,
    BybitClient,
    CallOptions,
    ClientClosedError,
    ConnectionPoolConfig,
    MissingCredentialsError,
    ParameterError,
    ReadTimeoutError,
    TotalTimeoutError,
)
from bybit_sync.simulator import LocalExchange
from tests.net.tools import Crew

from .tools import ORDER, RESTING, TIME, Seen, connect, ends_within, eventually, failure, is_at_rest

WALLET = "/v5/account/wallet-balance"
UNKNOWN = "/v5/not/yet/known"


def test_a_known_path_is_called_as_its_method_would(
    exchange: LocalExchange, client: BybitClient
) -> None:
    seen = Seen(exchange)

    by_path = client.request("GET", WALLET, {"accountType": "UNIFIED"})
    by_name = client.account.get_wallet_balance(accountType="UNIFIED")

    assert by_path["result"]["list"][0]["coin"] == by_name["result"]["list"][0]["coin"]
    first, second = seen.rows()
    assert first["query"] == second["query"] == "accountType=UNIFIED"
    assert first["uid"] == second["uid"] is not None


def test_a_path_that_nobody_knows_is_asked_for_and_the_answer_told(
    exchange: LocalExchange, client: BybitClient
) -> None:
    seen = Seen(exchange)

    error = failure(lambda: client.request("GET", UNKNOWN, {"a": "b c", "cursor": "x%3Ay"}))

    assert isinstance(error, BadAnswerError)
    assert (error.status_code, error.effect_unknown) == (404, False)
    (row,) = seen.rows()
    assert row["query"] == "a=b%20c&cursor=x%3Ay"
    assert "x-bapi-sign" in row["headers"]


def test_an_unknown_path_that_answers_is_a_reply(
    exchange: LocalExchange, client: BybitClient
) -> None:
    exchange.faults.http_status(UNKNOWN, 200, body='{"retCode": 0, "result": {"new": [1]}}')

    assert client.request("POST", UNKNOWN, {"x": 1}).result == {"new": [1]}


@pytest.mark.parametrize(
    ("auth", "path", "is_signed"),
    [
        (None, TIME, False),
        (True, TIME, True),
        (False, TIME, False),
        (None, WALLET, True),
        (False, WALLET, False),
        (None, UNKNOWN, True),
        (False, UNKNOWN, False),
    ],
)
def test_auth_says_whether_a_call_is_signed_and_none_asks_the_table(
    auth: bool | None, path: str, is_signed: bool, exchange: LocalExchange, client: BybitClient
) -> None:
    exchange.faults.http_status(path, 200, body='{"retCode": 0, "result": {}}')
    seen = Seen(exchange)

    client.request("GET", path, auth=auth)

    assert ("x-bapi-sign" in seen.rows()[0]["headers"]) is is_signed


def test_without_keys_public_paths_work_unknown_ones_go_unsigned_and_private_ones_do_not(
    exchange: LocalExchange,
) -> None:
    exchange.faults.http_status(UNKNOWN, 200, body='{"retCode": 0, "result": {}}')
    with connect(exchange, keys=False) as client:
        seen = Seen(exchange)
        client.request("GET", TIME)
        client.request("GET", UNKNOWN)
        for call in (
            lambda: client.request("GET", WALLET),
            lambda: client.request("GET", TIME, auth=True),
            lambda: client.account.get_wallet_balance(accountType="UNIFIED"),
            lambda: client.trade.place_order(**RESTING),
        ):
            error = failure(call)
            assert isinstance(error, MissingCredentialsError)
            assert isinstance(error, PermissionError)
        assert not any("x-bapi-sign" in row["headers"] for row in seen.rows())
        assert seen.paths() == [TIME, UNKNOWN]


def test_query_values_are_encoded_once_and_none_is_left_out(
    exchange: LocalExchange, client: BybitClient
) -> None:
    seen = Seen(exchange)
    params = {
        "category": "spot",
        "symbol": "BTCUSDT&category=inverse",
        "none": None,
        "list": ["a", "b"],
        "yes": True,
        "text": "a+b ü/=",
    }

    with pytest.raises(ApiError):
        client.request("GET", "/v5/order/realtime", params)

    (row,) = seen.rows()
    assert row["query"] == (
        "category=spot&symbol=BTCUSDT%26category%3Dinverse&list=a,b&yes=true"
        "&text=a%2Bb%20%C3%BC%2F%3D"
    )
    assert row["uid"] is not None  # what was signed is what was sent


def test_a_body_is_json_and_signed_as_it_is_sent(
    exchange: LocalExchange, client: BybitClient
) -> None:
    seen = Seen(exchange)

    client.request("POST", ORDER, {**RESTING, "orderLinkId": None, "takeProfit": None})

    (row,) = seen.rows()
    assert row["headers"]["content-type"] == "application/json"
    assert row["body"].startswith('{"category":"spot","symbol":"BTCUSDT","side":"Buy"')
    assert "takeProfit" not in row["body"]
    assert row["query"] == ""


def test_options_hold_for_one_call(exchange: LocalExchange, client: BybitClient) -> None:
    seen = Seen(exchange)
    client.trade.get_open_orders(category="spot", options=CallOptions(recv_window_ms=1234))
    client.request("GET", WALLET, {"accountType": "UNIFIED"})
    assert [row["headers"]["x-bapi-recv-window"] for row in seen.rows()] == ["1234", "5000"]

    exchange.faults.stall(TIME)
    with ends_within(0.2):
        error = failure(lambda: client.market.get_server_time(options=CallOptions(timeout=0.2)))
    assert isinstance(error, TotalTimeoutError | ReadTimeoutError)


def test_extra_sends_what_the_table_does_not_know(
    exchange: LocalExchange, client: BybitClient
) -> None:
    seen = Seen(exchange)

    client.trade.get_open_orders(category="spot", extra={"brandNew": "1"})
    failure(lambda: client.trade.get_open_orders(category="moon"))  # type: ignore[arg-type]
    error = failure(lambda: client.request("GET", "/v5/order/realtime", {"category": "moon"}))

    assert isinstance(error, ParameterError)  # the exchange's own word: request refuses nothing
    assert [row["query"] for row in seen.rows()] == ["category=spot&brandNew=1", "category=moon"]


# --- from start to end --------------------------------------------------------------------


def test_keys_come_from_arguments_environment_or_config_in_this_order(
    exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one, two, three = (exchange.add_account() for _ in range(3))
    path = tmp_path / "config.toml"
    path.write_text(
        f'[client]\nbase_url = "{exchange.url}"\napi_key = "{three.api_key}"\n'
        f'api_secret = "{three.api_secret}"\n[tls]\nca_file = "{exchange.ca_file}"\n'
        "[connection_pool]\nlimit_per_host = 2\n"
    )
    path.chmod(0o600)

    def uid_of(**arguments: Any) -> str:
        registry = CollectorRegistry()
        with BybitClient.from_config(path, registry=registry, **arguments) as client:
            assert client.config.connection_pool.limit_per_host == 2
            assert client.base_url == exchange.url
            seen = Seen(exchange)
            client.trade.get_open_orders(category="spot")
            uid: str = seen.rows()[0]["uid"]
            return uid

    assert uid_of() == three.uid
    monkeypatch.setenv("BYBIT_API_KEY", two.api_key)
    monkeypatch.setenv("BYBIT_API_SECRET", two.api_secret)
    assert uid_of() == two.uid
    assert uid_of(api_key=one.api_key, api_secret=one.api_secret) == one.uid


def test_an_rsa_key_signs_too(exchange: LocalExchange) -> None:
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
    with BybitClient(
        account.api_key,
        pem,
        base_url=exchange.url,
        config=connect_config(exchange),
        registry=CollectorRegistry(),
    ) as client:
        seen = Seen(exchange)
        client.trade.place_order(**RESTING)
        assert len(client.trade.get_open_orders(category="spot").result["list"]) == 1
        assert {row["uid"] for row in seen.rows()} == {account.uid}
        assert "PRIVATE" not in repr(vars(client))


def connect_config(exchange: LocalExchange) -> Any:
    """The settings that `connect` uses."""
    with connect(exchange, keys=False) as client:
        return client.config


def test_local_starts_an_exchange_and_stops_it_with_the_client() -> None:
    with BybitClient.local(latency=0.02) as client:
        exchange = client.exchange
        assert client.trade.place_order(**RESTING)["retCode"] == 0
        assert len(exchange.orders) == 1
        assert client.trade.get_open_orders(category="spot").elapsed >= 0.02
        pid = exchange.pid
        assert Path(f"/proc/{pid}").exists() or not Path("/proc").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_warm_up_opens_what_is_asked_for_and_the_first_calls_use_it(
    exchange: LocalExchange,
) -> None:
    with connect(exchange, pool={"limit_per_host": 4}) as client:
        before = exchange.connections.opened
        assert client.warm_up(3) == 3
        assert client.warm_up(99) == 4
        assert exchange.connections.opened - before == 4
        client.market.get_server_time()
        assert exchange.connections.opened - before == 4
        assert client.pool_stats().idle == 4


def test_a_client_closes_its_connections_once_and_is_then_closed(
    exchange: LocalExchange,
) -> None:
    client = connect(exchange)
    client.market.get_server_time()
    session = client.session
    with client:
        assert exchange.connections.open == 1
    eventually(lambda: exchange.connections.open == 0)
    client.close()
    client.close()

    seen = Seen(exchange)
    for call in (
        client.market.get_server_time,
        lambda: client.trade.place_order(**RESTING),
        lambda: client.request("GET", TIME),
        lambda: client.warm_up(1),
    ):
        error = failure(call)
        assert isinstance(error, ClientClosedError)
        assert not error.effect_unknown
    assert seen.count() == 0
    assert client.session is session
    assert client.pool_stats().active == 0
    assert "BybitClient" in repr(client)


def test_closing_lets_calls_under_way_finish_and_turns_away_who_waits(
    exchange: LocalExchange,
) -> None:
    exchange.faults.late(TIME, seconds=0.4, times=1)
    client = connect(exchange, pool={"limit_per_host": 1, "limit": 1})
    with Crew() as crew:
        crew.start(lambda: _outcome(client))
        eventually(lambda: client.pool_stats().active == 1 and exchange.connections.open == 1)
        crew.start(lambda: _outcome(client))
        eventually(lambda: client.pool_stats().waiting == 1)
        client.close()

    assert sorted(crew.results) == ["ClientClosedError", "ok"]
    assert is_at_rest(client)
    eventually(lambda: exchange.connections.open == 0)


def _outcome(client: BybitClient) -> str:
    try:
        client.market.get_server_time()
    except ClientClosedError as error:
        return type(error).__name__
    return "ok"


def test_the_start_is_logged_in_one_line_with_limits_and_no_secret(
    exchange: LocalExchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bybit_sync")

    with connect(exchange, pool={"limit": 7, "limit_per_host": 3}):
        pass

    (line,) = [r.getMessage() for r in caplog.records if r.name == "bybit_sync.client"]
    assert "limit 7, 3 per host" in line
    assert exchange.url in line
    assert exchange.api_key not in line


def test_the_session_is_an_ordinary_one_on_the_same_pool(
    exchange: LocalExchange, client: BybitClient
) -> None:
    client.market.get_server_time()
    before = exchange.connections.opened

    answer = client.session.get(f"{exchange.url}{TIME}")

    assert answer.status_code == 200
    assert answer.json()["retCode"] == 0
    assert exchange.connections.opened == before
    assert client.pool_stats().reused >= 1


def test_a_pool_without_keeping_makes_a_connection_per_call(exchange: LocalExchange) -> None:
    with connect(exchange, pool={"force_close": True}) as client:
        before = exchange.connections.opened
        for _ in range(3):
            client.market.get_server_time()
        assert exchange.connections.opened - before == 3
        assert client.pool_stats().closed["forced"] == 3
    assert ConnectionPoolConfig().force_close is False

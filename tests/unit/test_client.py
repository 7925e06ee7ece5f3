"""How a client is made: where it calls, with which settings and keys. Nothing is sent here."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry

from bybit_sync import (
    BybitClient,
    ClientClosedError,
    ClientConfig,
    Config,
    ConfigError,
    ConnectionPoolConfig,
    MissingCredentialsError,
)
from bybit_sync.api import GROUPS
from bybit_sync.net import PooledAdapter

KEY, SECRET = "key-of-the-tests", "s" * 36


@pytest.fixture(autouse=True)
def _nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> Any:
        raise AssertionError("a client connected while it was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def make() -> Iterator[Any]:
    """Makes clients with a registry of their own; all are closed after the test."""
    clients: list[BybitClient] = []

    def make(*args: Any, **how: Any) -> BybitClient:
        clients.append(BybitClient(*args, registry=CollectorRegistry(), **how))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        (None, "https://api.bybit.com"),
        ("mainnet", "https://api.bybit.com"),
        ("testnet", "https://api-testnet.bybit.com"),
        ("demo", "https://api-demo.bybit.com"),
        ("demo-testnet", "https://api-demo-testnet.bybit.com"),
    ],
)
def test_each_environment_has_its_host(environment: str | None, url: str, make: Any) -> None:
    assert make(environment=environment).base_url == url


@pytest.mark.parametrize("environment", ["moon", "", "Mainnet", 1, True])
def test_an_environment_that_nobody_knows_is_refused_with_those_that_exist(
    environment: Any, make: Any
) -> None:
    with pytest.raises(ConfigError, match="mainnet, testnet, demo, demo-testnet"):
        make(environment=environment)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.bybit.nl",
        "https://api.bytick.com:8443",
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
    ],
)
def test_a_base_url_wins_over_the_environment(url: str, make: Any) -> None:
    assert make(environment="testnet", base_url=url).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.bybit.com",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "ftp://api.bybit.com",
        "api.bybit.com",
        "https://",
        "https://api.bybit.com/v5",
        "https://api.bybit.com?x=1",
        "https://user:pass@api.bybit.com",
        "https://api.bybit.com:99999",
        "https://api.bybit.com\r\nX: 1",
        5,
    ],
)
def test_a_base_url_that_would_give_the_keys_away_or_is_none_is_refused(
    url: Any, make: Any
) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        make(base_url=url)


def test_arguments_win_over_the_config(make: Any) -> None:
    config = Config(client=ClientConfig(environment="testnet", base_url="https://api.bybit.nl"))

    assert make(config=config).base_url == "https://api.bybit.nl"
    assert make(config=config, environment="demo").base_url == "https://api-demo.bybit.com"
    assert make(config=config, base_url="https://x.example").base_url == "https://x.example"
    assert config.client.environment == "testnet"


def test_keys_come_from_arguments_then_environment_then_config(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(client=ClientConfig(api_key="key-of-the-config", api_secret="c" * 36))

    def key_of(*args: Any, **how: Any) -> str | None:
        signer = make(*args, **how).pipeline._signer
        return None if signer is None else signer.api_key

    assert key_of() is None
    assert key_of(config=config) == "key-of-the-config"
    monkeypatch.setenv("BYBIT_API_KEY", "key-of-the-environment")
    monkeypatch.setenv("BYBIT_API_SECRET", "e" * 36)
    assert key_of(config=config) == "key-of-the-environment"
    assert key_of(KEY, SECRET, config=config) == KEY


def test_half_a_pair_is_refused(make: Any) -> None:
    for half in ((KEY, None), (None, SECRET), (KEY, "")):
        with pytest.raises(ConfigError, match="without"):
            make(*half)


def test_a_client_without_keys_refuses_private_calls_before_it_connects(make: Any) -> None:
    client = make()

    with pytest.raises(MissingCredentialsError, match="BYBIT_API_KEY"):
        client.account.get_wallet_balance(accountType="UNIFIED")
    assert repr(client) == "<BybitClient https://api.bybit.com, without keys>"


def test_a_client_has_every_group_and_makes_each_once(make: Any) -> None:
    client = make()

    for name in GROUPS:
        assert getattr(client, name) is getattr(client, name)
    assert len(GROUPS) == 27


def test_the_session_is_requests_own_with_our_adapter_mounted(make: Any) -> None:
    client = make(config=Config(connection_pool=ConnectionPoolConfig(limit=9, limit_per_host=4)))

    assert isinstance(client.session, requests.Session)
    assert client.session.get_adapter("https://api.bybit.com") is client.adapter
    assert isinstance(client.adapter, PooledAdapter)
    assert (client.pool_stats().limit, client.pool_stats().limit_per_host) == (9, 4)
    assert client.session.trust_env is False


def test_making_a_client_starts_no_thread_and_opens_no_socket(make: Any) -> None:
    before = threading.enumerate()

    stats = make(KEY, SECRET).pool_stats()

    assert threading.enumerate() == before
    assert (stats.created, stats.active, stats.idle, stats.waiting) == (0, 0, 0, 0)


def test_a_file_sets_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[client]\nenvironment = "testnet"\n[connection_pool]\nlimit = 5\n')

    with BybitClient.from_config(path, registry=CollectorRegistry()) as client:
        assert client.base_url == "https://api-testnet.bybit.com"
        assert client.config.connection_pool == ConnectionPoolConfig(limit=5)
    with BybitClient.from_config(
        str(path), environment="demo", registry=CollectorRegistry()
    ) as client:
        assert client.base_url == "https://api-demo.bybit.com"


def test_a_file_that_is_missing_or_wrong_is_refused_by_name(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[connection_pool]\nlimt = 5\nconnect_timeout = -1\n")

    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        BybitClient.from_config(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="limit") as told:
        BybitClient.from_config(wrong)
    assert "connect_timeout" in str(told.value)


def test_a_config_of_another_type_is_refused(make: Any) -> None:
    wrongs: list[Any] = [{"client": {}}, "config.toml", 5]
    for wrong in wrongs:
        with pytest.raises(ConfigError, match="config"):
            make(config=wrong)


def test_after_close_nothing_works_and_closing_again_is_fine(make: Any) -> None:
    client = make(KEY, SECRET)
    with client as same:
        assert same is client
    client.close()

    for call in (
        client.market.get_server_time,
        lambda: client.request("GET", "/v5/market/time"),
        lambda: client.warm_up(1),
    ):
        with pytest.raises(ClientClosedError):
            call()
    client.update_pool_metrics()
    assert client.pool_stats().idle == 0


def test_the_start_is_one_line_of_info(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    make(KEY, SECRET)

    (record,) = [r for r in caplog.records if r.name == "bybit_sync.client"]
    assert record.levelno == logging.INFO
    for fact in ("https://api.bybit.com", "limit 100", "30 per host", "connect 10", "total 60"):
        assert fact in record.getMessage()
    assert KEY not in caplog.text


def test_the_library_adds_no_handlers(make: Any) -> None:
    make()

    names = [n for n in logging.root.manager.loggerDict if n.startswith("bybit_sync")]
    assert names
    assert not any(logging.getLogger(name).handlers for name in names)

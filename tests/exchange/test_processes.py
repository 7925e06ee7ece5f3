"""A client in other processes: one pool in each, the keys by where they are found."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import (
    BybitClient,
    Config,
    ConfigError,
    ConnectionPoolConfig,
    MetricsConfig,
    MissingCredentialsError,
    StrategyRunner,
    TlsConfig,
)
from bybit_sync.simulator import LocalAccount, LocalExchange

from .hidden import Hidden
from .process_tasks import Counter, Unpacked, balance, look
from .tools import eventually

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

METHODS = [each for each in ("fork", "spawn") if each in multiprocessing.get_all_start_methods()]


@pytest.fixture
def account(exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch) -> LocalAccount:
    """An account whose keys are in the environment."""
    account = exchange.add_account()
    monkeypatch.setenv("BYBIT_API_KEY", account.api_key)
    monkeypatch.setenv("BYBIT_API_SECRET", account.api_secret or "")
    return account


@pytest.fixture
def sent(exchange: LocalExchange, account: LocalAccount) -> Iterator[BybitClient]:
    """A client that may travel."""
    with BybitClient(
        base_url=exchange.url, config=settings(exchange), registry=CollectorRegistry()
    ) as client:
        yield client


def settings(exchange: LocalExchange) -> Config:
    pool = ConnectionPoolConfig(limit=7, limit_per_host=3)
    return Config(tls=TlsConfig(ca_file=exchange.ca_file or ""), connection_pool=pool)


@pytest.mark.parametrize("method", METHODS)
def test_every_process_has_one_client_and_one_pool(method: str, sent: BybitClient) -> None:
    sent.market.get_server_time()
    context = multiprocessing.get_context(method)

    with ProcessPoolExecutor(3, mp_context=context) as processes:
        tasks = [processes.submit(look, sent, "BTCUSDT") for _ in range(30)]
        seen = [task.result(60) for task in tasks]
        assert processes.submit(balance, sent).result(60) == "UNIFIED"

    pids = {pid for pid, *_ in seen}
    assert os.getpid() not in pids
    assert len(pids) >= 2
    assert len({(pid, client) for pid, client, *_ in seen}) == len(pids)
    # A forked one's pool counts what its parent had opened, and starts without a connection.
    most = max(created for *_, created, _ in seen)
    assert most <= (2 if method == "fork" else 1)
    assert all(signs for *_, signs in seen)
    sent.market.get_server_time()  # and the parent's connection is as good as before


@pytest.mark.parametrize("method", METHODS)
def test_a_runner_runs_its_steps_in_processes_and_keeps_what_they_changed(
    method: str, sent: BybitClient
) -> None:
    counter = Counter()
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as processes:
        runner = StrategyRunner(sent, executor=processes, registry=CollectorRegistry())
        runner.add(counter, every=0.05, name="counter", timeout=5.0)
        with runner:
            eventually(lambda: runner.stats().strategies["counter"].runs >= 5, within=30)
        stats = runner.stats().strategies["counter"]
        kept = runner.strategy("counter")

    assert stats.errors == 0
    assert stats.overtime == 0
    assert kept.steps == stats.runs
    assert os.getpid() not in kept.pids
    assert counter.steps == 0  # what was added is not touched


def test_what_travels_holds_no_key_and_no_secret(
    sent: BybitClient, account: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = Hidden(account, monkeypatch)

    packed = pickle.dumps(sent)

    assert not hidden.is_in(packed.decode("latin-1"))
    assert account.api_key not in packed.decode("latin-1")


def test_in_its_own_process_a_client_comes_back_as_itself(sent: BybitClient) -> None:
    assert pickle.loads(pickle.dumps(sent)) is sent  # noqa: S301


def test_one_that_was_closed_is_not_handed_out_again(sent: BybitClient) -> None:
    packed = pickle.dumps(sent)
    sent.close()

    with pickle.loads(packed) as fresh:  # noqa: S301
        assert fresh is not sent
        fresh.market.get_server_time()
        assert pickle.loads(packed) is fresh  # noqa: S301


def test_settings_travel_and_a_port_does_not(exchange: LocalExchange) -> None:
    pool = ConnectionPoolConfig(limit=9)
    config = Config(connection_pool=pool, metrics=MetricsConfig(enabled=False, port=0))
    packed = pickle.dumps(BybitClient(base_url=exchange.url, config=config))

    with pickle.loads(packed) as arrived:  # noqa: S301  (the one that was sent is gone)
        assert arrived.config == Config(
            connection_pool=pool, metrics=config.metrics, client=arrived.config.client
        )
        assert arrived.base_url == exchange.url


@pytest.mark.parametrize("given", ["arguments", "dict"])
def test_keys_that_only_this_process_knows_do_not_travel(
    exchange: LocalExchange, given: str
) -> None:
    keys = {"api_key": exchange.api_key, "api_secret": exchange.api_secret}
    config = Config.from_dict({"client": keys}) if given == "dict" else Config()
    arguments = keys if given == "arguments" else {}

    with (
        BybitClient(base_url=exchange.url, config=config, **arguments) as client,
        pytest.raises(TypeError, match=r"not pickled.*BYBIT_API_KEY.*from_config"),
    ):
        pickle.dumps(client)


def test_keys_of_a_file_are_read_from_it_where_they_are_needed(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    account = exchange.add_account()
    path = tmp_path / "config.toml"
    path.write_text(
        f'[client]\nbase_url = "{exchange.url}"\napi_key = "{account.api_key}"\n'
        f'api_secret = "{account.api_secret}"\n[tls]\nca_file = "{exchange.ca_file}"\n'
    )
    path.chmod(0o600)
    with BybitClient.from_config(path, registry=CollectorRegistry()) as client:
        packed = pickle.dumps(client)
    assert str(account.api_secret) not in packed.decode("latin-1")

    with pickle.loads(packed) as arrived:  # noqa: S301
        assert balance(arrived) == "UNIFIED"
        assert pickle.loads(pickle.dumps(arrived)) is arrived  # noqa: S301  (it may go on)
    path.unlink()
    with pytest.raises(ConfigError, match=r"config\.toml"):
        balance(pickle.loads(packed))  # noqa: S301


def test_a_process_without_the_keys_or_with_others_is_told(
    sent: BybitClient, exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pickle.dumps(sent)
    sent.close()
    other = exchange.add_account()

    monkeypatch.setenv("BYBIT_API_KEY", other.api_key)
    monkeypatch.setenv("BYBIT_API_SECRET", other.api_secret or "")
    with pytest.raises(ConfigError, match="holds another API key") as others:
        balance(pickle.loads(packed))  # noqa: S301
    assert other.api_key not in str(others.value)
    monkeypatch.delenv("BYBIT_API_KEY")
    monkeypatch.delenv("BYBIT_API_SECRET")
    absent = pickle.loads(packed)  # noqa: S301
    assert "no BybitClient here" in repr(absent)
    for use in (lambda: balance(absent), lambda: absent.__enter__()):
        with pytest.raises(MissingCredentialsError, match="in this process"):
            use()


@pytest.mark.parametrize("method", METHODS)
def test_where_the_keys_are_missing_the_task_fails_and_not_the_pool(
    method: str, sent: BybitClient, exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pickle.dumps(sent)
    sent.close()
    monkeypatch.delenv("BYBIT_API_KEY")
    monkeypatch.delenv("BYBIT_API_SECRET")
    context = multiprocessing.get_context(method)

    with ProcessPoolExecutor(1, mp_context=context) as processes:
        for _ in range(2):
            task = processes.submit(balance, Unpacked(packed))  # unpickled with its arguments
            with pytest.raises(MissingCredentialsError, match="BYBIT_API_KEY and BYBIT_API_SECRET"):
                task.result(60)

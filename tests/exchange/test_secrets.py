"""Key, secret and signature are seen nowhere: not by people, logs, error trackers or scrapers."""

from __future__ import annotations

import copy
import http.client
import logging
import pickle
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from bybit_sync import (
    ApiError,
    BybitClient,
    ClientConfig,
    Config,
    ConfigError,
    MissingCredentialsError,
    RetryConfig,
    TlsConfig,
)
from bybit_sync.simulator import LocalAccount, LocalExchange

from .hidden import Hidden, contents, shows
from .tools import ORDER, RESTING, connect, failure

KEY, SECRET = "kEyThatNobodyMaySee", "sEcReTthatNobodyMaySeeEither00000000"


@pytest.fixture
def account(exchange: LocalExchange) -> LocalAccount:
    """An account that nobody else trades on."""
    return exchange.add_account()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the client reports."""
    return CollectorRegistry()


@pytest.fixture
def trader(
    exchange: LocalExchange, account: LocalAccount, registry: CollectorRegistry
) -> Iterator[BybitClient]:
    """A client whose key is in its config, too."""
    keys = ClientConfig(api_key=account.api_key, api_secret=account.api_secret)
    with connect(
        exchange, account=account, registry=registry, client=keys, retry=RetryConfig(attempts=1)
    ) as client:
        yield client


@pytest.fixture
def hidden(account: LocalAccount, monkeypatch: pytest.MonkeyPatch) -> Hidden:
    """What nobody may see of the account."""
    return Hidden(account, monkeypatch)


def test_the_search_would_find_a_secret(account: LocalAccount, hidden: Hidden) -> None:
    class Careless:
        def __init__(self) -> None:
            self.headers = {"X-BAPI-SIGN": account.api_secret}

    Careless.__module__ = "bybit_sync.careless"
    error = ValueError(Careless())
    try:
        raise error
    except ValueError:
        assert any(hidden.is_in(shown) for shown in shows(error))
    assert hidden.is_in(repr(contents({"a": [Careless()]})))


@pytest.mark.row(120)
def test_nothing_that_shows_a_client_shows_its_keys(trader: BybitClient, hidden: Hidden) -> None:
    trader.trade.place_order(**RESTING)

    assert hidden.signatures == 1
    for shown in (
        repr(trader),
        str(trader),
        repr(vars(trader)),
        repr(contents(trader)),
        repr(trader.trade),
        repr(trader.config),
        str(trader.config),
        repr(trader.config.client),
        repr(asdict(trader.config)),
        trader.config.to_toml(),
        repr(vars(trader.session)),
        repr(trader.session.headers),
        repr(trader.pool_stats()),
        repr([thread.name for thread in threading.enumerate()]),
    ):
        assert not hidden.is_in(shown), shown[:2000]


@pytest.mark.row(121)
def test_a_client_is_neither_pickled_nor_copied(trader: BybitClient) -> None:
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            take(trader)


@pytest.mark.row(121)
def test_errors_and_replies_are_pickled_without_secrets(
    exchange: LocalExchange, trader: BybitClient, hidden: Hidden
) -> None:
    exchange.faults.drop_after_accept(ORDER)
    error = failure(lambda: trader.trade.place_order(**RESTING))
    reply = trader.trade.get_open_orders(category="spot")

    for thing in (error, reply):
        packed = pickle.dumps(thing)
        assert not hidden.is_in(packed.decode("latin-1"))
        assert repr(pickle.loads(packed)) == repr(thing)  # noqa: S301 - our own


@pytest.mark.row(123)
def test_debug_logs_of_everybody_show_nothing(
    exchange: LocalExchange,
    trader: BybitClient,
    hidden: Hidden,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests", "bybit_sync"):
        caplog.set_level(logging.DEBUG, name)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    monkeypatch.setattr(http.client.HTTPSConnection, "debuglevel", 1)

    trader.trade.place_order(**RESTING)
    trader.trade.get_open_orders(category="spot")
    exchange.faults.ret_code(ORDER, 10004, "error sign! origin_string[...]")
    for fault in ("drop_before_accept", "html", "cut_body"):
        getattr(exchange.faults, fault)(ORDER)
    for _ in range(4):
        error = failure(lambda: trader.trade.place_order(**RESTING))
        logging.getLogger("user").error("it failed", exc_info=error)

    assert hidden.signatures >= 6
    assert "trade.place_order" in caplog.text
    assert not hidden.is_in(caplog.text)
    printed = capfd.readouterr()
    assert not hidden.is_in(printed.out + printed.err)


@pytest.mark.row(126)
def test_metrics_show_nothing(
    trader: BybitClient, registry: CollectorRegistry, hidden: Hidden
) -> None:
    trader.trade.place_order(**RESTING)

    scraped = generate_latest(registry).decode()

    assert 'endpoint="trade.place_order"' in scraped
    assert "BTCUSDT" not in scraped
    assert not hidden.is_in(scraped)


@pytest.mark.parametrize("code", [10003, 10004, 10002, 33004])
def test_a_refusal_that_quotes_the_key_is_told_without_it(
    code: int,
    exchange: LocalExchange,
    account: LocalAccount,
    trader: BybitClient,
    hidden: Hidden,
) -> None:
    exchange.faults.ret_code(ORDER, code, f"error sign! origin_string[123{account.api_key}5000]")

    error = failure(lambda: trader.trade.place_order(**RESTING))

    assert isinstance(error, ApiError)
    assert "origin_string" in error.ret_msg
    hidden.check_error(error)


def test_an_answer_that_is_no_envelope_is_quoted_without_secrets(
    exchange: LocalExchange, account: LocalAccount, trader: BybitClient, hidden: Hidden
) -> None:
    page = f'<p>"apiSecret": "abcdefgh", key {account.api_key}, token=12345</p>'
    for status in (200, 502):
        exchange.faults.http_status(ORDER, status, body=page)
        error = failure(lambda: trader.trade.place_order(**RESTING))
        assert "<p>" in error.message
        assert "abcdefgh" not in error.message
        assert not hidden.is_in(str(error))


@pytest.mark.row(125)
def test_a_key_that_was_just_made_is_not_shown_in_a_notebook_or_a_log(
    trader: BybitClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    reply = trader.user.create_sub_api_key(
        subuid=1, readOnly=0, permissions={"Wallet": ["AccountTransfer"]}
    )

    secret = reply.result["secret"]
    assert secret  # it is the caller's to take
    assert secret not in reply._repr_html_()
    assert secret not in caplog.text


@pytest.mark.row(124)
def test_headers_that_an_error_carries_are_those_of_the_answer(
    exchange: LocalExchange, trader: BybitClient
) -> None:
    exchange.faults.ret_code(ORDER, 10004)

    error = failure(lambda: trader.trade.place_order(**RESTING))

    assert error.resp_headers is not None
    assert "Traceid" in error.resp_headers
    assert error.request is not None
    assert error.request._fields == ("method", "path", "params")


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        (KEY + "\r\nX: 1", SECRET),
        (KEY, SECRET + "\n"),
        (KEY, None),
        (None, SECRET),
        (KEY, "-----BEGIN RSA PRIVATE KEY-----\n" + SECRET),
        (KEY, "-----BEGIN RSA PRIVATE KEY-----\n" + SECRET + "\n-----END RSA PRIVATE KEY-----"),
    ],
)
def test_keys_that_cannot_be_right_are_refused_and_not_shown(
    key: str | None, secret: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers = [
        lambda: BybitClient(key, secret, registry=CollectorRegistry()),
        lambda: BybitClient(config=Config.from_dict({"client": _given(key, secret)})),
    ]
    for make in makers:
        error = _error_of(make)
        for shown in shows(error):
            assert KEY not in shown
            assert SECRET not in shown


def _given(key: str | None, secret: str | None) -> dict[str, str]:
    given = {"api_key": key, "api_secret": secret}
    return {name: value for name, value in given.items() if value is not None}


def _error_of(make: Any, kind: type[BaseException] = ConfigError) -> BaseException:
    """The error, without this test's own frames, which do know the secret."""
    with pytest.raises(kind) as caught:
        make()
    frames = caught.value.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return caught.value.with_traceback(frames)


def test_a_wrong_place_is_refused_without_showing_the_keys() -> None:
    for wrong in (
        {"environment": "moon"},
        {"base_url": "http://api.bybit.com"},
        {"base_url": "https://user:pass@host"},
    ):
        error = _error_of(lambda w=wrong: BybitClient(KEY, SECRET, **w))
        for shown in shows(error):
            assert KEY not in shown
            assert SECRET not in shown


def test_a_file_that_is_refused_shows_none_of_the_keys_given_beside_it(tmp_path: Any) -> None:
    error = _error_of(
        lambda: BybitClient.from_config(tmp_path / "none.toml", api_key=KEY, api_secret=SECRET)
    )

    assert "none.toml" in str(error)
    for shown in shows(error):
        assert SECRET not in shown


def test_a_ca_file_that_is_not_there_shows_none_of_the_keys() -> None:
    error = _error_of(
        lambda: BybitClient(KEY, SECRET, config=Config(tls=TlsConfig(ca_file="/nowhere/ca.pem")))
    )
    for shown in shows(error):
        assert SECRET not in shown


def test_a_private_call_without_keys_says_where_they_may_come_from(
    exchange: LocalExchange,
) -> None:
    with connect(exchange, keys=False) as client:
        error = failure(lambda: client.trade.place_order(**RESTING))

    assert isinstance(error, MissingCredentialsError)
    assert "BYBIT_API_KEY" in error.message


def test_a_traceback_of_an_interrupted_call_shows_nothing(
    exchange: LocalExchange, trader: BybitClient, hidden: Hidden, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupt(BaseException):
        pass

    def interrupt(*args: Any, **kwargs: Any) -> Any:
        raise Interrupt

    monkeypatch.setattr("bybit_sync.net.wire._some", interrupt)
    error = _error_of(lambda: trader.trade.place_order(**RESTING), Interrupt)

    assert hidden.signatures == 1
    hidden.check_error(error)
    assert trader.pool_stats().active == 0

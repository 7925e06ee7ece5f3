"""What a trader cannot have meant is refused before a byte is sent, and named."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from bybit_sync import BybitClient, CallOptions, ConfigError
from bybit_sync.simulator import LocalExchange

from .tools import ORDER, RESTING, Seen, connect, failure, is_at_rest


@pytest.fixture
def unasked(exchange: LocalExchange, client: BybitClient) -> Iterator[BybitClient]:
    """A client with keys; the exchange must not hear of it."""
    seen, opened = Seen(exchange), exchange.connections.opened
    yield client
    assert seen.count() == 0
    assert exchange.connections.opened == opened
    assert is_at_rest(client)


BAD_VALUES: list[tuple[str, Any]] = [
    ("price", float("nan")),
    ("price", math.inf),
    ("price", Decimal("NaN")),
    ("price", Decimal("sNaN")),
    ("price", True),
    ("price", "ten"),
    ("price", "1,5"),
    ("price", "١٢"),
    ("price", [1]),
    ("price", b"1"),
    ("price", 10**100),
    ("price", Decimal("1E+1000")),
    ("qty", float("nan")),
    ("qty", False),
    ("qty", {"a": 1}),
    ("qty", object()),
    ("symbol", "BTC\r\nUSDT"),
    ("symbol", "BTC\x00USDT"),
    ("symbol", b"BTCUSDT"),
    ("symbol", True),
    ("orderLinkId", "a\r\nX-Evil: 1"),
    ("orderLinkId", "a\u202eb"),
    ("orderLinkId", "\ud800"),
    ("side", "buy"),
    ("side", None),
    ("category", "futures"),
    ("orderType", 1),
    ("timeInForce", "FOREVER"),
    ("positionIdx", 7),
    ("positionIdx", "x"),
    ("positionIdx", 0.5),
    ("reduceOnly", "yes"),
    ("reduceOnly", 1),
]


@pytest.mark.row(72, 74)
@pytest.mark.parametrize(("name", "value"), BAD_VALUES, ids=lambda v: ascii(v)[:30])
def test_an_order_with_a_value_that_is_not_allowed_is_refused(
    name: str, value: Any, unasked: BybitClient
) -> None:
    error = failure(lambda: unasked.trade.place_order(**{**RESTING, name: value}))

    assert isinstance(error, ConfigError)
    assert isinstance(error, ValueError)
    assert error.message.startswith(f"trade.place_order.{name}: ")
    assert (error.effect_unknown, error.transient) == (False, False)
    assert "\r" not in error.message
    assert "\x00" not in error.message


@pytest.mark.parametrize("value", [float("nan"), "x\ny", object(), b"x", "\u2066"])
def test_request_and_extra_are_checked_for_what_may_not_stand_on_the_wire(
    value: Any, unasked: BybitClient
) -> None:
    for call in (
        lambda: unasked.request("GET", "/v5/any/path", {"name": value}),
        lambda: unasked.request("POST", "/v5/any/path", {"name": {"deep": [value]}}),
        lambda: unasked.request("POST", ORDER, {**RESTING, "price": value}),
        lambda: unasked.trade.place_order(**RESTING, extra={"name": value}),
        lambda: unasked.trade.get_open_orders(category="spot", extra={"name": value}),
    ):
        assert isinstance(failure(call), ConfigError)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v5/order"),
        ("get", "/v5/order"),
        ("GET", "v5/order"),
        ("GET", ""),
        ("GET", "https://elsewhere/v5"),
        ("GET", "/v5/order?x=1"),
        ("GET", "/v5/order#x"),
        ("GET", "/v5/or der"),
        ("GET", "/v5/order\r\nX: 1"),
        ("GET", "/v5/ü"),
        ("GET", None),
        (None, "/v5/order"),
    ],
)
def test_a_method_or_path_that_is_none_is_refused(
    method: Any, path: Any, unasked: BybitClient
) -> None:
    assert isinstance(failure(lambda: unasked.request(method, path)), ConfigError)


@pytest.mark.parametrize("params", [[("a", 1)], "a=1", 1, {1: "a"}, {"": "a"}, {"a\n": 1}])
def test_parameters_that_are_no_dict_of_names_are_refused(
    params: Any, unasked: BybitClient
) -> None:
    for method in ("GET", "POST"):
        assert isinstance(
            failure(lambda m=method: unasked.request(m, "/v5/any", params)),  # type: ignore[misc]
            ConfigError,
        )


def test_a_batch_names_the_item_that_is_wrong(unasked: BybitClient) -> None:
    item = {k: v for k, v in RESTING.items() if k != "category"}
    for bad, where in (
        ({**item, "price": float("nan")}, "request[1].price"),
        ({"symbol": "BTCUSDT"}, "request[1]."),
        ("BTCUSDT", "request[1]"),
    ):
        error = failure(
            lambda b=bad: unasked.trade.place_batch_order(  # type: ignore[misc]
                category="spot", request=[item, b]
            )
        )
        assert isinstance(error, ConfigError)
        assert where in error.message


def test_a_moment_without_a_time_zone_is_refused(unasked: BybitClient) -> None:
    when = datetime(2024, 1, 1)

    error = failure(
        lambda: unasked.market.get_kline(
            category="spot", symbol="BTCUSDT", interval="1", start=when
        )
    )

    assert "start" in error.message
    assert "time zone" in error.message


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1.0},
        {"timeout": float("nan")},
        {"timeout": True},
        {"timeout": "5"},
        {"attempts": 0},
        {"attempts": 1.5},
        {"attempts": True},
        {"recv_window_ms": 0},
        {"recv_window_ms": 60_001},
    ],
)
def test_options_that_cannot_be_meant_are_refused_when_made(options: Any) -> None:
    with pytest.raises(ConfigError, match=f"options.{next(iter(options))}"):
        CallOptions(**options)


def test_a_keyword_that_nobody_knows_is_a_type_error_that_names_the_nearest(
    unasked: BybitClient,
) -> None:
    with pytest.raises(TypeError, match=r"'order_link_id' \(nearest: 'orderLinkId'\)"):
        unasked.trade.place_order(**RESTING, order_link_id="x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="nearest: 'symbol'"):
        unasked.market.get_tickers(category="spot", symbl="BTCUSDT")  # type: ignore[arg-type]


def test_a_parameter_that_is_missing_is_named(unasked: BybitClient) -> None:
    order = {k: v for k, v in RESTING.items() if k != "symbol"}
    with pytest.raises(TypeError, match="symbol"):
        unasked.trade.place_order(**order)
    error = failure(lambda: unasked.trade.place_order(**{**RESTING, "symbol": None}))
    assert "trade.place_order.symbol: required" in error.message


def test_positional_arguments_are_refused(unasked: BybitClient) -> None:
    with pytest.raises(TypeError):
        unasked.market.get_tickers("spot")  # type: ignore[call-arg]


@pytest.mark.parametrize("n", [-1, 1.5, True, "2", None])
def test_a_warm_up_of_nonsense_is_refused(n: Any, unasked: BybitClient) -> None:
    assert isinstance(failure(lambda: unasked.warm_up(n)), ConfigError)


def test_private_calls_without_keys_are_refused_before_their_parameters_are_read(
    exchange: LocalExchange,
) -> None:
    with connect(exchange, keys=False) as client:
        seen = Seen(exchange)
        assert isinstance(
            failure(lambda: client.trade.place_order(**{**RESTING, "price": True})), ConfigError
        )
        assert seen.count() == 0

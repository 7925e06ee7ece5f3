"""Clients that we did not write trade here, with nothing but their own settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP

from bybit_sync.simulator import LocalAccount, LocalExchange

LINES = pytest.mark.parametrize("category", ["spot", "linear"])
SYMBOLS = pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT"])
COINS = ("BTC", "ETH", "XRP", "SOL", "DOGE")
FAR = "50000"
"""A price at which a buy of bitcoin waits."""


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    """With all limits that Bybit has."""
    with LocalExchange(ip_limit=None) as exchange:
        yield exchange
        assert exchange.errors == []


@pytest.fixture
def account(exchange: LocalExchange) -> Iterator[LocalAccount]:
    yield exchange.add_account()
    exchange.faults.clear()


@pytest.fixture
def pybit(exchange: LocalExchange, account: LocalAccount) -> Iterator[HTTP]:
    client = pybit_client(exchange, account.api_key, account.api_secret)
    yield client
    client.client.close()


@pytest.fixture
def bybit(exchange: LocalExchange, account: LocalAccount) -> Iterator[Any]:
    client = ccxt_client(exchange, account.api_key, account.api_secret)
    client.load_markets()
    yield client
    client.session.close()


def pybit_client(exchange: LocalExchange, key: str, secret: str, **options: Any) -> HTTP:
    # A code that never comes: an empty set would mean the default, which waits and repeats.
    client = HTTP(api_key=key, api_secret=secret, **{"retry_codes": {1}, **options})
    client.endpoint = exchange.url
    client.client.verify = exchange.ca_file
    return client


def ccxt_client(exchange: LocalExchange, key: str, secret: str, **options: Any) -> Any:
    client = ccxt.bybit(
        {
            "apiKey": key,
            "secret": secret,
            "enableRateLimit": False,
            "validateServerSsl": exchange.ca_file,
            "options": options,
        }
    )
    client.urls["api"] = dict.fromkeys(client.urls["api"], exchange.url)
    return client


# --- pybit --------------------------------------------------------------------------------


def limit_buy(category: str, **more: str) -> dict[str, str]:
    return {
        "category": category,
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.01",
        "price": FAR,
        **more,
    }


@LINES
def test_pybit_loads_the_markets_and_reads_them(pybit: HTTP, category: str) -> None:
    market = {"category": category, "symbol": "BTCUSDT"}
    listed = pybit.get_instruments_info(category=category)["result"]["list"]
    ticker = pybit.get_tickers(**market)["result"]["list"][0]
    rows = pybit.get_kline(**market, interval=1, limit=1000)["result"]["list"]
    book = pybit.get_orderbook(**market, limit=50)["result"]
    trades = pybit.get_public_trade_history(**market)["result"]["list"]

    assert {f"{coin}USDT" for coin in COINS} == {row["symbol"] for row in listed}
    assert len(rows) == 1000
    last = about(ticker["lastPrice"])
    assert float(rows[0][4]) == last
    assert float(trades[0]["price"]) == last
    assert float(book["b"][0][0]) < float(book["a"][0][0])
    assert (len(book["a"]), len(book["b"])) == (50, 50)
    assert pybit.get_server_time()["retCode"] == 0


def test_pybit_reads_what_contracts_have_beside(pybit: HTTP) -> None:
    market = {"category": "linear", "symbol": "BTCUSDT"}

    assert pybit.get_funding_rate_history(**market)["result"]["list"]
    assert pybit.get_open_interest(**market, intervalTime="1h")["result"]["list"]
    assert pybit.get_risk_limit(**market)["result"]["list"]


@LINES
def test_pybit_places_amends_finds_and_cancels(pybit: HTTP, category: str) -> None:
    market = {"category": category, "symbol": "BTCUSDT"}
    order = pybit.place_order(**limit_buy(category))["result"]["orderId"]

    assert pybit.amend_order(**market, orderId=order, qty="0.02")["result"]["orderId"] == order
    found = pybit.get_open_orders(**market, orderId=order)["result"]["list"]
    assert [(row["orderStatus"], float(row["qty"])) for row in found] == [("New", 0.02)]
    assert pybit.cancel_order(**market, orderId=order)["result"]["orderId"] == order
    assert pybit.get_open_orders(**market)["result"]["list"] == []
    (past,) = pybit.get_order_history(**market)["result"]["list"]
    assert (past["orderId"], past["orderStatus"]) == (order, "Cancelled")


@LINES
def test_pybit_buys_at_the_market_and_sees_what_it_has(pybit: HTTP, category: str) -> None:
    before = pybit.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]
    unit = {"marketUnit": "baseCoin"} if category == "spot" else {}
    order = pybit.place_order(
        category=category, symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01", **unit
    )["result"]["orderId"]

    executions = pybit.get_executions(category=category)["result"]["list"]
    (past,) = pybit.get_order_history(category=category)["result"]["list"]
    assert {row["orderId"] for row in executions} == {order} == {past["orderId"]}
    assert sum(float(row["execQty"]) for row in executions) == pytest.approx(0.01)
    assert past["orderStatus"] == "Filled"
    after = pybit.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]
    assert coin(after, "USDT") < coin(before, "USDT")
    if category == "linear":
        (position,) = pybit.get_positions(category=category, symbol="BTCUSDT")["result"]["list"]
        assert (position["side"], float(position["size"])) == ("Buy", 0.01)
    else:
        assert coin(after, "BTC") > coin(before, "BTC")


def code(client: HTTP, call: str, **params: Any) -> int:
    """The code with which the exchange says no."""
    with pytest.raises(InvalidRequestError) as told:
        getattr(client, call)(**params)
    return int(told.value.status_code)


@LINES
def test_pybit_is_told_what_is_wrong_with_its_orders(pybit: HTTP, category: str) -> None:
    market = {"category": category, "symbol": "BTCUSDT"}
    duplicate, gone, poor = {
        "spot": (170141, 170213, 170131),
        "linear": (110072, 110001, 110007),
    }[category]
    once = limit_buy(category, orderLinkId="only-once")
    pybit.place_order(**once)

    assert code(pybit, "place_order", **once) == duplicate
    pybit.cancel_order(**market, orderLinkId="only-once")
    assert code(pybit, "place_order", **once) == duplicate
    for call in ("cancel_order", "amend_order"):
        assert code(pybit, call, **market, orderLinkId="only-once", qty="0.02") == gone
        assert code(pybit, call, **market, orderId="nobody-knows", qty="0.02") == gone
    assert code(pybit, "place_order", **limit_buy(category, price="130000", qty="80")) == poor


def test_pybit_is_told_what_is_wrong_with_its_signature(
    exchange: LocalExchange, account: LocalAccount
) -> None:
    wrong_key = pybit_client(exchange, "nobodysKey", account.api_secret)
    wrong_secret = pybit_client(exchange, account.api_key, "guessed")
    slow = pybit_client(exchange, account.api_key, account.api_secret, recv_window=20)
    exchange.faults.late("/v5/order/create", 0.1, times=None)  # signed long before it is read

    codes = [
        code(client, "place_order", **limit_buy("linear"))
        for client in (wrong_key, wrong_secret, slow)
    ]

    for client in (wrong_key, wrong_secret, slow):
        client.client.close()
    assert codes == [10003, 10004, 10002]


def test_pybit_is_told_when_it_calls_too_often(pybit: HTTP) -> None:
    with pytest.raises(InvalidRequestError) as told:
        for _ in range(11):
            pybit.place_order(**limit_buy("linear"))

    assert told.value.status_code == 10006
    assert "x-bapi-limit-reset-timestamp" in {name.lower() for name in told.value.resp_headers}


def test_pybit_as_it_comes_waits_until_it_may_go_on(
    exchange: LocalExchange, account: LocalAccount
) -> None:
    codes = {10002, 10006, 30034, 30035, 130035, 130150}  # its default
    client = pybit_client(exchange, account.api_key, account.api_secret, retry_codes=codes)

    placed = [client.place_order(**limit_buy("linear"))["retCode"] for _ in range(12)]

    client.client.close()
    assert placed == [0] * 12


# --- ccxt ---------------------------------------------------------------------------------


def test_ccxt_loads_the_markets(bybit: Any) -> None:
    assert {f"{coin}/USDT" for coin in COINS} <= set(bybit.markets)
    assert {f"{coin}/USDT:USDT" for coin in COINS} <= set(bybit.markets)
    assert {"BTC/USD:BTC", "ETH/USD:ETH"} <= set(bybit.markets)
    assert {*COINS, "USDT", "USDC"} <= set(bybit.currencies)
    assert bybit.market("BTC/USDT:USDT")["precision"] == {"amount": 0.001, "price": 0.1}


@SYMBOLS
def test_ccxt_reads_the_market(bybit: Any, symbol: str) -> None:
    ticker, book = bybit.fetch_ticker(symbol), bybit.fetch_order_book(symbol, limit=50)
    candles = bybit.fetch_ohlcv(symbol, "1m", limit=1000)

    last = about(ticker["last"])
    assert (len(candles), candles[-1][4]) == (1000, last)
    assert bybit.fetch_trades(symbol)[-1]["price"] == last
    assert bybit.fetch_tickers([symbol])[symbol]["last"] == last
    assert ticker["bid"] < ticker["ask"]
    assert book["bids"][0][0] < book["asks"][0][0]
    if symbol.endswith(":USDT"):
        assert abs(bybit.fetch_funding_rate(symbol)["fundingRate"]) < 0.01
        assert bybit.fetch_funding_rate_history(symbol)
        assert bybit.fetch_open_interest(symbol)["openInterestAmount"] > 0


@SYMBOLS
def test_ccxt_places_edits_finds_and_cancels(bybit: Any, symbol: str) -> None:
    order = bybit.create_order(symbol, "limit", "buy", 0.01, FAR)["id"]

    assert bybit.edit_order(order, symbol, "limit", "buy", 0.02, FAR)["id"] == order
    assert [(o["id"], o["amount"]) for o in bybit.fetch_open_orders(symbol)] == [(order, 0.02)]
    assert bybit.fetch_open_order(order, symbol)["status"] == "open"
    assert bybit.cancel_order(order, symbol)["id"] == order
    assert bybit.fetch_open_orders(symbol) == []
    assert [o["id"] for o in bybit.fetch_canceled_orders(symbol)] == [order]


@SYMBOLS
def test_ccxt_places_several_and_cancels_all(bybit: Any, symbol: str) -> None:
    one = {"symbol": symbol, "type": "limit", "side": "buy", "amount": 0.01, "price": FAR}

    placed = [order["id"] for order in bybit.create_orders([one] * 3)]
    bybit.cancel_orders(placed[:1], symbol)
    bybit.cancel_all_orders(symbol)

    assert {o["id"] for o in bybit.fetch_canceled_orders(symbol)} == set(placed)


@SYMBOLS
def test_ccxt_buys_at_the_market_and_sees_what_it_has(bybit: Any, symbol: str) -> None:
    before = bybit.fetch_balance()
    order = bybit.create_order(symbol, "market", "buy", 0.01)["id"]

    trades = bybit.fetch_my_trades(symbol)
    assert {trade["order"] for trade in trades} == {order}
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.01)
    (past,) = bybit.fetch_closed_orders(symbol)
    assert (past["id"], past["status"], past["filled"]) == (order, "closed", 0.01)
    assert bybit.fetch_closed_order(order, symbol)["id"] == order
    after = bybit.fetch_balance()
    assert after["USDT"]["total"] < before["USDT"]["total"]
    if symbol.endswith(":USDT"):
        (position,) = bybit.fetch_positions([symbol])
        assert (position["side"], position["contracts"]) == ("long", 0.01)
    else:
        assert after["BTC"]["total"] > before["BTC"]["total"]


def test_ccxt_sets_leverage_and_closes_what_it_holds(bybit: Any) -> None:
    symbol = "BTC/USDT:USDT"
    bybit.set_leverage(7, symbol)
    bybit.create_order(symbol, "market", "buy", 0.02)
    (position,) = bybit.fetch_positions([symbol])
    bybit.create_order(symbol, "market", "sell", 0.02, None, {"reduceOnly": True})

    assert position["leverage"] == 7
    assert bybit.fetch_position(symbol)["contracts"] == 0
    (closed,) = bybit.fetch_positions_history([symbol])
    assert float(closed["info"]["closedSize"]) == 0.02


@SYMBOLS
def test_ccxt_is_told_what_is_wrong_with_its_orders(bybit: Any, symbol: str) -> None:
    link = {"clientOrderId": "only-once"}
    order = bybit.create_order(symbol, "limit", "buy", 0.01, FAR, link)["id"]
    duplicate = "110072" if symbol.endswith(":USDT") else "170141"

    with pytest.raises(ccxt.ExchangeError, match=duplicate):
        bybit.create_order(symbol, "limit", "buy", 0.01, FAR, link)
    bybit.cancel_order(order, symbol)
    for name in (order, "nobody-knows"):
        with pytest.raises(ccxt.OrderNotFound):
            bybit.cancel_order(name, symbol)
        with pytest.raises(ccxt.OrderNotFound):
            bybit.edit_order(name, symbol, "limit", "buy", 0.02, FAR)
    with pytest.raises(ccxt.InsufficientFunds):
        bybit.create_order(symbol, "limit", "buy", 80, 130_000)


def test_ccxt_is_told_what_is_wrong_with_its_signature(
    exchange: LocalExchange, account: LocalAccount
) -> None:
    late = {"timeDifference": 10_000}
    wrong_key = ccxt_client(exchange, "nobodysKey", account.api_secret)
    wrong_secret = ccxt_client(exchange, account.api_key, "guessed")
    slow = ccxt_client(exchange, account.api_key, account.api_secret, **late)

    with pytest.raises(ccxt.AuthenticationError, match="10003"):
        wrong_key.fetch_balance()
    with pytest.raises(ccxt.AuthenticationError, match="10004"):
        wrong_secret.fetch_balance()
    with pytest.raises(ccxt.InvalidNonce, match="10002"):
        slow.fetch_balance()
    for client in (wrong_key, wrong_secret, slow):
        client.session.close()


def test_ccxt_is_told_when_it_calls_too_often(bybit: Any) -> None:
    with pytest.raises(ccxt.RateLimitExceeded):
        for _ in range(11):
            bybit.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, FAR)


def about(price: float | str) -> Any:
    """That price or one nearby: the market goes on between two calls."""
    return pytest.approx(float(price), rel=0.01)


def coin(account: dict[str, Any], name: str) -> float:
    return next(float(row["walletBalance"]) for row in account["coin"] if row["coin"] == name)

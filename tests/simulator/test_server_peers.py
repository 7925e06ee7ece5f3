"""Clients that we did not write trade here, with nothing but their own settings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP

from bybit_sync.simulator import LocalAccount, LocalExchange

LINES = pytest.mark.parametrize("category", ["spot", "linear"])
SYMBOLS = pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT"])


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


def pybit_client(exchange: LocalExchange, key: str, secret: str) -> HTTP:
    # A code that never comes: an empty set would mean the default, which waits and repeats.
    client = HTTP(api_key=key, api_secret=secret, retry_codes={1})
    client.endpoint = exchange.url
    client.client.verify = exchange.ca_file
    return client


def ccxt_client(exchange: LocalExchange, key: str, secret: str) -> Any:
    client = ccxt.bybit(
        {
            "apiKey": key,
            "secret": secret,
            "enableRateLimit": False,
            "validateServerSsl": exchange.ca_file,
        }
    )
    client.urls["api"] = dict.fromkeys(client.urls["api"], exchange.url)
    return client


# --- pybit --------------------------------------------------------------------------------


@LINES
def test_pybit_places_amends_finds_and_cancels(pybit: HTTP, category: str) -> None:
    market = {"category": category, "symbol": "BTCUSDT"}
    last = float(pybit.get_tickers(**market)["result"]["list"][0]["lastPrice"])
    order = pybit.place_order(
        **market, side="Buy", orderType="Limit", qty="0.01", price=str(round(last * 0.8, 1))
    )["result"]["orderId"]

    assert pybit.amend_order(**market, orderId=order, qty="0.02")["result"]["orderId"] == order
    found = pybit.get_open_orders(**market, orderId=order)["result"]["list"]
    assert [float(row["qty"]) for row in found] == [0.02]
    assert pybit.cancel_order(**market, orderId=order)["result"]["orderId"] == order
    assert pybit.get_open_orders(**market)["result"]["list"] == []
    history = pybit.get_order_history(**market)["result"]["list"]
    assert [(row["orderId"], row["orderStatus"]) for row in history] == [(order, "Cancelled")]


@LINES
def test_pybit_buys_at_the_market_and_sees_what_it_has(pybit: HTTP, category: str) -> None:
    before = pybit.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]
    order = pybit.place_order(
        category=category,
        symbol="BTCUSDT",
        side="Buy",
        orderType="Market",
        qty="0.01",
        **({"marketUnit": "baseCoin"} if category == "spot" else {}),
    )["result"]["orderId"]

    executions = pybit.get_executions(category=category)["result"]["list"]
    assert {row["orderId"] for row in executions} == {order}
    assert sum(float(row["execQty"]) for row in executions) == pytest.approx(0.01)
    if category == "linear":
        (position,) = pybit.get_positions(category=category, symbol="BTCUSDT")["result"]["list"]
        assert (position["side"], float(position["size"])) == ("Buy", 0.01)
    else:
        after = pybit.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]
        assert coin(after, "BTC") > coin(before, "BTC")
        assert coin(after, "USDT") < coin(before, "USDT")


def test_pybit_reads_the_market(pybit: HTTP) -> None:
    rows = pybit.get_kline(category="linear", symbol="BTCUSDT", interval=1, limit=1000)
    book = pybit.get_orderbook(category="spot", symbol="BTCUSDT", limit=50)["result"]

    assert len(rows["result"]["list"]) == 1000
    assert float(book["b"][0][0]) < float(book["a"][0][0])
    assert pybit.get_server_time()["retCode"] == 0


def test_pybit_is_told_what_is_wrong(exchange: LocalExchange, account: LocalAccount) -> None:
    wrong_key = pybit_client(exchange, "nobodysKey", account.api_secret)
    wrong_secret = pybit_client(exchange, account.api_key, "guessed")
    good = pybit_client(exchange, account.api_key, account.api_secret)
    order = {
        "category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit",
        "qty": "0.01", "price": "50000", "orderLinkId": "only-once",
    }  # fmt: skip

    def code(client: HTTP) -> int:
        with pytest.raises(InvalidRequestError) as told:
            client.place_order(**order)
        return int(told.value.status_code)

    codes = [code(wrong_key), code(wrong_secret)]
    exchange.faults.wrong_clock(60_000)
    codes.append(code(good))
    exchange.faults.clear()
    good.place_order(**order)
    codes.append(code(good))
    with pytest.raises(InvalidRequestError) as told:
        for _ in range(11):
            good.place_order(**{**order, "orderLinkId": ""})
    codes.append(told.value.status_code)
    for client in (wrong_key, wrong_secret, good):
        client.client.close()

    assert codes == [10003, 10004, 10002, 110072, 10006]
    assert "x-bapi-limit-reset-timestamp" in {n.lower() for n in told.value.resp_headers}


# --- ccxt ---------------------------------------------------------------------------------


@SYMBOLS
def test_ccxt_places_edits_finds_and_cancels(bybit: Any, symbol: str) -> None:
    price = bybit.price_to_precision(symbol, bybit.fetch_ticker(symbol)["last"] * 0.8)
    order = bybit.create_order(symbol, "limit", "buy", 0.01, price)["id"]

    assert bybit.edit_order(order, symbol, "limit", "buy", 0.02, price)["id"] == order
    assert [o["id"] for o in bybit.fetch_open_orders(symbol)] == [order]
    assert bybit.cancel_order(order, symbol)["id"] == order
    assert bybit.fetch_open_orders(symbol) == []
    assert [o["id"] for o in bybit.fetch_canceled_orders(symbol)] == [order]


@SYMBOLS
def test_ccxt_buys_at_the_market_and_sees_what_it_has(bybit: Any, symbol: str) -> None:
    price = bybit.fetch_ticker(symbol)["last"]
    order = bybit.create_order(symbol, "market", "buy", 0.01, price)["id"]

    trades = bybit.fetch_my_trades(symbol)
    assert {trade["order"] for trade in trades} == {order}
    assert [o["id"] for o in bybit.fetch_closed_orders(symbol)] == [order]
    if symbol.endswith(":USDT"):
        assert [(p["side"], p["contracts"]) for p in bybit.fetch_positions([symbol])] == [
            ("long", 0.01)
        ]
    assert bybit.fetch_balance()["USDT"]["total"] < 1_000_000


def test_ccxt_reads_the_market(bybit: Any) -> None:
    book = bybit.fetch_order_book("BTC/USDT", limit=50)

    assert len(bybit.fetch_ohlcv("BTC/USDT:USDT", "1m", limit=1000)) == 1000
    assert book["bids"][0][0] < book["asks"][0][0]
    assert {"BTC/USDT", "ETH/USDT", "XRP/USDT:USDT", "BTC/USD:BTC"} <= set(bybit.markets)


def test_ccxt_is_told_what_is_wrong(exchange: LocalExchange, account: LocalAccount) -> None:
    wrong_key = ccxt_client(exchange, "nobodysKey", account.api_secret)
    wrong_secret = ccxt_client(exchange, account.api_key, "guessed")
    good = ccxt_client(exchange, account.api_key, account.api_secret)
    good.load_markets()
    order = ("BTC/USDT:USDT", "limit", "buy", 0.01, 50_000)
    link = {"orderLinkId": hashlib.sha256(account.uid.encode()).hexdigest()[:30]}

    with pytest.raises(ccxt.AuthenticationError):
        wrong_key.fetch_balance()
    with pytest.raises(ccxt.AuthenticationError):
        wrong_secret.fetch_balance()
    exchange.faults.wrong_clock(60_000)
    with pytest.raises(ccxt.InvalidNonce):
        good.create_order(*order)
    exchange.faults.clear()
    good.create_order(*order, link)
    with pytest.raises(ccxt.InvalidOrder, match="110072"):
        good.create_order(*order, link)
    with pytest.raises(ccxt.RateLimitExceeded):
        for _ in range(11):
            good.create_order(*order)
    for client in (wrong_key, wrong_secret, good):
        client.session.close()


def coin(account: dict[str, Any], name: str) -> float:
    return next(float(row["walletBalance"]) for row in account["coin"] if row["coin"] == name)

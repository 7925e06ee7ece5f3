"""What a user writes, as a type checker sees it: checked by mypy --strict, never run."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from typing_extensions import assert_type

from bybit_sync import BybitClient, CallOptions, Reply
from bybit_sync.api.answers.market import Instrument, Ticker, Tickers
from bybit_sync.api.answers.trade import OrderIds


def answers(client: BybitClient) -> None:
    assert_type(client.market.get_tickers(category="linear"), Reply[Tickers])
    assert_type(client.market.get_tickers(category="linear").result["list"][0]["lastPrice"], str)
    assert_type(client.market.get_server_time().result["timeSecond"], str)
    assert_type(client.market.get_kline(symbol="X", interval="1").result["list"], list[list[str]])
    assert_type(client.market.get_orderbook(category="spot", symbol="X").result["u"], int)
    wallet = client.account.get_wallet_balance(accountType="UNIFIED").result["list"][0]
    assert_type(wallet["coin"][0]["walletBalance"], str)
    assert_type(client.position.get_positions(category="linear").result["list"][0]["size"], str)
    history = client.trade.get_order_history(category="linear").result
    assert_type(history["list"][0]["reduceOnly"], bool)
    assert_type(history["list"][0]["cumFeeDetail"], dict[str, str])
    volatility = client.market.get_historical_volatility(category="option").result
    assert_type(volatility[0]["value"], str)
    assert_type(client.request("GET", "/v5/market/time"), Reply[Any])


def envelope(client: BybitClient) -> None:
    reply = client.market.get_tickers(category="spot")
    assert_type(reply.elapsed, float)
    assert_type(reply["retCode"], Any)
    assert_type(reply.rate_limit.remaining if reply.rate_limit else None, "int | None")


def own_functions(client: BybitClient) -> dict[str, Decimal]:
    def price(row: Ticker) -> Decimal:
        return Decimal(row["lastPrice"])

    def tick(row: Instrument) -> Decimal:
        return Decimal(row["priceFilter"]["tickSize"])

    rows = client.market.get_instruments_info(category="linear").result["list"]
    ticks = {row["symbol"]: tick(row) for row in rows}
    prices = client.market.get_tickers(category="linear").result["list"]
    return {row["symbol"]: price(row) // ticks[row["symbol"]] for row in prices}


def trade(client: BybitClient, order: dict[str, str]) -> OrderIds:
    client.market.get_kline(symbol="BTCUSDT", interval="1", category="linear", limit=1000)
    client.market.get_kline(symbol="BTCUSDT", interval="D", start=datetime.now(timezone.utc))
    client.market.get_kline(symbol="BTCUSDT", interval="D", start=1_700_000_000_000)
    client.trade.place_batch_order(category="linear", request=[order, order])
    client.account.get_wallet_balance(accountType="UNIFIED", coin=["BTC", "USDT"])
    client.user.create_sub_api_key(subuid=1, readOnly=0, permissions={"Spot": ["SpotTrade"]})
    client.user.modify_sub_api_key(ips=["10.0.0.1", "10.0.0.2"])
    return client.trade.place_order(
        category="linear",
        symbol="BTCUSDT",
        side="Buy",
        orderType="Limit",
        qty=Decimal("0.001"),
        price="28000",
        takeProfit=30000,
        reduceOnly=False,
        options=CallOptions(timeout=2.0),
        extra={"brandNew": True},
    ).result

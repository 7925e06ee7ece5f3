"""Pages of the local exchange."""

from __future__ import annotations

import pytest

from bybit_sync import BybitClient
from bybit_sync.exceptions import ApiError
from bybit_sync.simulator import LocalExchange


def test_instruments_come_over_cursors(client: BybitClient) -> None:
    whole = client.market.get_instruments_info(category="linear").result["list"]

    found = list(client.pages(client.market.get_instruments_info, category="linear", limit=2))

    assert found == whole
    assert len(found) > 3


def test_orders_come_over_encoded_cursors(client: BybitClient) -> None:
    links = [f"page-{number}" for number in range(9)]
    for link in links:
        client.trade.place_order(
            category="linear",
            symbol="BTCUSDT",
            side="Buy",
            orderType="Limit",
            qty="0.001",
            price="50000",
            orderLinkId=link,
        )

    rows = client.pages(client.trade.get_open_orders, category="linear", symbol="BTCUSDT", limit=4)

    assert [row["orderLinkId"] for row in rows] == links[::-1]


def test_candles_are_walked_back_over_time(client: BybitClient) -> None:
    rows = list(
        client.pages(
            client.market.get_kline,
            category="linear",
            symbol="BTCUSDT",
            interval="1",
            start="2026-01-01",
            end="2026-01-02T23:59",
            limit=700,
        )
    )

    times = [int(row[0]) for row in rows]
    assert times == [1_767_225_600_000 + minute * 60_000 for minute in reversed(range(2880))]


def test_weeks_of_the_log_are_asked_for_one_by_one(
    client: BybitClient, exchange: LocalExchange
) -> None:
    client.trade.place_order(
        category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.001"
    )
    with pytest.raises(ApiError, match="more than 7 days"):
        client.account.get_transaction_log(startTime=1_767_225_600_000, endTime=1_777_225_600_000)

    frame = client.pages(client.account.get_transaction_log, startTime="2026-06-01").to_frame()

    assert frame["type"].tolist().count("TRADE") >= 1
    assert frame["transactionTime"].is_monotonic_decreasing


def test_volatility_is_asked_for_month_by_month(client: BybitClient) -> None:
    rows = list(
        client.pages(
            client.market.get_historical_volatility,
            category="option",
            baseCoin="BTC",
            startTime="2026-01-01",
            endTime="2026-04-01",
        )
    )

    times = [int(row["time"]) for row in rows]
    assert times == sorted(set(times), reverse=True)
    assert len(times) == 90 * 24 + 1

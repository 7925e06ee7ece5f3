"""Frames: typed columns, and nothing lost where an answer is not as documented."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

pandas = pytest.importorskip("pandas")

from bybit_sync.api import endpoints  # noqa: E402
from bybit_sync.call.reply import Reply  # noqa: E402
from bybit_sync.exceptions import ConfigError  # noqa: E402
from bybit_sync.frames import columns_of, frame_of_rows, kind_of  # noqa: E402
from bybit_sync.frames.columns import _table  # noqa: E402

KLINE = ["1704067200000", "42283.58", "42298.6", "42261", "42298.61", "35.92724", "1519032.1"]


def reply(endpoint: str, result: Any) -> Reply[Any]:
    return Reply({"retCode": 0, "result": result}, headers={}, elapsed=0.0, endpoint=endpoint)


def test_the_places_of_a_candle_have_names_and_types() -> None:
    frame = reply("market.get_kline", {"list": [KLINE]}).to_frame()

    assert list(frame) == [
        *("startTime", "openPrice", "highPrice", "lowPrice", "closePrice", "volume", "turnover")
    ]
    assert frame["startTime"][0] == pandas.Timestamp("2024-01-01", tz="UTC")
    assert [str(kind) for kind in frame.dtypes[1:]] == ["float64"] * 6
    assert frame["openPrice"][0] == 42283.58


def test_decimals_are_exact_on_request() -> None:
    frame = reply("market.get_kline", {"list": [KLINE]}).to_frame(decimals=Decimal)

    assert list(frame.iloc[0, 1:]) == [Decimal(text) for text in KLINE[1:]]
    with pytest.raises(ConfigError, match="decimals"):
        reply("market.get_kline", {"list": [KLINE]}).to_frame(decimals=str)  # type: ignore[type-var]


def test_empty_texts_are_missing_and_a_time_of_zero_is_never() -> None:
    rows = [
        {"symbol": "A", "lastPrice": "", "deliveryTime": "0"},
        {"symbol": "B", "lastPrice": "7", "deliveryTime": "1704067200000"},
    ]
    frame = reply("market.get_tickers", {"list": rows}).to_frame()

    assert list(frame["symbol"]) == ["A", "B"]
    assert frame["lastPrice"].isna().tolist() == [True, False]
    assert str(frame["lastPrice"].dtype) == "float64"
    assert frame["deliveryTime"].isna().tolist() == [True, False]


def test_integers_stay_integers() -> None:
    rows = [{"seq": 2**60 + 1, "fillCount": "3", "n": 1}, {"fillCount": "", "n": None}]
    frame = frame_of_rows(rows, "position.get_closed_pnl")

    assert frame["seq"][0] == 2**60 + 1
    assert str(frame["fillCount"].dtype) == "Int64"
    assert str(frame["n"].dtype) == "Int64"
    assert str(frame_of_rows([{"n": 1}, {"n": 2}])["n"].dtype) == "int64"
    assert frame_of_rows([{"n": 2**70}])["n"][0] == 2**70


def test_ids_and_enums_are_texts_however_they_look() -> None:
    rows = [{"orderId": "00123", "userId": "77", "status": "1", "orderLinkId": ""}]
    frame = frame_of_rows(rows, "trade.get_order_history")

    assert frame.iloc[0].tolist() == ["00123", "77", "1", ""]


def test_a_column_that_is_not_as_documented_stays_as_it_was_sent() -> None:
    rows = [{"price": "auto", "createdTime": "yesterday"}, {"price": "1", "createdTime": "2"}]
    frame = frame_of_rows(rows, "trade.get_order_history")

    assert list(frame["price"]) == ["auto", "1"]
    assert list(frame["createdTime"]) == ["yesterday", "2"]
    exact = frame_of_rows(rows, "trade.get_order_history", decimals=Decimal)
    assert list(exact["price"]) == ["auto", "1"]


def test_seconds_and_milliseconds_of_one_name_are_told_apart() -> None:
    ms = frame_of_rows([{"createdTime": "1704067200000"}], "trade.get_order_history")
    seconds = frame_of_rows([{"createdTime": "1704067200"}], "asset.get_coin_exchange_records")

    assert ms["createdTime"][0] == seconds["createdTime"][0]


def test_an_order_book_has_both_sides() -> None:
    book = {"s": "BTCUSDT", "b": [["9", "1"], ["8", "2"]], "a": [["10", "3"]]}
    frame = reply("market.get_orderbook", book).to_frame()

    assert frame.to_dict("list") == {
        "side": ["bid", "bid", "ask"],
        "price": [9.0, 8.0, 10.0],
        "size": [1.0, 2.0, 3.0],
    }


def test_an_empty_answer_has_the_columns_that_are_known() -> None:
    frame = reply("market.get_kline", {"list": []}).to_frame()

    assert frame.shape == (0, 7)
    assert str(frame["startTime"].dtype).startswith("datetime64")
    assert reply("market.get_tickers", {"list": []}).to_frame().shape == (0, 0)


def test_rows_are_found_where_the_documentation_has_them() -> None:
    assert reply("account.query_dcp_info", {"dcpInfos": [{"product": "SPOT"}]}).to_frame()[
        "product"
    ].tolist() == ["SPOT"]


def test_rows_of_uneven_length_lose_nothing() -> None:
    frame = frame_of_rows([["1704067200000", "1"], [*KLINE, "new"]], "market.get_kline")

    assert frame.shape == (2, 8)
    assert frame.iloc[1, 7] == "new"


def test_the_table_names_endpoints_and_kinds_that_there_are() -> None:
    keys = {endpoint.key for endpoint in endpoints()}
    table = _table()

    assert {*table["endpoints"], *table["positional"], *table["rows"]} <= keys
    assert {kind for own in table["endpoints"].values() for kind in own.values()} <= {
        *("time_ms", "time_s", "time_ns", "decimal", "integer", "as_sent")
    }
    assert kind_of("market.get_kline", "startTime") == "time_ms"
    assert kind_of("", "no such field") == "as_sent"
    assert columns_of("market.get_tickers") == ()

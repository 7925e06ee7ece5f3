"""The server before the real market: orders, batches and pages."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from bybit_sync.simulator import LocalExchange

from .wire import Trader

REALTIME = "/v5/order/realtime"
BUY = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit"}
LOW = {**BUY, "qty": "0.01", "price": "50000"}


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange(limits=False, ip_limit=None) as exchange:
        yield exchange
        assert exchange.errors == []


@pytest.fixture
def trader(exchange: LocalExchange) -> Iterator[Trader]:
    with Trader(exchange, exchange.add_account()) as trader:
        yield trader


def test_an_order_id_of_ones_own_counts_for_ever(exchange: LocalExchange, trader: Trader) -> None:
    before = len(exchange.orders)

    assert trader.post("/v5/order/create", {**LOW, "orderLinkId": "once"}).code == 0
    again = trader.post("/v5/order/create", {**LOW, "orderLinkId": "once"})

    assert (again.code, len(exchange.orders)) == (110072, before + 1)


def test_a_batch_fails_order_by_order(exchange: LocalExchange, trader: Trader) -> None:
    item = {k: v for k, v in LOW.items() if k != "category"}
    items = [
        {**item, "orderLinkId": "one"},
        {**item, "orderLinkId": "one"},
        {**item, "orderLinkId": "two", "symbol": "NOPE"},
        {"symbol": "BTCUSDT"},
        {**item, "orderLinkId": "three"},
    ]

    reply = trader.post("/v5/order/create-batch", {"category": "linear", "request": items})

    codes = [note["code"] for note in reply.json["retExtInfo"]["list"]]
    assert [code == 0 for code in codes] == [True, False, False, False, True]
    ids = [row["orderId"] for row in reply.result["list"]]
    assert [bool(order_id) for order_id in ids] == [True, False, False, False, True]
    rows = trader.get(REALTIME, "category=linear&symbol=BTCUSDT").result["list"]
    assert {row["orderLinkId"] for row in rows} == {"one", "three"}


def test_pages_follow_each_other_whichever_way_the_cursor_is_sent(trader: Trader) -> None:
    placed = {
        trader.post("/v5/order/create", {**LOW, "orderLinkId": f"p{n}"}).result["orderId"]
        for n in range(5)
    }
    for encode in (str, lambda cursor: urlencode({"": cursor})[1:]):
        found: list[str] = []
        cursor = ""
        while True:
            query = f"category=linear&symbol=BTCUSDT&limit=2&cursor={encode(cursor)}"
            page = trader.get(REALTIME, query).result
            found += [row["orderId"] for row in page["list"]]
            cursor = page["nextPageCursor"]
            if not cursor or not page["list"]:
                break
        assert (len(found), set(found)) == (5, placed)

"""Klines of all intervals, trades, tickers and the book tell of the same market."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest

from .world_hand import INVERSE, LINEAR, SPOT, START_MS, Hand

XRP = {"category": "linear", "symbol": "XRPUSDT"}
DOGE = {"category": "spot", "symbol": "DOGEUSDT"}
MINUTE_MS = 60_000
MINUTES = {"3": 3, "5": 5, "15": 15, "30": 30, "60": 60, "120": 120, "240": 240, "720": 720}


@pytest.fixture(scope="module")
def hand() -> Hand:
    return Hand()


def klines(hand: Hand, where: dict[str, str], interval: str, **params: Any) -> list[list[str]]:
    """Klines, oldest first."""
    asked = {**where, "interval": interval, "limit": "1000", **params}
    return list(reversed(hand.call("market.get_kline", **asked)["list"]))


def together(rows: list[list[str]]) -> list[Any]:
    """One kline made of others."""
    values = [[Decimal(value) for value in row[1:]] for row in rows]
    return [
        values[0][0],
        max(row[1] for row in values),
        min(row[2] for row in values),
        values[-1][3],
        sum(row[4] for row in values),
        sum(row[5] for row in values),
    ]


@pytest.mark.parametrize("where", [SPOT, LINEAR, INVERSE, XRP, DOGE], ids=str)
@pytest.mark.parametrize("interval", list(MINUTES))
def test_a_kline_is_made_of_its_minutes(hand: Hand, where: dict[str, str], interval: str) -> None:
    span = MINUTES[interval] * MINUTE_MS
    start = (START_MS // span - 1) * span

    (long,) = klines(hand, where, interval, start=str(start), end=str(start))
    short = klines(hand, where, "1", start=str(start), end=str(start + span - 1))

    assert len(short) == MINUTES[interval]
    assert [Decimal(value) for value in long[1:]] == together(short)


@pytest.mark.parametrize("where", [SPOT, INVERSE], ids=str)
@pytest.mark.parametrize(("interval", "part"), [("D", "60"), ("W", "D"), ("M", "D")])
def test_days_weeks_and_months_add_up(
    hand: Hand, where: dict[str, str], interval: str, part: str
) -> None:
    before, current = klines(hand, where, interval, limit="2")

    inside = {"start": before[0], "end": str(int(current[0]) - 1)}
    whole = [Decimal(value) for value in before[1:]]

    assert whole == together(klines(hand, where, part, **inside))


@pytest.mark.parametrize("where", [SPOT, LINEAR, INVERSE], ids=str)
@pytest.mark.parametrize("interval", ["1", "15", "240", "D", "W", "M"])
def test_the_forming_kline_holds_what_has_happened_so_far(
    hand: Hand, where: dict[str, str], interval: str
) -> None:
    forming = klines(hand, where, interval, limit="1")[0]
    minutes = klines(hand, where, "1", start=forming[0])

    if len(minutes) < 1000:
        assert [Decimal(value) for value in forming[1:]] == together(minutes)
    assert forming[4] == klines(hand, where, "1", limit="1")[0][4]


def test_klines_follow_on_each_other(hand: Hand) -> None:
    rows = klines(hand, LINEAR, "1")

    assert len(rows) == 1000
    for before, after in itertools.pairwise(rows):
        assert int(after[0]) - int(before[0]) == MINUTE_MS
        assert after[1] == before[4]
        assert Decimal(after[3]) <= Decimal(after[1]) <= Decimal(after[2])


@pytest.mark.parametrize("where", [SPOT, LINEAR, INVERSE, XRP, DOGE], ids=str)
def test_trades_make_the_minutes(hand: Hand, where: dict[str, str]) -> None:
    deals = hand.call("market.get_public_trade_history", **where, limit="60")["list"]
    minute = int(deals[0]["time"]) // MINUTE_MS - 1
    mine = [deal for deal in reversed(deals) if int(deal["time"]) // MINUTE_MS == minute]
    start = str(minute * MINUTE_MS)

    (row,) = klines(hand, where, "1", start=start, end=start)

    prices = [Decimal(deal["price"]) for deal in mine]
    sizes = [Decimal(deal["size"]) for deal in mine]
    assert [prices[0], max(prices), min(prices), prices[-1]] == [Decimal(x) for x in row[1:5]]
    assert sum(sizes) == Decimal(row[5])
    if where["category"] != "inverse":  # whose turnover is in coin
        turnover = sum(price * size for price, size in zip(prices, sizes, strict=True))
        assert turnover == Decimal(row[6])


@pytest.mark.parametrize("where", [SPOT, LINEAR, INVERSE], ids=str)
def test_the_ticker_tells_the_last_24_hours(hand: Hand, where: dict[str, str]) -> None:
    (row,) = hand.call("market.get_tickers", **where)["list"]
    minute = START_MS // MINUTE_MS * MINUTE_MS
    newer = klines(hand, where, "1", end=str(minute))
    older = klines(
        hand, where, "1", start=str(minute - 1440 * MINUTE_MS), end=str(int(newer[0][0]) - 1)
    )

    day = together(older + newer)

    assert Decimal(row["prevPrice24h"]) == day[0]
    assert Decimal(row["highPrice24h"]) == day[1]
    assert Decimal(row["lowPrice24h"]) == day[2]
    assert Decimal(row["lastPrice"]) == day[3]
    assert Decimal(row["volume24h"]) == day[4]
    assert Decimal(row["turnover24h"]) == day[5]


@pytest.mark.parametrize("where", [SPOT, LINEAR, INVERSE, XRP, DOGE], ids=str)
def test_the_book_surrounds_the_last_price(hand: Hand, where: dict[str, str]) -> None:
    book = hand.call("market.get_orderbook", **where, limit="50")
    (row,) = hand.call("market.get_tickers", **where)["list"]
    bids = [Decimal(price) for price, _ in book["b"]]
    asks = [Decimal(price) for price, _ in book["a"]]

    assert len(bids) == len(asks) == 50
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] <= Decimal(row["lastPrice"]) <= asks[0]
    assert bids[0] < asks[0]
    assert (row["bid1Price"], row["bid1Size"]) == tuple(book["b"][0])
    assert (row["ask1Price"], row["ask1Size"]) == tuple(book["a"][0])


def test_start_and_end_are_included_and_the_newest_rows_kept(hand: Hand) -> None:
    start = (START_MS // MINUTE_MS - 500) * MINUTE_MS
    end = start + 9 * MINUTE_MS

    assert len(klines(hand, LINEAR, "1", start=str(start), end=str(end))) == 10
    assert len(klines(hand, LINEAR, "1", start=str(start + 1), end=str(end - 1))) == 8
    kept = klines(hand, LINEAR, "1", start=str(start), end=str(end), limit="3")
    assert [int(row[0]) for row in kept] == [end - 2 * MINUTE_MS, end - MINUTE_MS, end]
    assert klines(hand, LINEAR, "1", start=str(START_MS + MINUTE_MS)) == []


def test_history_reaches_back_two_years(hand: Hand) -> None:
    long_ago = START_MS - 730 * 86_400_000

    minutes = klines(hand, SPOT, "1", end=str(long_ago), limit="200")

    assert len(minutes) == 200
    assert int(minutes[-1][0]) <= long_ago


def test_mark_and_index_klines_bracket_the_premium(hand: Hand) -> None:
    asked = {**LINEAR, "interval": "60", "limit": "5"}
    last = hand.call("market.get_kline", **asked)["list"]
    mark = hand.call("market.get_mark_price_kline", **asked)["list"]
    index = hand.call("market.get_index_price_kline", **asked)["list"]
    premium = hand.call("market.get_premium_index_price_kline", **asked)["list"]

    for a, m, i, p in zip(last, mark, index, premium, strict=True):
        assert a[0] == m[0] == i[0] == p[0]
        assert Decimal(i[4]) < Decimal(m[4]) < Decimal(a[4])
        gap = (Decimal(a[4]) - Decimal(i[4])) / Decimal(i[4])
        assert abs(gap - Decimal(p[4])) < Decimal("0.000002")


def test_open_interest_is_the_same_at_every_interval(hand: Hand) -> None:
    hours = hand.call("market.get_open_interest", **LINEAR, intervalTime="1h", limit="3")["list"]
    fives = hand.call("market.get_open_interest", **LINEAR, intervalTime="5min", limit="40")["list"]

    known = {row["timestamp"]: row for row in fives}

    assert all(known.get(row["timestamp"], row) == row for row in hours)
    assert hours[0]["timestamp"] in known


def test_open_interest_pages_without_gap_or_repeat(hand: Hand) -> None:
    first = hand.call("market.get_open_interest", **LINEAR, intervalTime="1h", limit="5")
    second = hand.call(
        "market.get_open_interest",
        **LINEAR,
        intervalTime="1h",
        limit="5",
        cursor=first["nextPageCursor"],
    )

    times = [int(row["timestamp"]) for row in first["list"] + second["list"]]

    assert times == [times[0] - 3_600_000 * i for i in range(10)]


def test_funding_is_told_every_eight_hours(hand: Hand) -> None:
    rows = hand.call("market.get_funding_rate_history", **LINEAR, limit="4")["list"]

    times = [int(row["fundingRateTimestamp"]) for row in rows]

    assert all(time % 28_800_000 == 0 for time in times)
    assert times == sorted(times, reverse=True)
    assert times[0] <= START_MS


def test_instruments_page_by_cursor(hand: Hand) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = hand.call("market.get_instruments_info", category="linear", limit="2", cursor=cursor)
        seen += [row["symbol"] for row in page["list"]]
        cursor = page["nextPageCursor"]
        if not cursor:
            break

    assert seen == ["BTCUSDT", "DOGEUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]


def test_options_are_listed_until_they_are_delivered() -> None:
    hand = Hand()
    before = hand.call("market.get_instruments_info", category="option")["list"]
    first = min(before, key=lambda row: int(row["deliveryTime"]))
    assert int(first["deliveryTime"]) > START_MS

    hand.now_ms = int(first["deliveryTime"])

    after = {
        row["symbol"] for row in hand.call("market.get_instruments_info", category="option")["list"]
    }
    assert first["symbol"] not in after
    assert after
    assert hand.refused("market.get_orderbook", category="option", symbol=first["symbol"]) == (
        10001,
        "params error: symbol invalid",
    )


def test_a_call_loses_and_a_put_gains_with_the_strike(hand: Hand) -> None:
    listed = hand.call("market.get_tickers", category="option", baseCoin="BTC")["list"]
    series: dict[tuple[str, str], list[tuple[int, Decimal]]] = {}
    for row in listed:
        _, date, strike, kind, _ = row["symbol"].split("-")
        series.setdefault((date, kind), []).append((int(strike), Decimal(row["markPrice"])))

    for (_, kind), marks in series.items():
        prices = [price for _, price in sorted(marks)]
        assert prices == sorted(prices, reverse=kind == "C")


@pytest.mark.parametrize("where", [SPOT, LINEAR, INVERSE, XRP, DOGE], ids=str)
@pytest.mark.parametrize("interval", ["1", "3", "5", "15", "60", "D"])
def test_many_past_klines_at_once_are_those_told_one_by_one(
    hand: Hand, where: dict[str, str], interval: str
) -> None:
    span = {"D": 1440}.get(interval) or int(interval)
    end = START_MS - 3 * 86_400_000 + 12_345

    many = klines(hand, where, interval, end=str(end), limit="50")
    forming = klines(hand, where, interval, limit="1")[0]

    starts = [int(row[0]) for row in many]
    assert starts[-1] <= end < starts[-1] + span * MINUTE_MS
    for row in many[::7]:
        # Up to the present, bars are made one by one.
        until_now = klines(hand, where, interval, start=row[0])
        if len(until_now) < 1000:
            assert until_now[0] == row
            assert until_now[-1] == forming
        else:
            assert klines(hand, where, interval, start=row[0], end=row[0]) == [row]

"""Downloads from the local exchange, whose past adds up."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from bybit_sync import BybitClient
from bybit_sync.history import Task
from bybit_sync.history.fetch import fetch_lines
from bybit_sync.history.lines import Lines
from bybit_sync.history.series import find_series
from bybit_sync.simulator import LocalExchange

pandas = pytest.importorskip("pandas")

START = "2026-01-01"
START_MS = 1_767_225_600_000
MINUTE_MS = 60_000


def test_minutes_of_a_month_are_whole_and_make_its_days(client: BybitClient) -> None:
    minutes = client.history.klines("BTCUSDT", "1m", START, "2026-02-01", decimals=Decimal)
    days = client.history.klines("BTCUSDT", "1d", START, "2026-02-01", decimals=Decimal)

    expected = pandas.date_range(START, periods=31 * 1440, freq="min", tz="UTC")
    assert (minutes["startTime"].to_numpy() == expected.to_numpy()).all()
    by_day = minutes.groupby(minutes["startTime"].dt.floor("D"))
    assert by_day["highPrice"].max().tolist() == days["highPrice"].tolist()
    assert by_day["volume"].sum().tolist() == days["volume"].tolist()


def test_a_file_and_a_frame_hold_the_same(client: BybitClient, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "eth.parquet"
    what = ("ETHUSDT", "5m", START, "2026-01-20")

    client.history.klines(*what, category="spot", out=out)

    frame = client.history.klines(*what, category="spot")
    from_file = pandas.read_parquet(out)
    assert len(frame) == 19 * 288
    assert (frame.to_numpy() == from_file.to_numpy()).all()


def test_candles_go_into_a_file_as_the_text_of_the_answers(
    client: BybitClient, tmp_path: Path
) -> None:
    """A month of minutes is 45 windows; the last is short, and the first begins in a minute."""
    out = tmp_path / "btc.csv"
    start, end = START_MS + 30_000, START_MS + 31 * 1440 * MINUTE_MS
    what = {"category": "linear", "symbol": "BTCUSDT", "interval": "1"}
    window = Task(find_series("klines"), what, START_MS, START_MS + 1000 * MINUTE_MS, True)

    client.history.klines("BTCUSDT", "1m", start, end, out=out)

    assert isinstance(fetch_lines(client, window), Lines)
    rows = list(client.pages(client.market.get_kline, **what, start=start, end=end - 1))
    lines = out.read_text().splitlines()
    assert lines[0].split(",") == list(window.series.names)
    assert lines[1:] == [",".join(row) for row in reversed(rows)]
    assert len(rows) == 31 * 1440 - 1


def test_other_candles_follow_the_same_grid(client: BybitClient) -> None:
    history = client.history
    for load in (
        history.mark_price_klines,
        history.index_price_klines,
        history.premium_index_klines,
    ):
        frame = load("BTCUSDT", "1h", START, "2026-01-08")
        assert len(frame) == 7 * 24
        assert frame["startTime"].diff().dropna().nunique() == 1


def test_funding_open_interest_and_ratio_have_no_gap(client: BybitClient) -> None:
    funding = client.history.funding("BTCUSDT", START, "2026-07-01")
    interest = client.history.open_interest("BTCUSDT", "5m", START, "2026-01-08")
    ratio = client.history.long_short_ratio("BTCUSDT", "1h", START, "2026-03-01")

    assert len(funding) == 181 * 3
    assert funding["fundingRateTimestamp"].diff().dropna().nunique() == 1
    assert len(interest) == 7 * 288
    assert interest["timestamp"].is_monotonic_increasing
    assert len(ratio) == 59 * 24
    assert str(ratio["buyRatio"].dtype) == "float64"


def test_the_accounts_own_history(client: BybitClient, exchange: LocalExchange) -> None:
    for _ in range(3):
        for side in ("Buy", "Sell"):
            client.trade.place_order(
                category="linear", symbol="BTCUSDT", side=side, orderType="Market", qty="0.002"
            )
    history = client.history

    trades = history.executions("2026-06-01", category="linear", symbol="BTCUSDT")
    orders = history.orders("2026-06-01", category="linear")
    closed = history.closed_pnl("2026-06-01", category="linear")
    log = history.transaction_log("2026-06-01", category="linear")

    assert trades["execId"].is_unique
    assert trades["execQty"].sum() == pytest.approx(0.012)
    assert trades["execTime"].is_monotonic_increasing
    assert orders["side"].tolist() == ["Buy", "Sell"] * 3
    assert len(closed) == 3
    assert len(log[log["type"] == "TRADE"]) == len(trades)


def test_pages_of_trades_are_put_together(client: BybitClient) -> None:
    for _ in range(60):
        client.trade.place_order(
            category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.001"
        )

    orders = client.history.orders("2026-10-01", category="linear")

    assert len(orders) == 60
    assert orders["orderId"].is_unique


def test_a_failing_exchange_stops_the_download_and_the_next_one_goes_on(
    client: BybitClient, exchange: LocalExchange, tmp_path: Path
) -> None:
    out = tmp_path / "btc.csv"
    end = START_MS + 30_000 * MINUTE_MS
    exchange.faults.http_status("/v5/market/kline", 404, None, skip=12)
    with pytest.raises(Exception, match="404"):
        client.history.klines("BTCUSDT", "1m", START, end, out=out, workers=2)
    exchange.faults.clear()

    saved = client.history.klines("BTCUSDT", "1m", START, end, out=out)

    assert 0 < saved.new_rows < 30_000
    times = pandas.read_csv(out)["startTime"].tolist()
    assert times == [START_MS + minute * MINUTE_MS for minute in range(30_000)]

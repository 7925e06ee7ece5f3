"""What a type checker says about a user's script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GOOD = """
from datetime import datetime, timezone
from decimal import Decimal

from bybit_sync.api import Groups
from bybit_sync.call.records import CallOptions


def use(client: Groups, order: dict[str, str]) -> str:
    client.market.get_kline(symbol="BTCUSDT", interval="1", category="linear", limit=1000)
    client.market.get_kline(symbol="BTCUSDT", interval="D", start=datetime.now(timezone.utc))
    client.market.get_kline(symbol="BTCUSDT", interval="D", start=1_700_000_000_000)
    client.trade.place_order(
        category="linear", symbol="BTCUSDT", side="Buy", orderType="Limit",
        qty=Decimal("0.001"), price="28000", takeProfit=30000, reduceOnly=False,
        options=CallOptions(timeout=2.0), extra={"brandNew": True},
    )
    client.trade.place_batch_order(category="linear", request=[order, order])
    client.account.get_wallet_balance(accountType="UNIFIED", coin=["BTC", "USDT"])
    client.user.create_sub_api_key(subuid=1, readOnly=0, permissions={"Spot": ["SpotTrade"]})
    reply = client.fiat.get_fiat_coin_list()
    return str(reply.result["list"])
"""

WRONG = {
    'client.market.get_tickers(category="futures")': "category",
    "client.market.get_tickers()": "Missing named argument",
    'client.market.get_tickers(category="linear", symbl="BTCUSDT")': "Never|NoReturn",
    'client.market.get_tickers("linear")': "Too many positional arguments",
    'client.market.get_kline(symbol="BTCUSDT", interval="2")': "interval",
    'client.trade.set_dcp(timeWindow="40")': "timeWindow",
    'client.trade.cancel_order(category="linear", symbol=1)': "symbol",
    'client.trade.place_batch_order(category="linear", request=["a"])': "List item",
    "client.futures": "has no attribute",
    "client.market.get_futures()": "has no attribute",
}


def test_mypy_takes_right_calls_and_refuses_wrong_ones(tmp_path: Path):
    api = pytest.importorskip("mypy.api")
    lines = [*GOOD.rstrip().split("\n"), "", "", "def misuse(client: Groups) -> None:"]
    first = len(lines) + 1
    script = tmp_path / "script.py"
    script.write_text("\n".join([*lines, *(f"    {wrong}" for wrong in WRONG)]) + "\n")

    out, err, _ = api.run(
        ["--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache"), str(script)]
    )

    assert err == ""
    told = dict(re.findall(r"script\.py:(\d+): error: (.*)", out))
    assert [n for n in told if int(n) < first] == [], out
    for number, (wrong, reason) in enumerate(WRONG.items(), first):
        assert re.search(reason, told.get(str(number), "")), f"{wrong}: {out}"
    assert re.findall(r"^.*\bapi\b.*: error: .*$", out, re.MULTILINE) == []

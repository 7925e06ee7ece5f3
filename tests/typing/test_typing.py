"""What mypy --strict says about a user's script, right and wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("user_script.py")
WRONG = {
    'client.market.get_tickers(category="futures")': "category",
    "client.market.get_tickers()": "Missing named argument",
    'client.market.get_tickers(category="linear", symbl="BTCUSDT")': "Never|NoReturn",
    'client.market.get_tickers("linear")': "Too many positional arguments",
    'client.market.get_kline(symbol="BTCUSDT", interval="2")': "interval",
    'client.market.get_kline(symbol="BTCUSDT", interval="1", start="2024-01-01")': "start",
    'client.trade.set_dcp(timeWindow="40")': "timeWindow",
    'client.trade.cancel_order(category="linear", symbol=1)': "symbol",
    'client.trade.place_batch_order(category="linear", request=["a"])': "List item",
    "client.futures": "has no attribute",
    "client.market.get_futures()": "has no attribute",
    'client.market.get_tickers(category="spot").result["rows"]': 'has no key "rows"',
    'client.market.get_tickers(category="spot").result["list"][0]["price"]': 'has no key "price"',
    "client.market.get_server_time().result.timeSecond": "has no attribute",
    'client.market.get_server_time().result["timeSecond"] + 1': "Unsupported operand",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """mypy's errors by file and line, from one run over the right script and the wrong one."""
    api = pytest.importorskip("mypy.api")
    folder = tmp_path_factory.mktemp("typing")
    head = ["from bybit_sync import BybitClient", "", "def misuse(client: BybitClient) -> None:"]
    wrong = folder / "wrong.py"
    wrong.write_text("\n".join([*head, *(f"    {line}" for line in WRONG)]) + "\n")

    flags = ["--strict", "--no-error-summary", "--follow-imports", "silent"]
    cache = ["--cache-dir", str(folder / "cache")]
    out, err, _ = api.run([*flags, *cache, str(SCRIPT), str(wrong)])

    assert err == ""
    return dict(re.findall(r"(\w+\.py:\d+): error: (.*)", out))


def test_a_users_script_passes_strictly_and_its_answers_have_types(told: dict[str, str]) -> None:
    assert {where: what for where, what in told.items() if SCRIPT.name in where} == {}


@pytest.mark.parametrize(("line", "wrong"), list(enumerate(WRONG, 4)))
def test_a_wrong_call_is_an_error_before_it_runs(
    told: dict[str, str], line: int, wrong: str
) -> None:
    assert re.search(WRONG[wrong], told.get(f"wrong.py:{line}", "")), wrong

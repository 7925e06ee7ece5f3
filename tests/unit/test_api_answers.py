"""The types of the answers against every answer that the documentation shows."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_origin, is_typeddict

import pytest

from bybit_sync._codegen.answers import load_answers, python_type
from bybit_sync.api import GROUPS, endpoints
from bybit_sync.call.records import Endpoint
from tests.shapes import result_hint, shape_faults

EXAMPLES: dict[str, list[dict[str, Any]]] = json.loads(
    resources.files("bybit_sync.simulator").joinpath("data/samples.json").read_bytes()
)
UNDOCUMENTED = {
    # Their pages say nothing of an answer, or are gone.
    "asset.get_allowed_deposit_coin_info",
    "p2p.get_message_list",
    "p2p.query_chat_session_list",
    "p2p.send_message",
    "spot_margin.spot_margin_trade_normal_borrow",
    "spot_margin.spot_margin_trade_normal_get_borrow_order_detail",
    "spot_margin.spot_margin_trade_normal_get_borrowable_coin_info",
    "spot_margin.spot_margin_trade_normal_get_interest_quota",
    "spot_margin.spot_margin_trade_normal_get_loan_account_info",
    "spot_margin.spot_margin_trade_normal_get_repayment_order_detail",
    "spot_margin.spot_margin_trade_normal_get_vip_margin_data",
    "spot_margin.spot_margin_trade_normal_repay",
    "spot_margin.spot_margin_trade_normal_toggle_margin_trade",
}


def result_of(endpoint: Endpoint, body: dict[str, Any]) -> Any:
    return body if endpoint.envelope == "none" else body.get("result")


@pytest.mark.parametrize("group", GROUPS)
def test_every_documented_answer_has_the_type_that_its_method_promises(group: str) -> None:
    for endpoint in (each for each in endpoints() if each.group == group):
        for example in EXAMPLES.get(endpoint.key, []):
            found = result_of(endpoint, example["body"])
            assert list(shape_faults(found, result_hint(endpoint))) == [], endpoint.key


def test_every_example_with_fields_is_typed_by_them() -> None:
    for endpoint in endpoints():
        found = [result_of(endpoint, each["body"]) for each in EXAMPLES.get(endpoint.key, [])]
        if not any(found) or endpoint.key in UNDOCUMENTED:
            continue
        hint = result_hint(endpoint)
        rows = get_args(hint)[0] if get_origin(hint) is list else hint
        assert is_typeddict(rows) or hint is str, endpoint.key


def test_a_wrong_answer_is_told_by_its_place() -> None:
    tickers = next(each for each in endpoints() if each.key == "market.get_tickers")
    row = EXAMPLES["market.get_tickers"][0]["body"]["result"]["list"][0]

    def faults(**changes: Any) -> list[str]:
        rows = {"category": "linear", "list": [{**row, **changes}]}
        return list(shape_faults(rows, result_hint(tickers)))

    assert faults() == []
    assert faults(lastPrice=1.5) == ["result.list[0].lastPrice: 1.5 is no str"]
    assert faults(news="x") == ["result.list[0].news is not in Ticker"]
    assert list(shape_faults({"category": "linear"}, result_hint(tickers))) == [
        "result.list is missing"
    ]


def test_the_types_of_answers_are_not_imported_when_a_program_runs() -> None:
    code = (
        "import sys, bybit_sync.api as api; groups = api.Groups(print)\n"
        "[getattr(groups, name) for name in api.GROUPS]\n"
        "print(*[name for name in sys.modules if '.answers' in name])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == ""


# --- how the tables are read --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("str", "str"),
        ("str | null", "str | None"),
        ("[Ticker]", "list[Ticker]"),
        ("[[str | int]]", "list[list[str | int]]"),
        ("{Coin} | null", "dict[str, Coin] | None"),
        ("[any]", "list[Any]"),
        ("empty", "dict[str, Any]"),
    ],
)
def test_a_type_is_written_as_python_writes_it(text: str, hint: str) -> None:
    assert python_type(text) == hint


GOOD = """
[answers]
get_tickers = "Tickers"
set_mode = "empty"

[shapes.Tickers]
list = "[Ticker]"

[shapes.Ticker]
symbol = "str"
side = "?str, only linear: Buy | Sell"
"""


def read(folder: Path, text: str) -> tuple[Any, list[str]]:
    (folder / "answers").mkdir(exist_ok=True)
    (folder / "answers" / "market.toml").write_text(text)
    faults: list[str] = []
    return load_answers(folder, "market", ["get_tickers", "set_mode"], faults), faults


def test_a_table_of_answers_becomes_shapes(tmp_path: Path) -> None:
    answers, faults = read(tmp_path, GOOD)

    symbol, side = answers.shapes["Ticker"]
    assert faults == []
    assert (symbol.hint, symbol.is_optional, symbol.note) == ("str", False, "")
    assert (side.hint, side.is_optional, side.note) == ("str", True, "only linear")
    assert side.values == ("Buy", "Sell")
    assert answers.methods["get_tickers"].type == "Tickers"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[answers]", "[answer]", "unknown table [answer]"),
        ("get_tickers", "get_ticker", "the group has no method get_ticker"),
        ('"[Ticker]"', '"[Tiker]"', "Tickers.list: 'Tiker' is no type and no shape"),
        ('"[Ticker]"', '"[Ticker"', "the brackets of '[Ticker' do not match"),
        ('"[Ticker]"', '"[str]"', "nobody uses the shape Ticker"),
        ('symbol = "str"', 'symbol = ""', "Ticker.symbol: '' is not [?]TYPE"),
        ('symbol = "str"', "symbol = 1", "Ticker.symbol: 1 is not [?]TYPE"),
        ('symbol = "str"', '"24h" = "?str"', "Ticker.24h: only a field that Python can name"),
        ("[shapes.Ticker]", "[shapes.ticker]", "'ticker' cannot name a shape"),
        ("[shapes.Tickers]", "[shapes.Tickers", "answers/market.toml: "),
    ],
)
def test_a_slip_in_a_table_of_answers_is_told(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in GOOD
    _, faults = read(tmp_path, GOOD.replace(old, new, 1))

    assert any(told in fault for fault in faults), faults
    assert all(fault.startswith("answers/market.toml: ") for fault in faults)

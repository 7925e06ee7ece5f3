"""`call`: any endpoint from a shell, as a table, as tabs or as JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

from bybit_sync.api import endpoints
from bybit_sync.api.market import GET_SERVER_TIME, GET_TICKERS
from bybit_sync.api.trade import PLACE_BATCH_ORDER, PLACE_ORDER
from bybit_sync.call.reply import Reply
from bybit_sync.cli.endpoints import find
from bybit_sync.cli.grid import Grid, grid_of, table_of
from bybit_sync.cli.values import params_of
from bybit_sync.simulator import LocalExchange

from .tools import Invoke, at, terminal

BUY = (
    "trade.place_order",
    "category=spot",
    "symbol=BTCUSDT",
    "side=Buy",
    "orderType=Limit",
    "qty=0.01",
    "price=10000",
)


# --- answers ------------------------------------------------------------------------------


def test_json_is_the_whole_envelope(exchange: LocalExchange, invoke: Invoke) -> None:
    done = invoke(
        "call", "market.get_tickers", "category=spot", "symbol=BTCUSDT", "--json", *at(exchange)
    )
    answer = json.loads(done.out)

    assert done.code == 0
    assert answer["retCode"] == 0
    assert answer["result"]["list"][0]["symbol"] == "BTCUSDT"


def test_a_pipe_gets_tabs_and_the_facts_go_to_stderr(
    exchange: LocalExchange, invoke: Invoke
) -> None:
    done = invoke("call", "market.get_tickers", "category=spot", *at(exchange))
    head, *rows = [line.split("\t") for line in done.out.splitlines()]

    assert head[0] == "symbol"
    assert {row[0] for row in rows} >= {"BTCUSDT", "ETHUSDT"}
    assert all(len(row) == len(head) for row in rows)
    assert f"{len(rows)} rows" in done.err


def test_columns_are_chosen_in_their_order(exchange: LocalExchange, invoke: Invoke) -> None:
    options = ("category=spot", "symbol=BTCUSDT", "--columns", "lastPrice,symbol", *at(exchange))

    done = invoke("call", "market.get_tickers", *options)

    assert done.out.splitlines()[0] == "lastPrice\tsymbol"


def test_a_column_that_is_not_there_is_told_with_those_that_are(
    exchange: LocalExchange, invoke: Invoke
) -> None:
    done = invoke("call", "market.get_tickers", "category=spot", "--columns", "last", *at(exchange))

    assert done.code == 2
    assert "lastPrice" in done.err


def test_an_order_book_is_shown_with_both_sides(exchange: LocalExchange, invoke: Invoke) -> None:
    options = ("category=spot", "symbol=BTCUSDT", "limit=2", *at(exchange))

    lines = invoke("call", "market.get_orderbook", *options).out.splitlines()

    assert lines[0] == "side\tprice\tsize"
    assert [line.partition("\t")[0] for line in lines[1:]] == ["bid", "bid", "ask", "ask"]


def test_a_page_tells_the_cursor_of_the_next_one(exchange: LocalExchange, invoke: Invoke) -> None:
    done = invoke(
        "call", "market.get_instruments_info", "category=linear", "limit=1", *at(exchange)
    )

    assert "more rows: cursor=" in done.err


def test_on_a_terminal_it_is_a_table(exchange: LocalExchange) -> None:
    options = ("call", "market.get_tickers", "category=spot", "--columns", "symbol,lastPrice")
    with terminal(*options, *at(exchange)) as shown:
        assert shown.end() == 0

    assert "┃" in shown.shown
    assert "BTCUSDT" in shown.shown
    assert "\x1b[" in shown.shown


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_respected(env: dict[str, str], coloured: bool) -> None:
    with terminal("call", "nowhere.nothing", env=env) as shown:
        assert shown.end() == 2

    assert "there is no group" in shown.shown
    assert ("\x1b[31m" in shown.shown) is coloured


# --- calls that change something ----------------------------------------------------------


def test_without_a_terminal_an_order_needs_yes(
    exchange: LocalExchange, invoke: Invoke, keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(exchange.orders)

    done = invoke("call", *BUY, *at(exchange))

    assert done.code == 2
    assert "--yes" in done.err
    assert len(exchange.orders) == before


def test_with_yes_it_is_placed_once(exchange: LocalExchange, invoke: Invoke, keys: None) -> None:
    before = len(exchange.orders)

    done = invoke("call", *BUY, "--yes", *at(exchange))

    assert done.code == 0
    assert done.out.splitlines()[0] == "orderId\torderLinkId"
    assert len(exchange.orders) == before + 1


@pytest.mark.parametrize(("answer", "placed"), [("n\n", 0), ("\n", 0), ("y\n", 1)])
def test_a_terminal_is_asked_first(
    answer: str, placed: int, exchange: LocalExchange, keys: None
) -> None:
    before = len(exchange.orders)
    with terminal("call", *BUY, *at(exchange)) as asked:
        asked.wait_for("Send it?")
        assert f"trade.place_order changes something at {exchange.url}" in asked.shown
        assert len(exchange.orders) == before
        asked.press(answer)
        assert asked.end() == (0 if placed else 1)

    assert len(exchange.orders) == before + placed


def test_an_order_on_an_exchange_of_ones_own_needs_no_yes(invoke: Invoke) -> None:
    assert invoke("call", *BUY, "--local").code == 0


def test_a_lost_answer_is_told_with_the_order_to_look_for(
    exchange: LocalExchange, invoke: Invoke, keys: None
) -> None:
    exchange.faults.drop_after_accept("/v5/order/create")

    done = invoke("call", *BUY, "orderLinkId=mine-77", "--yes", *at(exchange))

    assert done.code == 1
    assert "may have been carried out: look it up (orderLinkId mine-77)" in done.err
    assert len(done.err.strip().splitlines()) == 1


# --- what is refused before anything is sent ----------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("market.get_tikers",), "'get_tickers'"),
        (("markt.get_tickers",), "'market'"),
        (("market.get_tickers", "category"), "neither name=value nor name:=JSON"),
        (("market.get_tickers", "category=moon"), "not one of spot, linear"),
        (("market.get_tickers", "category=spot", "symbl=X"), "nearest is symbol"),
        (("market.get_tickers", "category=spot", "category=spot"), "given twice"),
        (("market.get_tickers",), "category: required"),
        (("market.get_tickers", "category:=spot"), "wants JSON"),
        (("market.get_server_time", "symbol=X"), "takes no parameters"),
        (("trade.place_batch_order", "category=spot", "request=x"), "request:='[{…}]'"),
        (("market.get_tickers", "category=spot", "extra=x"), "extra:="),
        (("market.get_tickers", "category=spot", "--local", "--environment", "demo"), "--local"),
    ],
)
def test_wrong_usage_is_a_line_that_names_it(
    arguments: tuple[str, ...], told: str, invoke: Invoke
) -> None:
    done = invoke("call", *arguments)

    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_private_call_without_keys_says_where_they_go(
    exchange: LocalExchange, invoke: Invoke
) -> None:
    done = invoke("call", "account.get_wallet_balance", "accountType=UNIFIED", *at(exchange))

    assert done.code == 1
    assert "BYBIT_API_KEY" in done.err
    assert "--config" in done.err


# --- values -------------------------------------------------------------------------------


def test_texts_go_as_they_are_and_json_keeps_every_digit() -> None:
    params = params_of(PLACE_ORDER, ["qty=0.10", "price:=0.12345678901234567890", "isLeverage:=1"])

    assert params == {"qty": "0.10", "price": Decimal("0.12345678901234567890"), "isLeverage": 1}


def test_a_value_may_hold_further_signs() -> None:
    assert params_of(GET_TICKERS, ["symbol=a=b:=c"]) == {"symbol": "a=b:=c"}
    assert params_of(GET_TICKERS, ["symbol="]) == {"symbol": ""}


def test_nested_values_are_json() -> None:
    params = params_of(PLACE_BATCH_ORDER, ['request:=[{"symbol": "BTCUSDT"}]'])

    assert params == {"request": [{"symbol": "BTCUSDT"}]}


def test_a_list_is_written_with_commas_where_the_endpoint_wants_one() -> None:
    plain = next(
        (endpoint, param)
        for endpoint in endpoints()
        for param in endpoint.params
        if param.kind == "array" and not param.fields
    )

    assert params_of(plain[0], [f"{plain[1].name}=a, b"]) == {plain[1].name: ["a", "b"]}


def test_a_file_is_named_by_its_path() -> None:
    endpoint = find("p2p.upload_chat_file")
    (name,) = [param.name for param in endpoint.params if param.kind == "file"]

    assert params_of(endpoint, [f"{name}=pic.png"]) == {name: Path("pic.png")}


# --- what there is ------------------------------------------------------------------------


def test_groups_and_methods_are_listed_with_what_they_are_for(invoke: Invoke) -> None:
    groups = invoke("call", "--list").out
    methods = invoke("call", "market", "--list").out

    assert "market " in groups
    assert "Market data" in groups
    assert "market.get_kline " in methods
    assert "trade." not in methods
    assert set(json.loads(invoke("call", "market", "--list", "--json").out)) >= {"get_kline"}


def test_an_endpoint_is_described_without_a_call(invoke: Invoke) -> None:
    done = invoke("call", "trade.place_order", "--describe")
    facts = json.loads(invoke("call", "trade.place_order", "--describe", "--json").out)

    assert "POST /v5/order/create (signed, changes something)" in done.out
    assert "Buy|Sell" in done.out
    assert facts["changes_something"] is True
    assert {"name": "symbol", "required": True, "takes": "string"} in facts["parameters"]


def test_every_endpoint_can_be_named_and_described(invoke: Invoke) -> None:
    for endpoint in endpoints():
        assert find(endpoint.key) is endpoint
    assert invoke("call", GET_SERVER_TIME.key, "--describe").code == 0


# --- the grid -----------------------------------------------------------------------------


def reply(result: Any, endpoint: str = "market.get_tickers") -> Reply[Any]:
    return Reply({"retCode": 0, "result": result}, headers={}, elapsed=0.1, endpoint=endpoint)


def text_of(table: Any) -> str:
    from rich.console import Console

    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_columns_that_do_not_fit_are_left_out_and_counted() -> None:
    rows = [{f"column{i}": f"value {i} {row}" for i in range(10)} for row in range(2)]

    table, hidden = table_of(grid_of(reply({"list": rows})), 60)

    assert len(table.columns) == 4
    assert hidden == 6


def test_a_single_row_is_shown_field_by_field() -> None:
    table, hidden = table_of(grid_of(reply({"list": [{"symbol": "X", "nested": {"a": 1}}]})), 60)

    assert hidden == 0
    assert '{"a":1}' in text_of(table)


def test_moments_are_dates_for_people_and_stay_numbers_for_programs() -> None:
    grid = grid_of(reply({"list": [["1700000000000", "1"]]}, "market.get_kline"))

    assert "2023-11-14T22:13:20Z" in text_of(table_of(grid, 200)[0])
    assert grid.lines()[1].startswith("1700000000000\t")


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    grid = Grid("x.y", ("[bold]", "b"), [["[red]no[/red]", "1"], ["a", "b"]])

    assert "[red]no[/red]" in text_of(table_of(grid, 200)[0])


def test_a_cell_of_a_line_holds_no_tab_and_no_newline() -> None:
    grid = Grid("x.y", ("a", "b"), [["one\ntwo\tthree", None]])

    assert grid.lines() == ["a\tb", "one two three\t"]


def test_no_rows_are_no_table() -> None:
    assert grid_of(reply({"list": []})).rows == []
    with pytest.raises(click.UsageError):
        grid_of(reply({"list": []})).only(["symbol"])

"""A Reply is the dict that Bybit sent, and a little more."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from typing import Any

import pytest

from bybit_sync.call.reply import RateLimit, Reply
from bybit_sync.net.answer import Headers

ROWS = [{"symbol": "BTCUSDT", "price": "1.0"}, {"symbol": "ETHUSDT", "price": "2.0", "x": None}]


def reply(result: Any = None, **fields: Any) -> Reply[Any]:
    return Reply(
        {"retCode": 0, "retMsg": "OK", "result": {"list": ROWS} if result is None else result}
        | fields,
        headers=Headers.of({"X-Bapi-Limit": "50"}),
        elapsed=0.012,
        rate_limit=RateLimit(50, 49, None),
        endpoint="market.get_tickers",
    )


def test_it_works_as_in_pybit() -> None:
    found = reply()
    assert isinstance(found, dict)
    assert found["result"]["list"][0]["symbol"] == "BTCUSDT"
    assert found.result is found["result"]
    assert json.loads(json.dumps(found)) == dict(found)


def test_the_facts_beside_the_envelope_are_attributes() -> None:
    found = reply()
    assert (found.elapsed, found.endpoint) == (0.012, "market.get_tickers")
    assert found.headers["x-bapi-limit"] == "50"
    assert found.rate_limit == (50, 49, None)
    with pytest.raises(AttributeError):
        found.reslut = 1  # type: ignore[attr-defined]


def test_an_answer_without_envelope_is_its_own_result() -> None:
    bare = Reply[Any]({"botId": "7"}, headers={}, elapsed=0.0)
    assert bare.result == {"botId": "7"}
    assert bare.rows() == [{"botId": "7"}]
    assert Reply[Any]({"retCode": 0, "result": None}, headers={}, elapsed=0.0).result is None


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r)), Reply.copy],  # noqa: S301
)
def test_copies_keep_everything(again: Any) -> None:
    first = reply()
    second = again(first)
    assert type(second) is Reply
    assert second == first
    assert (second.elapsed, second.rate_limit, second.endpoint) == (
        first.elapsed,
        first.rate_limit,
        first.endpoint,
    )
    assert dict(second.headers) == dict(first.headers)


@pytest.mark.parametrize(
    ("result", "rows"),
    [
        ({"list": [1, 2]}, [1, 2]),
        ({"rows": [{"a": 1}]}, [{"a": 1}]),
        ([{"a": 1}], [{"a": 1}]),
        ({"orderId": "1"}, [{"orderId": "1"}]),
        ({}, []),
        ("", []),
    ],
)
def test_rows_are_found_wherever_they_are(result: Any, rows: list[Any]) -> None:
    assert reply(result).rows() == rows


def test_a_frame_has_the_rows() -> None:
    pytest.importorskip("pandas")
    frame = reply().to_frame()
    assert list(frame["symbol"]) == ["BTCUSDT", "ETHUSDT"]
    assert reply({"list": [["1", "2"], ["3", "4"]]}).to_frame().shape == (2, 2)


def test_without_pandas_the_error_tells_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'pip install "bybit-sync\[history\]"'):
        reply().to_frame()


def test_a_notebook_sees_a_table_in_which_nothing_is_markup() -> None:
    evil = "<script>alert(1)</script>"
    page = reply({"list": [{evil: evil, "b": "x" * 5000}]})._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "x" * 200 not in page
    assert "<th>b</th>" in page
    assert "market.get_tickers: 1 row<" in page


def test_a_notebook_is_not_flooded_and_shows_no_new_key() -> None:
    page = reply({"list": [{"n": i} for i in range(1000)]})._repr_html_()
    assert page.count("<tr>") == 21
    assert "980 more" in page
    assert "tOpSeCrEt" not in reply({"apiKey": "x", "secret": "tOpSeCrEt"})._repr_html_()
    assert "<td>1</td><td>2</td>" in reply({"list": [["1", "2"]]})._repr_html_()
    assert "0 rows" in reply({})._repr_html_()


def test_a_notebook_sees_the_latency_and_what_is_left_of_the_limit() -> None:
    page = reply()._repr_html_()

    assert "12.0 ms" in page
    assert "49 of 50 calls left" in page


def test_a_notebook_sees_the_names_of_places() -> None:
    candle = [str(number) for number in range(7)]
    found = Reply[Any](
        {"retCode": 0, "result": {"list": [candle]}},
        headers={},
        elapsed=0.0,
        endpoint="market.get_kline",
    )

    assert "<th>startTime</th>" in found._repr_html_()
    found["result"]["list"].append(["1"])
    assert "<th>" not in found._repr_html_()


def test_a_secret_inside_of_a_cell_is_hidden_too() -> None:
    page = reply({"list": [{"keys": [{"apiSecret": "tOpSeCrEt", "n": 1}]}]})._repr_html_()

    assert "tOpSeCrEt" not in page
    assert "&#x27;n&#x27;: 1" in page


def test_rows_are_found_where_the_table_says() -> None:
    made = {"retCode": 0, "result": {"dcpInfos": [{"product": "SPOT"}]}}
    found = Reply[Any](made, headers={}, elapsed=0.0, endpoint="account.query_dcp_info")

    assert found.rows() == [{"product": "SPOT"}]

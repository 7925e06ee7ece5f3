"""Every way of handing out rows, walked to its end against a server that keeps the docs' rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import pytest

from bybit_sync.api import Groups, endpoints
from bybit_sync.api._paging import PAGING
from bybit_sync.call.paging import Paging
from bybit_sync.call.records import Endpoint, Param
from bybit_sync.call.reply import Reply
from bybit_sync.exceptions import ConfigError
from bybit_sync.pages import Pages

NOW_MS = 1_770_000_000_000
DAY_MS = 86_400_000
BY_KEY = {endpoint.key: endpoint for endpoint in endpoints()}
Call = tuple[str, dict[str, Any]]


class Server:
    """Holds rows, newest first, one every six hours, and hands them out as one endpoint does."""

    def __init__(self, key: str, count: int, page: int = 7) -> None:
        self.key = key
        self.paging = PAGING[key]
        self.page = page
        self.calls: list[dict[str, Any]] = []
        times = [NOW_MS - DAY_MS // 4 * (number + 1) for number in range(count)]
        self.rows = [self._row(number, ms) for number, ms in enumerate(times)]
        self.times = dict(zip(range(count), times, strict=True))
        if self.paging.is_oldest_first:
            self.rows.reverse()

    def _row(self, number: int, ms: int) -> Any:
        field = self.paging.time_field
        if isinstance(field, int):
            return [str(ms), str(number)]
        row = {"n": number, self.paging.unique or "id": f"x{number}"}
        return row if field is None else {**row, field: str(ms)}

    def __call__(
        self, endpoint: Endpoint, params: dict[str, Any], options: Any = None, extra: Any = None
    ) -> Reply[Any]:
        assert endpoint.key == self.key
        given = {name: value for name, value in params.items() if value is not None}
        self.calls.append(given)
        self._check_window(given)
        rows = [row for row in self.rows if self._is_inside(row, given)]
        shown, facts = getattr(self, f"_{self.paging.kind}")(rows, given)
        field = self.paging.rows
        result = {**facts, field: shown} if field else shown
        return Reply({"retCode": 0, "result": result}, headers={}, elapsed=0.0)

    def _check_window(self, given: dict[str, Any]) -> None:
        paging = self.paging
        start, end = given.get(paging.start_param), given.get(paging.end_param)
        if start is not None and end is not None and paging.max_span_ms is not None:
            assert (end - start) * paging.unit_ms <= paging.max_span_ms

    def _is_inside(self, row: Any, given: dict[str, Any]) -> bool:
        paging = self.paging
        start, end = given.get(paging.start_param), given.get(paging.end_param)
        at = self.times[int(row[1]) if isinstance(row, list) else row["n"]] // paging.unit_ms
        return (start is None or start <= at) and (end is None or at <= end)

    def _cursor(self, rows: list[Any], given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        first = int(str(given.get(self.paging.cursor_param, "c%3A0")).removeprefix("c%3A"))
        rest = rows[first + self.page :]
        last = "0" if self.paging.cursor_param == "nextCursor" else ""
        following = f"c%3A{first + self.page}" if rest else last
        return rows[first : first + self.page], {self.paging.next_field: following}

    def _page(self, rows: list[Any], given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        first = (int(given.get(self.paging.page_param, 1)) - 1) * self.page
        return rows[first : first + self.page], {}

    def _time(self, rows: list[Any], given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        is_cut = self.paging.limit_param and self.paging.time_field is not None
        return rows[: self.page] if is_cut else rows, {}


def dummy(param: Param) -> Any:
    """A value that the table allows."""
    if param.allowed:
        return param.allowed[0]
    return {"integer": 1, "array": [], "object": {}, "boolean": True}.get(param.kind, "1")


def required(endpoint: Endpoint) -> dict[str, Any]:
    paging = PAGING[endpoint.key]
    own = {paging.cursor_param, paging.page_param, paging.limit_param}
    needed = [p for p in endpoint.params if p.required and p.name not in own]
    return {param.name: dummy(param) for param in needed}


def method_of(server: Callable[..., Any], key: str) -> Any:
    group, name = key.split(".")
    return getattr(getattr(Groups(server), group), name)


def walk(server: Server, **params: Any) -> list[Any]:
    params = {**required(BY_KEY[server.key]), **params}
    limit = server.paging.limit_param
    if limit and server.paging.kind == "time" and server.paging.time_field is not None:
        params[limit] = server.page
    return list(Pages.of(method_of(server, server.key), params, lambda: NOW_MS))


@pytest.mark.parametrize("key", sorted(PAGING))
def test_every_row_comes_once_and_in_the_servers_order(key: str) -> None:
    server = Server(key, 30)

    assert walk(server) == server.rows


@pytest.mark.parametrize("key", sorted(PAGING))
def test_nothing_is_asked_after_an_empty_page(key: str) -> None:
    server = Server(key, 0)

    assert walk(server) == []
    assert len(server.calls) == 1


@pytest.mark.parametrize("key", sorted(key for key, way in PAGING.items() if way.start_param))
def test_a_window_that_is_too_wide_is_asked_for_in_parts(key: str) -> None:
    server = Server(key, 1000)
    unit = server.paging.unit_ms
    start, end = (NOW_MS - 200 * DAY_MS) // unit, (NOW_MS - 3 * DAY_MS) // unit
    window = {server.paging.start_param: start, server.paging.end_param: end}

    assert walk(server, **window) == [row for row in server.rows if server._is_inside(row, window)]


def test_a_start_alone_means_from_there_to_now() -> None:
    server = Server("trade.get_executions", 400)

    assert walk(server, startTime=NOW_MS - 60 * DAY_MS) == server.rows[:240]
    assert max(call["endTime"] for call in server.calls) == NOW_MS


def test_times_may_be_datetimes_and_iso_text() -> None:
    server = Server("market.get_kline", 400)
    day = datetime(2026, 1, 20, tzinfo=timezone.utc)

    found = walk(server, start=day, end="2026-01-21")

    assert [int(row[0]) for row in found] == [
        ms for ms in server.times.values() if day.timestamp() * 1000 <= ms <= 1_768_953_600_000
    ]


def test_the_largest_pages_are_asked_for_unless_the_caller_says_another_number() -> None:
    server = Server("market.get_mark_price_kline", 3)
    method = method_of(server, server.key)
    what = {"symbol": "BTC-1", "interval": "1"}

    for given in ({"category": "option"}, {"category": "linear"}, {}, {"limit": 5}):
        next(iter(Pages.of(method, {**what, **given}, lambda: NOW_MS)))

    assert [call["limit"] for call in server.calls] == [500, 1000, 1000, 5]


def test_an_execution_that_two_pages_tell_comes_once() -> None:
    server = Server("trade.get_executions", 12)
    server.rows.insert(7, server.rows[6])  # equal times: the border between two pages has moved

    found = walk(server, category="linear")

    assert [row["execId"] for row in found] == [f"x{n}" for n in range(12)]


def test_a_server_that_does_not_heed_the_time_is_not_asked_for_ever() -> None:
    server = Server("market.get_kline", 7)
    server._is_inside = lambda *_: True  # type: ignore[method-assign]
    window = {"start": NOW_MS - 30 * DAY_MS, "end": NOW_MS, "limit": 7}
    given = {**required(BY_KEY[server.key]), **window}

    rows = list(islice(Pages.of(method_of(server, server.key), given, lambda: NOW_MS), 100))

    assert rows[:7] == server.rows
    assert len(server.calls) == 3


def test_rows_of_one_millisecond_on_both_sides_of_a_page_are_all_there() -> None:
    server = Server("institutional_loan.get_loan_orders", 20)
    same = str(server.times[5])
    for number in range(5, 11):
        server.times[number] = server.times[5]
        server.rows[number]["loanTime"] = same

    assert walk(server) == server.rows


def a_method(answers: list[Any]) -> Callable[..., Reply[Any]]:
    def method(**params: Any) -> Reply[Any]:
        return Reply({"result": answers.pop(0)}, headers={}, elapsed=0.0)

    return method


def test_a_repeated_cursor_ends_the_walk() -> None:
    page = {"list": [{"n": 1}], "nextPageCursor": "again"}
    way = Paging(kind="cursor", rows="list", cursor_param="cursor", next_field="nextPageCursor")
    answers = [page, page, page]

    rows = list(Pages(a_method(answers), "x.y", way, {}, lambda: NOW_MS))

    assert len(rows) == 2
    assert len(answers) == 1


def test_a_server_that_repeats_its_last_page_ends_the_walk() -> None:
    way = Paging(kind="page", rows="list", page_param="page")
    first, last = {"list": [{"n": 1}]}, {"list": [{"n": 2}]}
    answers = [first, last, last, last]

    rows = list(Pages(a_method(answers), "x.y", way, {}, lambda: NOW_MS))

    assert rows == [{"n": 1}, {"n": 2}]


def test_a_total_that_is_reached_saves_the_last_call() -> None:
    way = Paging(kind="page", rows="list", page_param="page", limit_param="limit")
    answers = [{"list": [{"n": 1}, {"n": 2}], "total": "3"}, {"list": [{"n": 3}], "total": "3"}]

    rows = list(Pages(a_method(answers), "x.y", way, {"limit": 2}, lambda: NOW_MS))

    assert len(rows) == 3
    assert not answers


@pytest.mark.parametrize("nothing", [None, "", {}, {"list": None}, {"list": ""}])
def test_an_empty_result_of_any_kind_is_no_row(nothing: Any) -> None:
    way = Paging(kind="cursor", rows="list", cursor_param="cursor", next_field="nextPageCursor")

    assert list(Pages(a_method([nothing]), "x.y", way, {}, lambda: NOW_MS)) == []


def test_rows_come_as_they_are_needed() -> None:
    server = Server("market.get_instruments_info", 30)
    rows = iter(Pages.of(method_of(server, server.key), {"category": "linear"}, lambda: NOW_MS))

    for _ in range(8):
        next(rows)

    assert len(server.calls) == 2


def test_what_has_no_pages_is_refused_before_anything_is_sent() -> None:
    server = Server("market.get_kline", 1)

    with pytest.raises(ConfigError, match=r"market\.get_tickers gives its whole answer at once"):
        Pages.of(method_of(server, "market.get_tickers"), {}, lambda: NOW_MS)
    with pytest.raises(ConfigError, match=r"trade\.place_order"):
        Pages.of(method_of(server, "trade.place_order"), {}, lambda: NOW_MS)
    with pytest.raises(ConfigError, match="a method of an endpoint group"):
        Pages.of(print, {}, lambda: NOW_MS)
    with pytest.raises(ConfigError, match="before start"):
        walk(server, start="2026-02-01", end="2026-01-01")
    assert server.calls == []


def test_an_unknown_parameter_is_refused_by_the_method_itself() -> None:
    server = Server("market.get_instruments_info", 1)

    with pytest.raises(TypeError, match="category"):
        walk(server, categry="linear")

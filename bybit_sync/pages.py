"""All rows of an endpoint, page after page, whatever its way to hand them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bybit_sync.api._group import Group
from bybit_sync.api._paging import PAGING
from bybit_sync.call.moments import to_ms
from bybit_sync.call.paging import Paging
from bybit_sync.exceptions import ConfigError

from .frames import frame_of_rows

if TYPE_CHECKING:
    import pandas

    from bybit_sync.call.reply import Reply

Method = Callable[..., "Reply[Any]"]
_TOTALS = ("total", "totalCount", "count")


class Pages:
    """The rows of every page, asked for as they are needed; each iteration asks anew.

    They come in the order in which the exchange tells them. A call that fails raises what the
    method itself would have raised; the rows before it have been given by then.
    """

    def __init__(
        self,
        method: Method,
        endpoint: str,
        paging: Paging,
        params: dict[str, Any],
        now_ms: Callable[[], int],
    ) -> None:
        self._method = method
        self._endpoint = endpoint
        self._paging = paging
        self._params = params
        self._now_ms = now_ms

    @classmethod
    def of(cls, method: Method, params: dict[str, Any], now_ms: Callable[[], int]) -> Pages:
        """The pages of a client's method; asks for the largest ones unless `params` say a limit.

        Raises:
            ConfigError: it is no such method, or its answer has no pages, or a time is none.
        """
        endpoint = _name_of(method)
        paging = PAGING.get(endpoint)
        if paging is None:
            raise ConfigError(
                f"pages: {endpoint} gives its whole answer at once: call it, and see .rows()"
            )
        most = paging.most_rows(params.get("category"))
        if paging.limit_param and most is not None and params.get(paging.limit_param) is None:
            params = {**params, paging.limit_param: most}
        for name in (paging.start_param, paging.end_param):
            if name and params.get(name) is not None:
                params = {**params, name: _units(paging, endpoint, name, params[name])}
        _check_order(paging, endpoint, params)
        return cls(method, endpoint, paging, params, now_ms)

    def __iter__(self) -> Iterator[Any]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[list[Any]]:
        """The same rows, a page at a time; no page is empty."""
        walks = {"cursor": self._by_cursor, "page": self._by_number, "time": self._by_time}
        walk = walks[self._paging.kind]
        last: set[Any] = set()
        for window in self._windows():
            for rows in walk({**self._params, **window}):
                fresh, last = self._without(rows, last)
                if fresh:
                    yield fresh

    def to_frame(self, *, decimals: type[float | Decimal] = float) -> pandas.DataFrame:
        """All rows as one pandas DataFrame, as `Reply.to_frame` makes it.

        Raises:
            ImportError: pandas is not installed.
            BybitError: a page could not be had.
        """
        return frame_of_rows(self, self._endpoint, decimals=decimals)

    def __repr__(self) -> str:
        return f"<Pages of {self._endpoint}>"

    # --- one answer -----------------------------------------------------------------------

    def _ask(self, params: dict[str, Any]) -> tuple[Any, list[Any]]:
        result: Any = self._method(**params).result
        found = result
        if self._paging.rows:
            found = result.get(self._paging.rows) if isinstance(result, dict) else None
        return result, found if isinstance(found, list) else []

    def _without(self, rows: list[Any], last: set[Any]) -> tuple[list[Any], set[Any]]:
        """The rows that the page before has not told, and the names of these."""
        field = self._paging.unique
        if not field:
            return rows, last
        fresh = [row for row in rows if row.get(field) not in last]
        return fresh, {row.get(field) for row in rows}

    # --- windows of time ------------------------------------------------------------------

    def _windows(self) -> Iterator[dict[str, int]]:
        """What to put in place of the times asked for, so that no window is too wide."""
        paging = self._paging
        start, end = self._params.get(paging.start_param), self._params.get(paging.end_param)
        if start is None or (paging.max_span_ms is None and paging.kind != "time"):
            yield {}
            return
        if end is None:  # without it some endpoints refuse, and some stop after one span
            end = self._now_ms() // paging.unit_ms
        for low, high in _split(start, end, paging):
            yield {paging.start_param: low, paging.end_param: high}

    # --- the three ways -------------------------------------------------------------------

    def _by_cursor(self, params: dict[str, Any]) -> Iterator[list[Any]]:
        paging = self._paging
        seen = {params.get(paging.cursor_param)}
        while True:
            result, rows = self._ask(params)
            if not rows:
                return
            yield rows
            cursor = result.get(paging.next_field) if isinstance(result, dict) else None
            if not cursor or cursor in seen or _is_end(paging, cursor):
                return
            seen.add(cursor)
            params = {**params, paging.cursor_param: cursor}

    def _by_number(self, params: dict[str, Any]) -> Iterator[list[Any]]:
        paging = self._paging
        first = number = int(params.get(paging.page_param) or 1)
        before: list[Any] = []
        told = 0
        while True:
            result, rows = self._ask({**params, paging.page_param: number})
            if not rows or rows == before:  # the latter where a server knows no further page
                return
            yield rows
            told += len(rows)
            is_full = len(rows) >= int(params.get(paging.limit_param) or 1)
            # A total that one short page reaches may be the page's own count, but then it is over.
            if first == 1 and told >= _total(result) > 0 and (number > 1 or not is_full):
                return
            before, number = rows, number + 1

    def _by_time(self, params: dict[str, Any]) -> Iterator[list[Any]]:
        """Back from the newest row. Two rows may share a millisecond on both sides of a page's
        end: so the next page begins with that millisecond, and what it repeats is dropped."""
        paging = self._paging
        start = params.get(paging.start_param)
        repeated: list[Any] = []
        reached: int | None = None  # the time up to which the page was asked for
        while True:
            _, rows = self._ask(params)
            fresh = [row for row in rows if row not in repeated] if repeated else rows
            if fresh:
                yield fresh
            if not rows or paging.time_field is None or not paging.limit_param:
                return
            if start is not None and _time(rows[-1], paging.time_field) <= start:
                return  # the usual end, told without a look at every row
            oldest = min(_time(row, paging.time_field) for row in rows)
            if start is not None and oldest <= start:
                return
            if reached is not None and oldest >= reached:
                if oldest > reached or len(rows) < int(params.get(paging.limit_param) or 1):
                    return  # the former where a server does not heed the time
                oldest -= 1  # a page full of one millisecond: what does not fit, nobody can have
            repeated = [row for row in rows if _time(row, paging.time_field) == oldest]
            params = {**params, paging.end_param: oldest}
            reached = oldest


def _name_of(method: Method) -> str:
    """``group.name`` of a bound method of an endpoint group."""
    owner = getattr(method, "__self__", None)
    if not isinstance(owner, Group):
        raise ConfigError(
            f"pages: {method!r} is not allowed: a method of an endpoint group, such as "
            "client.market.get_instruments_info"[:300]
        )
    group = type(owner).__module__.rpartition(".")[2]
    return f"{group}.{getattr(method, '__name__', '')}"


def _units(paging: Paging, endpoint: str, name: str, value: Any) -> Any:
    """A time as the endpoint counts it; one that it counts in seconds is its own affair."""
    return to_ms(f"{endpoint}.{name}", value) if paging.unit_ms == 1 else value


def _check_order(paging: Paging, endpoint: str, params: dict[str, Any]) -> None:
    start, end = params.get(paging.start_param), params.get(paging.end_param)
    if start is not None and end is not None and end < start:
        raise ConfigError(
            f"{endpoint}: {paging.end_param} {end} is before {paging.start_param} {start}"
        )


def _split(start: int, end: int, paging: Paging) -> Iterator[tuple[int, int]]:
    """Windows, both ends included, that touch but do not overlap; in the order of the rows."""
    span = (paging.max_span_ms or max(1, end - start + 1) * paging.unit_ms) // paging.unit_ms
    if paging.is_oldest_first:
        for low in range(start, end + 1, span):
            yield low, min(low + span - 1, end)
        return
    for high in range(end, start - 1, -span):
        yield max(high - span + 1, start), high


def _is_end(paging: Paging, cursor: Any) -> bool:
    return paging.cursor_param == "nextCursor" and cursor == "0"


def _total(result: Any) -> int:
    """How many rows there are in all, as far as the answer says."""
    if not isinstance(result, dict):
        return 0
    for name in _TOTALS:
        text = str(result.get(name, ""))
        if text.isdecimal():
            return int(text)
    return 0


def _time(row: Any, field: str | int) -> int:
    return int(row[field])

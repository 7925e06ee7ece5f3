"""Candles that Arrow reads from the texts of answers: always what their rows would have given."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bybit_sync.exceptions import BybitError
from bybit_sync.history import Task, fetch
from bybit_sync.history.csv_file import csv_text
from bybit_sync.history.fetch import fetch_text
from bybit_sync.history.parquet_file import ParquetFile
from bybit_sync.history.series import find_series
from bybit_sync.history.sink import Packed
from bybit_sync.net.answer import Answer

from .call_fakes import Sent, answer, envelope
from .history_fakes import MINUTE_MS, START_MS, candle
from .test_history_lines import (
    CHANGES,
    PARAMS,
    TASK,
    TEXT,
    USUAL,
    WINDOW,
    Client,
    asked,
    candles_of,
    market,
    mutations,
    shuffles,
)

arrow = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

from bybit_sync.history.arrow import schema_of, table_from_text  # noqa: E402
from bybit_sync.history.text_table import TextReader, Unread  # noqa: E402

SCHEMA = schema_of(TASK.series, "float")
EXACT = schema_of(TASK.series, "exact")


def table_of_rows(body: bytes, schema: Any = SCHEMA, task: Task = TASK) -> Any:
    """What an answer's rows are as a table, or the error that they end in."""
    try:
        rows = fetch(Client(answer(body)), task)  # type: ignore[arg-type]
        return table_from_text(task.series, schema, csv_text(rows))
    except Exception as error:
        return type(error), str(error)


def unread(body: bytes, schema: Any = SCHEMA, task: Task = TASK) -> Unread | None:
    """The text of an answer, if it is taken."""
    reader = TextReader(task.series, schema)
    try:
        got: Any = fetch_text(Client(answer(body)), task, reader)  # type: ignore[arg-type]
    except Exception:
        return None  # the rows' own way, which other tests are about
    return got.data if isinstance(got, Packed) else None


def same(one: Any, other: Any) -> bool:
    """Whether two tables are; to the sign of a zero, and with no number where there is none."""
    is_alike = isinstance(other, arrow.Table) and one.schema == other.schema
    return is_alike and repr(one.to_pydict()) == repr(other.to_pydict())


@pytest.mark.parametrize("schema", [SCHEMA, EXACT])
def test_the_usual_window_is_taken_and_read_as_its_rows_are(schema: Any) -> None:
    found = unread(USUAL, schema)

    assert found is not None
    table = TextReader(TASK.series, schema).table([found])
    assert table.equals(table_of_rows(USUAL, schema))
    assert table.num_rows == 6


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        *CHANGES,
        (b'","', b'",","'),
        (b'","', b'""'),
        (b'"],["', b'"[,]"'),
        (b'"],["', b'"],[["'),
        (b'"],["', b'"]],["'),
        (b'"],["', b'"],[],["'),
        (b'"],["', b'"],5["'),
        (b'"],["', b'",["'),
        (b'"],["', b'",,["'),
        (b'"],["', b'"5,["'),
        (b'"],["', b'"]5["'),
        (b'"],["', b'"]]["'),
        (b'"1.5"', b'","'),
        (b'"1.5"', b'""'),
        (b'"1.5"', b'"\t1.5"'),
        (b'"1704067260000"', b'"0x18cc252de60"'),
        (b'"1704067260000"', b'","'),
        (b'"1704067260000"', b'"\t1704067260000"'),
        (b'"],["', b'"],[,"'),
        (b'"],["', b'"][,"'),
        (b'"],["', b'"],,["'),
        (b'"],["', b'"],\n"'),
        (b'"],["', b'"],\r["'),
        (b".", b"\t"),
        (b".", b".nan"),
        (b".", b"x"),
        (b'"6', b'"+'),
        (b'"6', b'"'),
        (b'"1', b'"0x1'),
        (b'"1', b'" 1'),
        (b'"1', b'"01'),
        (b'"1', b'"1_'),
        (b'"],["1', b'"],["'),
        (b'"],["1', b'"],["+1'),
        (b'"],["1', b'"],[" 1'),
        (b'"],["1', b'"],["0x1'),
        (b'"],["1', b'"],["1e'),
        (b'00","', b'00.0","'),
    ],
)
def test_text_that_is_read_is_what_json_reads(was: bytes, becomes: bytes) -> None:
    for count in (1, -1):
        changed = TEXT.replace(was, becomes, count)
        found = unread(USUAL.replace(TEXT, changed))
        table = found and TextReader(TASK.series, SCHEMA).table([found])
        if table is not None:
            assert same(table, table_of_rows(USUAL.replace(TEXT, changed)))


@pytest.mark.parametrize(
    "text", [b"", b'"', b'""', b"1", b"[", TEXT[1:], TEXT[:-1], TEXT + TEXT, TEXT + b'"],["']
)
def test_text_that_is_cut_or_doubled_is_not_read(text: bytes) -> None:
    reader = TextReader(TASK.series, SCHEMA)

    taken = reader(TASK, text)

    assert taken is None or reader.table([taken.data]) is None


VALUES = st.one_of(
    st.text("0123456789.-+eE ", max_size=8),
    st.sampled_from(
        ["", ",", "1e-7", "1E5", "0x10", "1_0", ".5", "5.", "-", "00", "-0", "+1", "²"]
    ),
    st.sampled_from(
        ["nan", "NaN", "inf", "-inf", "null", "N/A", "NA", "#N/A", "-1.#IND", "1.#QNAN"]
    ),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.floats(allow_nan=False).map(repr),
    st.text(max_size=4),
)


@st.composite
def strange_values(draw: st.DrawFn) -> bytes:
    """The usual answer with other texts in some places, the times among them."""
    rows = [list(candle(ms)) for ms in range(*WINDOW, MINUTE_MS)][::-1]
    for _ in range(draw(st.integers(1, 3))):
        rows[draw(st.integers(0, 5))][draw(st.integers(0, 6))] = draw(VALUES)
    return envelope({"list": rows})


@settings(max_examples=400, deadline=None)
@given(st.one_of(mutations(), shuffles(), strange_values()), st.sampled_from([SCHEMA, EXACT]))
def test_whatever_the_answer_its_text_is_read_as_its_rows_or_not_at_all(
    body: bytes, schema: Any
) -> None:
    found = unread(body, schema)
    table = found and TextReader(TASK.series, schema).table([found])

    if table is not None:
        assert same(table, table_of_rows(body, schema))


def neighbour(start_ms: int) -> tuple[Task, bytes]:
    """A window of six minutes, and its usual answer."""
    times = range(start_ms, start_ms + 6 * MINUTE_MS, MINUTE_MS)
    task = Task(TASK.series, PARAMS, times.start, times.stop, is_on_grid=True)
    return task, envelope({"list": [candle(ms) for ms in times][::-1]})


NEXT, LATER = neighbour(WINDOW[1])
BEFORE, EARLIER = neighbour(START_MS - 6 * MINUTE_MS)


@settings(max_examples=200, deadline=None)
@given(st.one_of(mutations(), shuffles(), strange_values()), st.booleans())
def test_a_window_does_not_make_good_what_is_wrong_with_its_neighbour(
    body: bytes, is_first: bool
) -> None:
    tasks = (TASK, NEXT) if is_first else (BEFORE, TASK)
    bodies = (body, LATER) if is_first else (EARLIER, body)
    found = [unread(each, task=task) for each, task in zip(bodies, tasks, strict=True)]
    if None in found:
        return

    table = TextReader(TASK.series, SCHEMA).table(found)  # type: ignore[arg-type]

    if table is not None:
        rows = map(table_of_rows, bodies, (SCHEMA, SCHEMA), tasks)
        assert same(table, arrow.concat_tables(rows).combine_chunks())


# --- files --------------------------------------------------------------------------------

END_MS = START_MS + 6_500 * MINUTE_MS


def doubled(rows: list[Any]) -> list[Any]:
    return [*rows[:5], rows[4], *rows[5:]]


def emptied(rows: list[Any]) -> list[Any]:
    return [*rows[:5], [*rows[5][:6], ""], *rows[6:]]


@pytest.mark.parametrize("change", [doubled, emptied])
@pytest.mark.parametrize("place", [{0}, {3}, {2, 3}, {6}, set(range(7))])
@pytest.mark.parametrize("decimals", [float, Decimal])
def test_a_window_that_misled_is_fetched_once_more_as_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: Any, place: set[int], decimals: Any
) -> None:
    def act(sent: Sent) -> Answer:
        rows = candles_of(sent)
        number = (asked(sent)[0] - START_MS) // (1000 * MINUTE_MS)
        return answer(envelope({"list": change(rows) if number in place else rows}))

    def written(name: str) -> tuple[bytes, Any, int]:
        client, out = Client(act), tmp_path / f"{name}.parquet"
        saved = client.history.klines("X", "1m", START_MS, END_MS, out=out, decimals=decimals)
        return out.read_bytes(), saved.new_rows, len(client.transport.sent)

    text, count, calls = written("text")
    monkeypatch.setattr(
        ParquetFile, "reader", property(lambda _: None, lambda *_: None), raising=False
    )

    assert written("rows") == (text, count, 7)
    assert (count, calls) == (6_500, 7 + len(place))


def test_texts_that_were_read_before_an_error_are_kept(tmp_path: Path) -> None:
    def failing(sent: Sent) -> Answer:
        is_late = asked(sent)[0] >= START_MS + 4_000 * MINUTE_MS
        return answer(b"", status=404) if is_late else market()(sent)

    out = tmp_path / "x.parquet"
    with pytest.raises(BybitError):
        Client(failing).history.klines("X", "1m", START_MS, END_MS, out=out)
    client = Client(market())

    saved = client.history.klines("X", "1m", START_MS, END_MS, out=out)

    assert (saved.rows, saved.new_rows, len(client.transport.sent)) == (6_500, 2_500, 3)
    whole = tmp_path / "whole.parquet"
    Client(market()).history.klines("X", "1m", START_MS, END_MS, out=whole)
    assert pq.read_table(out).equals(pq.read_table(whole))


def test_after_a_text_that_misled_windows_come_as_rows_at_once(tmp_path: Path) -> None:
    client = Client(market(doubled))
    end_ms = START_MS + 120_000 * MINUTE_MS

    saved = client.history.klines(
        "X", "1m", START_MS, end_ms, out=tmp_path / "x.parquet", workers=1
    )

    assert saved.new_rows == 120_000
    assert len(client.transport.sent) < 120 + 60


def test_candles_of_few_columns_are_read_as_well(tmp_path: Path) -> None:
    series = find_series("premium_index_klines")
    task = Task(series, PARAMS, *WINDOW, is_on_grid=True)
    body = envelope({"list": [candle(ms)[:5] for ms in range(*WINDOW, MINUTE_MS)][::-1]})
    schema = schema_of(series, "float")

    found = unread(body, schema, task)

    assert found is not None
    assert same(TextReader(series, schema).table([found]), table_of_rows(body, schema, task))

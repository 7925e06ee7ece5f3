"""Candles that go from an answer into a file as text: always what their rows would have given."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bybit_sync.api import Groups
from bybit_sync.config import Config, RateLimitConfig
from bybit_sync.history import SERIES, History, Task, fetch
from bybit_sync.history.csv_file import CsvFile, CsvStream, csv_text
from bybit_sync.history.fetch import fetch_lines
from bybit_sync.history.lines import Lines, has_lines, lines_of
from bybit_sync.history.parquet_file import ParquetFile
from bybit_sync.history.series import find_series
from bybit_sync.net.answer import Answer
from bybit_sync.pages import Pages
from tests.conftest import FakeClock

from .call_fakes import FakeTransport, Sent, answer, envelope, pipeline
from .history_fakes import MINUTE_MS, NOW_MS, START_MS, candle
from .test_history import Elsewhere

PARAMS = {"category": "linear", "symbol": "BTCUSDT", "interval": "1"}
WINDOW = START_MS, START_MS + 6 * MINUTE_MS
TASK = Task(find_series("klines"), PARAMS, *WINDOW, is_on_grid=True)


class Client(Groups):
    """A client whose exchange is a function of the request, down to the bytes of the answer."""

    has_credentials = True

    def __init__(self, act: Callable[[Sent], Answer] | Answer) -> None:
        self.clock = FakeClock(NOW_MS / 1000)
        self.transport = FakeTransport(self.clock).then(act)
        self.config = Config(rate_limit=RateLimitConfig(mode="off"))
        self.pipeline = pipeline(self.transport, keys=False, rate_limit=self.config.rate_limit)
        super().__init__(self.pipeline.call)

    @property
    def history(self) -> History:
        return History(self)  # type: ignore[arg-type]

    def pages(self, method: Any, /, **params: Any) -> Pages:
        return Pages.of(method, params, self.pipeline.time.now_ms)


def asked(sent: Sent) -> tuple[int, int]:
    found = {name: int(ms) for name, ms in re.findall(r"(start|end)=(\d+)", sent.target)}
    return found["start"], found["end"]


def candles_of(sent: Sent, columns: int = 7, limit: int = 1000) -> list[Any]:
    """Minute candles, newest first."""
    start, end = asked(sent)
    first = -(-start // MINUTE_MS) * MINUTE_MS
    times = range(first, end + 1, MINUTE_MS)
    return [candle(ms)[:columns] for ms in times[::-1][:limit]]


def market(change: Callable[[list[Any]], list[Any]] = list, **how: int) -> Callable[[Sent], Answer]:
    """An exchange whose rows are changed before they are sent."""
    return lambda sent: answer(envelope({"list": change(candles_of(sent, **how))}))


def outcome(bring: Any, act: Callable[[Sent], Answer] | Answer, task: Task = TASK) -> Any:
    """What a way of fetching gives, as lines, or the error; and what was asked for."""
    client = Client(act)
    try:
        got: Any = csv_text(bring(client, task))
    except Exception as error:
        got = type(error), str(error)
    return got, [sent.target for sent in client.transport.sent]


def test_the_usual_window_comes_as_text_and_is_what_its_rows_are() -> None:
    lines = fetch_lines(Client(market()), TASK)  # type: ignore[arg-type]

    assert isinstance(lines, Lines)
    assert len(lines) == 6
    assert lines.text == csv_text([candle(ms) for ms in range(*WINDOW, MINUTE_MS)])
    assert outcome(fetch_lines, market()) == outcome(fetch, market())


def test_a_gap_inside_of_a_window_stays_one_and_does_not_slow_it_down() -> None:
    act = market(lambda rows: [row for row in rows if row[0] != str(START_MS + 2 * MINUTE_MS)])

    assert isinstance(fetch_lines(Client(act), TASK), Lines)  # type: ignore[arg-type]
    assert outcome(fetch_lines, act) == outcome(fetch, act)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [],
        lambda rows: rows[:-1],  # the first candle of the window is not there
        lambda rows: rows[::-1],
        lambda rows: [*rows[3:], *rows[:3]],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [rows[0], *rows],
        lambda rows: [candle(WINDOW[1]), *rows],
        lambda rows: [*rows, candle(START_MS - MINUTE_MS)],
        lambda rows: [*rows[:2], [*rows[2][:6], None], *rows[3:]],
        lambda rows: [*rows[:2], [*rows[2][:6], 1.5], *rows[3:]],
        lambda rows: [*rows[:2], [int(rows[2][0]), *rows[2][1:]], *rows[3:]],
        lambda rows: [*rows[:2], rows[2][:6], *rows[3:]],
        lambda rows: [*rows[:2], rows[2][:6], [*rows[3], "1"], *rows[4:]],
        lambda rows: [[*row, "1"] for row in rows],
        lambda rows: [*rows[:2], [*rows[2][:6], "1,5"], *rows[3:]],
        lambda rows: [*rows[:2], [*rows[2][:6], 'a"b'], *rows[3:]],
        lambda rows: [*rows[:2], [*rows[2][:6], "1e-7"], *rows[3:]],
        lambda rows: [*rows[:2], [*rows[2][:6], "²"], *rows[3:]],
        lambda rows: [*rows[:2], [" " + rows[2][0], *rows[2][1:]], *rows[3:]],
        lambda rows: [*rows[:2], ["0" + rows[2][0], *rows[2][1:]], *rows[3:]],
        lambda rows: [*rows[:2], ["", *rows[2][1:]], *rows[3:]],
        lambda rows: [*rows[:2], [rows[2][0] + "0", *rows[2][1:]], *rows[3:]],
        lambda rows: [*rows[:2], [rows[2][0][:11] + ".0", *rows[2][1:]], *rows[3:]],
        lambda rows: [*rows[:2], [*rows[2][:5], "1,5"], *rows[3:]],
        lambda rows: [*rows[:2], [], *rows[2:]],
        lambda rows: [*rows[:2], [rows[2]], *rows[3:]],
    ],
)
def test_any_other_window_comes_as_rows_as_ever(change: Callable[[list[Any]], list[Any]]) -> None:
    act = market(change)

    assert outcome(fetch_lines, act) == outcome(fetch, act)
    with_errors = outcome(fetch, act)[0]
    if isinstance(with_errors, bytes):
        assert isinstance(fetch_lines(Client(act), TASK), list)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["", "-0.5", "0"])
def test_an_empty_or_negative_value_is_a_value(value: str) -> None:
    act = market(lambda rows: [[row[0], *[value] * 6] for row in rows])

    assert isinstance(fetch_lines(Client(act), TASK), Lines)  # type: ignore[arg-type]
    assert outcome(fetch_lines, act) == outcome(fetch, act)


def test_a_page_that_is_not_all_of_the_window_is_followed_by_rows_only() -> None:
    """Also where the last of several pages alone looks like all that was wanted."""
    act = market(limit=4)

    got, targets = outcome(fetch_lines, act)

    assert (got, targets) == outcome(fetch, act)
    assert got == csv_text([candle(ms) for ms in range(*WINDOW, MINUTE_MS)])
    assert len(targets) == 2


def test_a_first_page_in_another_spelling_is_not_lost_to_a_second_one() -> None:
    def act(sent: Sent) -> Answer:
        body = envelope({"list": candles_of(sent, limit=4)})
        is_first = asked(sent)[1] == WINDOW[1] - 1
        return answer(body.replace(b'"list":[[', b'"list": [[') if is_first else body)

    got, _ = outcome(fetch_lines, act)

    assert got == csv_text([candle(ms) for ms in range(*WINDOW, MINUTE_MS)])


def test_a_window_that_begins_between_two_candles_comes_as_rows() -> None:
    task = Task(find_series("klines"), PARAMS, START_MS + 1, WINDOW[1], is_on_grid=True)

    got, targets = outcome(fetch_lines, market(), task)

    assert (got, targets) == outcome(fetch, market(), task)
    assert got == csv_text([candle(ms) for ms in range(*WINDOW, MINUTE_MS)][1:])


def test_a_window_is_taken_from_the_attempt_that_succeeds() -> None:
    client = Client(market())
    client.transport.script.insert(0, answer(b"busy", status=503))

    assert isinstance(fetch_lines(client, TASK), Lines)  # type: ignore[arg-type]
    assert len(client.transport.sent) == 2


@pytest.mark.parametrize("name", SERIES)
def test_only_candles_have_lines(name: str) -> None:
    task = Task(find_series(name), PARAMS, *WINDOW, is_on_grid=True)

    assert has_lines(task) == name.endswith("klines")


@pytest.mark.parametrize("name", [name for name in SERIES if name.endswith("klines")])
def test_all_kinds_of_candles_come_as_text_with_their_own_columns(name: str) -> None:
    series = find_series(name)
    task = Task(series, PARAMS, *WINDOW, is_on_grid=True)
    act = market(columns=len(series.columns))

    assert isinstance(fetch_lines(Client(act), task), Lines)  # type: ignore[arg-type]
    assert outcome(fetch_lines, act, task) == outcome(fetch, act, task)


# --- answers that something went wrong with -----------------------------------------------

USUAL = envelope({"symbol": "X", "list": [candle(ms) for ms in range(*WINDOW, MINUTE_MS)][::-1]})
TEXT = USUAL[USUAL.index(b"[[") + 2 : USUAL.index(b"]]")]

CHANGES = [
    (b'.1","', b'."1,"'),  # the same characters, one step further
    (b'","', b'"1,"'),
    (b'","', b'",1"'),
    (b'","', b'","",'),
    (b'","', b'",",'),
    (b'","', b'", "'),
    (b'"],["', b'"] ,["'),
    (b'"],["', b'"],[""'),
    (b'"],["', b'"],["","'),
    (b'"],["', b'","'),
    (b'"],["', b'"]["'),
    (b'"],["', b'"\n"'),
    (b".", b"\n"),
    (b".", b"\\u002e"),
    (b".", b"\x00"),
    (b".", b","),
    (b".", b"]"),
    (b".", b"["),
    (b".", b'"'),
]
"""What may befall a text, and what comes of it."""


@pytest.mark.parametrize(("was", "becomes"), CHANGES)
def test_text_that_is_not_json_of_numbers_is_not_taken(was: bytes, becomes: bytes) -> None:
    assert lines_of(TASK, TEXT) is not None
    for count in (1, -1):
        changed = TEXT.replace(was, becomes, count)
        assert changed != TEXT
        assert lines_of(TASK, changed) is None
        act = answer(USUAL.replace(TEXT, changed))
        assert outcome(fetch_lines, act) == outcome(fetch, act)


@pytest.mark.parametrize("text", [b"", b'"', b'""', b"1", TEXT[1:], TEXT[:-1], TEXT + TEXT])
def test_text_that_is_cut_or_doubled_is_not_taken(text: bytes) -> None:
    assert lines_of(TASK, text) is None


SNIPPETS = [
    *(b'"', b",", b"[", b"]", b"0", b".", b"-", b" ", b"\n", b"\\", b"null", b"\xff", b'","'),
    *(b"\t", b"\r", b"x", b"e1", b"+", b"nan", b"],", b'""', b'",",","', b'"],[],["'),
    *(b'"],["', b'"list":[[', b"]]", b'"list":[],', b'"retCode":0,', b'"retCode":10006,'),
    *(b'"result":{},', b'"result":{"list":[]},', b'["1704067200000","1"],', b'"\\u006cist":[],'),
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The usual answer after one to three mishaps."""
    body = USUAL
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        until = draw(st.one_of(st.just(at + 1), st.integers(at, len(body))))
        piece = body[at:until]
        body = draw(
            st.sampled_from(
                [
                    body[:at] + draw(st.sampled_from(SNIPPETS)) + body[at:],
                    body[:at] + draw(st.sampled_from(SNIPPETS)) + body[at + 1 :],
                    body[:at] + bytes([draw(st.integers(0, 255))]) + body[at + 1 :],
                    body[:at] + body[until:],
                    body[:until] + piece + body[until:],
                    body[:at] + body[at + 1 : at + 2] + piece[:1] + body[at + 2 :],
                ]
            )
        )
    return body


@st.composite
def shuffles(draw: st.DrawFn) -> bytes:
    """The usual answer with rows dropped, doubled and swapped."""
    rows = [candle(ms) for ms in range(*WINDOW, MINUTE_MS)][::-1]
    for _ in range(draw(st.integers(1, 3))):
        at, other = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(rows) - 1))
        how = draw(st.sampled_from(["drop", "double", "swap", "retime"]))
        if how == "drop" and len(rows) > 1:
            del rows[at]
        elif how == "double":
            rows.insert(other, rows[at])
        elif how == "swap":
            rows[at], rows[other] = rows[other], rows[at]
        else:
            rows[at] = [rows[other][0], *rows[at][1:]]
    return envelope({"list": rows})


@settings(max_examples=300, deadline=None)
@given(st.one_of(mutations(), shuffles()))
def test_whatever_the_answer_text_and_rows_tell_the_same(body: bytes) -> None:
    act = answer(body)

    assert outcome(fetch_lines, act) == outcome(fetch, act)


# --- files --------------------------------------------------------------------------------


def gappy(sent: Sent) -> Answer:
    """A market that was listed late, with gaps, also where windows begin."""
    listed = START_MS + 1234 * MINUTE_MS
    rows = [row for row in candles_of(sent) if int(row[0]) >= listed]
    return answer(envelope({"list": [row for row in rows if int(row[0]) // MINUTE_MS % 997]}))


@pytest.mark.parametrize("act", [market(), gappy], ids=["whole", "gappy"])
@pytest.mark.parametrize("start_ms", [START_MS, START_MS + 1, NOW_MS - 3_456 * MINUTE_MS])
@pytest.mark.parametrize("ending", ["csv", "parquet", "stream"])
def test_files_are_the_same_to_the_byte_whether_made_of_text_or_of_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: Any, start_ms: int, ending: str
) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    end_ms = START_MS + 6_543 * MINUTE_MS if start_ms < START_MS + MINUTE_MS else None

    def written(name: str) -> bytes:
        out: Any = io.StringIO() if ending == "stream" else tmp_path / f"{name}.{ending}"
        Client(act).history.klines("BTCUSDT", "1m", start_ms, end_ms, out=out)
        return out.getvalue().encode() if ending == "stream" else out.read_bytes()

    text = written("text")
    for sink in (CsvFile, CsvStream):
        monkeypatch.setattr(sink, "reader", None)
    monkeypatch.setattr(
        ParquetFile, "reader", property(lambda _: None, lambda *_: None), raising=False
    )

    assert written("rows") == text
    assert len(text) > 1000


def test_text_travels_between_processes(tmp_path: Path) -> None:
    class Far(Elsewhere):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            fn, task = pickle.loads(pickle.dumps((fn, args[1])))  # noqa: S301
            brought.append(super().submit(fn, args[0], task).result())
            future: Future[Any] = Future()
            future.set_result(pickle.loads(pickle.dumps(brought[-1])))  # noqa: S301
            return future

    brought: list[Any] = []
    out = tmp_path / "btc.csv"
    end_ms = START_MS + 2_500 * MINUTE_MS

    saved = Client(market()).history.klines("X", "1m", START_MS, end_ms, out=out, executor=Far())

    assert [type(each) for each in brought] == [Lines] * 3
    assert saved.rows == 2_500
    rows = [candle(ms) for ms in range(START_MS, end_ms, MINUTE_MS)]
    assert out.read_bytes().partition(b"\n")[2] == csv_text(rows)

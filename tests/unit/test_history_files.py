"""Files of downloads: after an end at any moment they go on without a lost or doubled row."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.exceptions import BadAnswerError, ConfigError, ConnectError
from bybit_sync.history import DownloadInterrupted
from bybit_sync.history.csv_file import csv_text
from tests.conftest import FakeClock

from .history_fakes import MINUTE_MS, NOW_MS, START_MS, FakeClient, candle, candles
from .test_history import Elsewhere

pandas = pytest.importorskip("pandas")
parquet = pytest.importorskip("pyarrow.parquet")
KINDS = ("csv", "parquet")
ROWS = 3_500
END_MS = START_MS + ROWS * MINUTE_MS


@pytest.fixture
def fake(clock: FakeClock) -> FakeClient:
    return FakeClient(clock)


@pytest.fixture(params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"btc.{request.param}"


def load(fake: FakeClient, path: Path, end_ms: int = END_MS, **how: Any) -> Any:
    return fake.history.klines("BTCUSDT", "1m", START_MS, end_ms, out=path, **how)


def times(path: Path) -> list[int]:
    if path.suffix == ".csv":
        return [int(ms) for ms in pandas.read_csv(path)["startTime"]]
    column = parquet.read_table(path)["startTime"]
    return [int(moment.timestamp() * 1000) for moment in column.to_pylist()]


def is_whole(path: Path, count: int = ROWS) -> bool:
    return times(path) == [START_MS + number * MINUTE_MS for number in range(count)]


def test_a_file_holds_all_rows_and_says_so(fake: FakeClient, path: Path) -> None:
    saved = load(fake, path)

    assert is_whole(path)
    assert (saved.rows, saved.new_rows, saved.calls) == (ROWS, ROWS, 4)
    assert (saved.start_ms, saved.until_ms, saved.path) == (START_MS, END_MS, path)
    assert "3,500 rows from 2024-01-01T00:00:00Z" in str(saved)


def test_values_are_those_that_were_sent(fake: FakeClient, path: Path) -> None:
    load(fake, path)

    expected = candle(START_MS + 2321 * MINUTE_MS)
    if path.suffix == ".csv":
        assert path.read_text().splitlines()[2322] == ",".join(expected)
    else:
        row = parquet.read_table(path).slice(2321, 1).to_pylist()[0]
        assert list(row.values())[1:] == [float(text) for text in expected[1:]]


def test_a_finished_download_asks_for_nothing(fake: FakeClient, path: Path) -> None:
    load(fake, path)
    fake.windows.clear()

    saved = load(fake, path)

    assert fake.windows == []
    assert (saved.rows, saved.new_rows) == (ROWS, 0)
    assert is_whole(path)


def test_a_later_end_adds_what_is_new(fake: FakeClient, path: Path) -> None:
    load(fake, path)
    fake.windows.clear()

    saved = load(fake, path, END_MS + 2000 * MINUTE_MS)

    assert min(start for start, _ in fake.windows) == END_MS
    assert saved.new_rows == 2000
    assert is_whole(path, ROWS + 2000)


def test_after_an_error_the_same_call_goes_on(fake: FakeClient, path: Path) -> None:
    fake.fail_from = START_MS + 2000 * MINUTE_MS
    with pytest.raises(ConnectError):
        load(fake, path)
    fake.fail_from = None
    fake.windows.clear()

    saved = load(fake, path)

    assert min(start for start, _ in fake.windows) == START_MS + 2000 * MINUTE_MS
    assert saved.new_rows == ROWS - 2000
    assert is_whole(path)


def test_after_ctrl_c_the_message_says_what_is_kept(fake: FakeClient, path: Path) -> None:
    with pytest.raises(DownloadInterrupted, match="kept: 1,000 rows from 2024-01-01T00:00:00Z to"):
        load(fake, path, workers=1, executor=Elsewhere(stop_at=3))

    saved = load(fake, path)

    assert saved.new_rows == ROWS - 1000
    assert is_whole(path)


class _Kill(BaseException):
    """Ends a download as a kill does: nothing is tidied up."""


def kill_after(
    monkeypatch: pytest.MonkeyPatch, fake: FakeClient, path: Path, name: str, number: int
) -> bool:
    """Die at the `number`-th call of a function that writes; True if it came so far."""
    import bybit_sync.history.csv_file as csv_file
    import bybit_sync.history.download as download
    import bybit_sync.history.parquet_file as parquet_file

    module = csv_file if path.suffix == ".csv" else parquet_file
    calls = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                raise _Kill
            return original(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        owner, _, attribute = name.rpartition(".")
        target = {"": module, "os": module.os, "Path": Path, "shutil": shutil}[owner]
        patch.setattr(target, attribute, counted(getattr(target, attribute)))
        # After a kill nobody keeps or closes anything.
        patch.setattr(download.Download, "_kept", lambda self: "")
        patch.setattr(module, "_PATIENCE", 0.0)
        try:
            load(fake, path)
        except _Kill:
            return True
    return False


@pytest.mark.parametrize("name", ["os.fsync", "Path.replace", "sync_folder"])
def test_a_kill_at_any_write_loses_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, fake: FakeClient, path: Path, name: str
) -> None:
    number = 1
    while kill_after(monkeypatch, fake, path, name, number):
        load(fake, path)
        assert is_whole(path), f"killed at {name} number {number}"
        for left in list(path.parent.iterdir()):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        number += 1
    assert number > 1


def test_a_torn_last_line_is_cut_off(fake: FakeClient, tmp_path: Path) -> None:
    path = tmp_path / "btc.csv"
    fake.fail_from = START_MS + 2000 * MINUTE_MS
    with pytest.raises(ConnectError):
        load(fake, path)
    with path.open("a") as file:  # what the system wrote after the last checkpoint
        file.write("1704247200000,1.1,1.9\n17042472")
    fake.fail_from = None

    load(fake, path)

    assert is_whole(path)


def test_a_part_that_was_being_written_is_thrown_away(fake: FakeClient, tmp_path: Path) -> None:
    path = tmp_path / "btc.parquet"
    fake.fail_from = START_MS + 2000 * MINUTE_MS
    with pytest.raises(ConnectError):
        load(fake, path)
    parts = tmp_path / "btc.parquet.parts"
    (parts / "1704247200000-1704307200000.tmp").write_bytes(b"PAR1 half a part")
    fake.fail_from = None

    load(fake, path)

    assert is_whole(path)
    assert not parts.exists()


def test_a_part_that_the_disk_has_spoilt_is_told_by_name(fake: FakeClient, tmp_path: Path) -> None:
    path = tmp_path / "btc.parquet"
    fake.fail_from = START_MS + 2000 * MINUTE_MS
    with pytest.raises(ConnectError):
        load(fake, path)
    [part] = (tmp_path / "btc.parquet.parts").glob("*.arrow")
    whole = part.read_bytes()

    for spoilt in (b"", whole[:100], b"\0" * len(whole)):
        part.write_bytes(spoilt)
        with pytest.raises(ConfigError, match=rf"{part.name}: cannot be read .*; remove it"):
            load(fake, path)


def test_parts_that_the_finished_file_holds_already_are_not_added_again(
    monkeypatch: pytest.MonkeyPatch, fake: FakeClient, tmp_path: Path
) -> None:
    path = tmp_path / "btc.parquet"
    with monkeypatch.context() as patch:  # killed between the join and the removal of the parts
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        load(fake, path)
    assert list(tmp_path.glob("btc.parquet.parts/*.arrow"))

    load(fake, path, END_MS + 100 * MINUTE_MS)

    assert is_whole(path, ROWS + 100)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"symbol": "ETHUSDT"}, "params"),
        ({"interval": "5m"}, "params"),
        ({"start": START_MS + MINUTE_MS}, "start_ms"),
        ({"category": "spot"}, "params"),
    ],
)
def test_another_download_may_not_go_into_the_same_file(
    fake: FakeClient, path: Path, change: dict[str, Any], told: str
) -> None:
    load(fake, path)
    before = path.read_bytes()
    given = {"symbol": "BTCUSDT", "interval": "1m", "start": START_MS, "end": NOW_MS, **change}

    with pytest.raises(ConfigError, match=f"holds another download.*{told}"):
        fake.history.klines(**given, out=path)
    assert path.read_bytes() == before


def test_a_file_of_somebody_elses_is_left_alone(fake: FakeClient, path: Path) -> None:
    path.write_bytes(b"my own notes\n")

    with pytest.raises(ConfigError, match=path.name):
        load(fake, path)
    assert path.read_bytes() == b"my own notes\n"
    assert fake.windows == []


def test_two_downloads_cannot_write_one_file_at_a_time(fake: FakeClient, path: Path) -> None:
    pytest.importorskip("fcntl")
    seen: list[str] = []

    def and_another(params: dict[str, Any]) -> list[Any]:
        if not seen:
            with pytest.raises(ConfigError, match="another download is writing it") as caught:
                load(FakeClient(FakeClock()), path)
            seen.append(str(caught.value))
        return candles(params)

    fake.rows_of = and_another
    load(fake, path, workers=1)

    assert seen
    assert is_whole(path)


def test_decimals_of_a_parquet_file_are_exact_on_request(fake: FakeClient, tmp_path: Path) -> None:
    path = tmp_path / "btc.parquet"
    load(fake, path, decimals=Decimal)

    assert parquet.read_table(path)["turnover"][0].as_py() == Decimal("2.25")
    with pytest.raises(ConfigError, match="decimals 'exact', not 'float'"):
        load(fake, path)


def test_what_is_no_number_is_told_and_not_guessed(fake: FakeClient, tmp_path: Path) -> None:
    fake.rows_of = lambda params: [[*row[:1], "auto", *row[2:]] for row in candles(params)]

    with pytest.raises(BadAnswerError, match=r"market\.get_kline: openPrice"):
        load(fake, tmp_path / "btc.parquet")


def test_rows_of_objects_keep_texts_booleans_and_nothing(fake: FakeClient, path: Path) -> None:
    row = {
        "execTime": str(START_MS),
        "symbol": 'a,"b"',
        "execId": "1",
        "isMaker": True,
        "execPrice": "",
        "seq": 2**60,
        "extraFees": [{"fee": "1"}],
    }
    fake.rows_of = lambda params: [row]

    fake.history.executions(START_MS, START_MS + MINUTE_MS, category="linear", out=path)

    if path.suffix == ".csv":
        found = pandas.read_csv(path).iloc[0]
    else:
        found = parquet.read_table(path).to_pandas().iloc[0]
    assert found["symbol"] == 'a,"b"'
    assert bool(found["isMaker"]) is True
    assert found["seq"] == 2**60
    assert pandas.isna(found["execPrice"])
    assert pandas.isna(found["orderId"])
    assert json.loads(found["extraFees"]) == [{"fee": "1"}]


def test_a_stream_gets_csv(fake: FakeClient) -> None:
    stream = io.StringIO()

    count = fake.history.klines("X", "1m", START_MS, START_MS + 3 * MINUTE_MS, out=stream)

    assert count == 3
    assert stream.getvalue().splitlines()[0].startswith("startTime,openPrice")
    assert stream.getvalue().splitlines()[3] == ",".join(candle(START_MS + 2 * MINUTE_MS))


@pytest.mark.parametrize("value", ["a,b", 'say "x"', "two\nlines", "cr\rhere"])
def test_a_text_that_needs_quotes_gets_them(value: str) -> None:
    frame = pandas.read_csv(io.BytesIO(csv_text([["a", "b"], [value, "1"]])))

    assert frame["a"][0] == value
    assert csv_text([[value, None]]) == csv_text([[value, None]], is_plain=False)

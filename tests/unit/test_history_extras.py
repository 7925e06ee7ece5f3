"""What a download shows, and what it says where a package is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.history.progress import Silent, progress_bar
from tests.conftest import FakeClock

from .history_fakes import MINUTE_MS, START_MS, FakeClient

END_MS = START_MS + 2_500 * MINUTE_MS


@pytest.fixture
def fake(clock: FakeClock) -> FakeClient:
    return FakeClient(clock)


def load(fake: FakeClient, **how: Any) -> Any:
    return fake.history.klines("BTCUSDT", "1m", START_MS, END_MS, **how)


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


def test_csv_needs_no_further_package(
    monkeypatch: pytest.MonkeyPatch, fake: FakeClient, tmp_path: Path
) -> None:
    without(monkeypatch, "pandas", "pyarrow", "tqdm", "tqdm.auto")

    saved = load(fake, out=tmp_path / "btc.csv")

    assert saved.rows == 2_500
    assert len((tmp_path / "btc.csv").read_text().splitlines()) == 2_501


@pytest.mark.parametrize(
    ("package", "how", "command"),
    [
        ("pandas", {}, r'pip install "bybit-sync\[history\]"'),
        ("pyarrow", {"out": "btc.parquet"}, r'pip install "bybit-sync\[history\]"'),
        ("tqdm.auto", {"out": "btc.csv", "progress": True}, r"bybit-sync\[history\]"),
    ],
)
def test_a_missing_package_is_told_with_the_command_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    fake: FakeClient,
    tmp_path: Path,
    package: str,
    how: dict[str, Any],
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    without(monkeypatch, package)

    with pytest.raises(ImportError, match=command):
        load(fake, **how)
    assert fake.windows == []


def test_where_nobody_looks_nothing_is_shown(
    fake: FakeClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(fake, out=tmp_path / "btc.csv")

    assert capsys.readouterr() == ("", "")
    assert isinstance(progress_bar(3, "klines", None), Silent)
    assert isinstance(progress_bar(3, "klines", False), Silent)


def test_a_bar_is_shown_on_request_and_goes_to_stderr(
    fake: FakeClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm")

    load(fake, out=tmp_path / "btc.csv", progress=True)

    said = capsys.readouterr()
    assert said.out == ""
    assert "klines" in said.err


def test_a_terminal_shows_a_bar_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    bar = progress_bar(2, "klines", None)

    assert not isinstance(bar, Silent)
    bar.close()

"""`history` from the command line, killed and interrupted as programs are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.simulator import LocalExchange

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

START_MS = 1_767_225_600_000  # 2026-01-01
MINUTE_MS = 60_000
DAYS = 50
ROWS = DAYS * 1440


@pytest.fixture
def config(exchange: LocalExchange, tmp_path: Path) -> Path:
    """A config for the exchange, with a limit that makes the download last some seconds."""
    account = exchange.add_account()
    path = tmp_path / "config.toml"
    path.write_text(
        f'[client]\nbase_url = "{exchange.url}"\napi_key = "{account.api_key}"\n'
        f'api_secret = "{account.api_secret}"\n'
        f'[tls]\nca_file = "{exchange.ca_file or ""}"\n'
        "[rate_limit]\nip_limit = 18\nip_window = 1.0\n"
        "[metrics]\nenabled = false\n"
    )
    path.chmod(0o600)
    return path


def command(*arguments: str | Path) -> list[str]:
    return [
        *(sys.executable, "-W", "error::ResourceWarning", "-m", "bybit_sync", "history"),
        *map(str, arguments),
    ]


def klines(config: Path, out: Path, *more: str) -> list[str]:
    until = START_MS + ROWS * MINUTE_MS
    return command(
        *("klines", "BTCUSDT", "1m", "--since", "2026-01-01", "--until", str(until)),
        *("--config", config, "--out", out, *more),
    )


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=90, check=False)


def started(arguments: list[str], is_far: Callable[[], bool]) -> subprocess.Popen[str]:
    """The command, running, once it has got so far."""
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    patience = time.monotonic() + 60
    while not is_far():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < patience
        time.sleep(0.02)
    return process


def has_kept(out: Path) -> bool:
    """Whether something of the download would outlive a kill."""
    if out.suffix == ".parquet":
        return any(out.with_name(out.name + ".parts").glob("*.arrow"))
    try:
        state: dict[str, Any] = json.loads(Path(f"{out}.checkpoint").read_text())
    except FileNotFoundError:
        return False
    return bool(state["rows"] > 0)


def is_whole(out: Path) -> bool:
    if out.suffix == ".csv":
        times = pandas.read_csv(out)["startTime"]
    else:
        times = pandas.read_parquet(out)["startTime"].map(lambda at: int(at.timestamp() * 1000))
    return list(times) == [START_MS + number * MINUTE_MS for number in range(ROWS)]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_download_that_is_killed_goes_on_without_a_lost_or_doubled_row(
    config: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"btc.{ending}"
    process = started(klines(config, out), lambda: has_kept(out))
    process.kill()
    process.communicate()
    assert not (ending == "parquet" and out.exists())

    done = run(klines(config, out, "--json"))

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["rows"] == ROWS
    assert 0 < summary["new_rows"] < ROWS
    assert is_whole(out)


def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(
    config: Path, tmp_path: Path
) -> None:
    out = tmp_path / "btc.csv"
    process = started(klines(config, out), lambda: has_kept(out))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 1
    assert stdout == ""
    assert "interrupted: kept: " in stderr
    assert "Traceback" not in stderr

    assert run(klines(config, out)).returncode == 0
    assert is_whole(out)


def test_without_a_file_rows_go_to_stdout_and_nothing_else(config: Path) -> None:
    done = run(
        command(
            *("klines", "BTCUSDT", "1h", "--since", "2026-01-01", "--until", "2026-01-02"),
            *("--config", config),
        )
    )

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split(",")[0] == "startTime"
    assert [int(line.split(",")[0]) for line in lines[1:]] == [
        START_MS + hour * 3_600_000 for hour in range(24)
    ]
    assert done.stderr == ""


@pytest.mark.parametrize(
    "what",
    [
        ("funding", "BTCUSDT"),
        ("open-interest", "BTCUSDT", "1h"),
        ("long-short-ratio", "BTCUSDT", "1d"),
        ("mark-price-klines", "BTCUSDT", "1d"),
        ("executions", "--category", "linear"),
        ("orders", "--category", "linear"),
        ("closed-pnl", "--category", "linear"),
        ("transaction-log",),
    ],
    ids=" ".join,
)
def test_every_series_has_its_command(config: Path, what: tuple[str, ...]) -> None:
    span = ("--since", "2026-01-01", "--until", "2026-01-20")
    done = run(command(*what, *span, "--config", config))

    assert done.returncode == 0, done.stderr
    assert "," in done.stdout.splitlines()[0]


def test_a_trial_needs_no_exchange(tmp_path: Path) -> None:
    out = tmp_path / "btc.parquet"
    span = ("--since", "2026-01-01", "--until", "2026-01-02")
    done = run(command("klines", "BTCUSDT", "1h", *span, "--local", "--out", out))

    assert done.returncode == 0, done.stderr
    assert "24 rows from 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("klines", "BTCUSDT", "7m", "--since", "2026-01-01"), "7m"),
        (("klines", "BTCUSDT", "1m", "--since", "soon"), "soon"),
        (("klines", "BTCUSDT", "1m"), "--since"),
        (("klines", "BTCUSDT", "1m", "--since", "2026-01-01", "--json"), "--out"),
        (
            ("klines", "X", "1m", "--since", "2026-01-01", "--local", "--environment", "demo"),
            "--local",
        ),
    ],
)
def test_wrong_usage_is_told(arguments: tuple[str, ...], told: str) -> None:
    done = run(command(*arguments))

    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_a_private_series_without_keys_fails_before_a_file_is_made(tmp_path: Path) -> None:
    out = tmp_path / "trades.csv"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BYBIT_")}
    done = subprocess.run(
        command("executions", "--category", "linear", "--since", "2026-01-01", "--out", out),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )

    assert done.returncode == 1
    assert "api_key" in done.stderr
    assert not out.exists()

"""The examples beside docs/runner.md and docs/scale.md run; tests/docs runs what the pages show."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import toml

from bybit_sync import Config, StrategyRunner

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runner.md").read_text("utf-8")


def run_script(name: str, *arguments: str) -> str:
    """What the script prints; it must end well, and say nothing on stderr that is an error."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_the_example_of_a_runner_trades_and_reports() -> None:
    told = run_script("runner.py", "3")

    assert "ended after" in told
    for name in ("watch_spread(BTCUSDT)", "quoter-BTC", "wallet"):
        (row,) = [line for line in told.splitlines() if line.startswith(name)]
        _, runs, errors = re.findall(r"(stopped)\s+(\d+)\s+(\d+)", row)[0]
        assert int(runs) >= 1
        assert int(errors) == 0


def test_the_example_of_processes_works_in_several() -> None:
    told = run_script("processes.py")

    assert re.findall(r"^(\w+): 0\.\d+% a minute", told, re.MULTILINE) == [
        "BTCUSDT",
        "ETHUSDT",
        "XRPUSDT",
    ]


@pytest.mark.parametrize(
    ("call", "skipped"), [(StrategyRunner, {"client", "clock"}), (StrategyRunner.add, {"strategy"})]
)
def test_the_page_lists_every_argument(call: object, skipped: set[str]) -> None:
    arguments = set(inspect.signature(call).parameters) - {"self", *skipped}  # type: ignore[arg-type]

    assert {name for name in arguments if f"`{name}`" not in PAGE} == set()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_the_example_of_a_dask_cluster_downloads_and_runs() -> None:
    told = run_script("dask_cluster.py", "4")

    assert "10080 rows in" in told
    for symbol in ("BTCUSDT", "ETHUSDT", "XRPUSDT"):
        (prices,) = re.findall(rf"^{symbol}: (\d+) prices on \d workers", told, re.MULTILINE)
        assert int(prices) >= 2


def test_what_the_page_on_scale_shows_is_python_and_toml_of_ours() -> None:
    text = (ROOT / "docs" / "scale.md").read_text("utf-8")

    shown = re.findall(r"^```(python|toml)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for language, block in shown:
        if language == "python":
            compile(block, "scale.md", "exec")
        else:
            Config.from_dict(toml.loads(block))
    assert len(shown) == 4

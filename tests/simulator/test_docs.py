"""The commands of docs/local-exchange.md run as they stand; tests/docs runs its Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bybit_sync.simulator.server.faults import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "local-exchange.md"
TEXT = PAGE.read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the example calls curl")
def test_the_example_for_the_shell_runs(tmp_path: Path) -> None:
    (script,) = blocks("sh")
    bin_first = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    done = subprocess.run(
        ["sh", "-e", "-c", script + "wait"],  # noqa: S607
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": bin_first, "PYTHONPATH": str(PAGE.parents[1])},
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    account, late, at, count, orders, cleared = re.findall(r"\{.*?\}(?=\{|\d|$)|\d", done.stdout)[
        :6
    ]
    assert '"api_key"' in account
    assert (late, count, orders, cleared) == ("{}", "1", "0", "{}")
    assert '"retCode":0' in at
    assert (tmp_path / "exchange.json").exists()


def test_every_fault_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", TEXT))

    assert set(KINDS) <= named

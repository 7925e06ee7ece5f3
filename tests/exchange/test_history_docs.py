"""The commands of docs/history.md run as they stand; tests/docs runs its Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

PAGE = Path(__file__).parents[2] / "docs" / "history.md"
TEXT = PAGE.read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_the_commands_run(tmp_path: Path) -> None:
    (script,) = blocks("sh")
    bin_first = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    done = subprocess.run(
        ["sh", "-e", "-c", script],  # noqa: S607
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": bin_first, "PYTHONPATH": str(PAGE.parents[1])},
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "744 rows" in done.stdout
    assert '"new_rows": 24' in done.stdout
    assert len((tmp_path / "funding.csv").read_text().splitlines()) == 31 * 3 + 1


def test_every_method_is_named() -> None:
    from bybit_sync.history import SERIES, History

    named = set(re.findall(r"`(\w+)[`(]", TEXT))
    assert set(SERIES) <= named
    assert all(hasattr(History, name) for name in SERIES)

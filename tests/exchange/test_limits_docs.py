"""What docs/limits.md shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_page_shows_something() -> None:
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_each_block_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(compile(block, PAGE.name, "exec"), names)  # noqa: S102

    shown = capsys.readouterr().out
    if "print(error)" in block:
        assert "50 calls in 1 s are used up, the next turn is in 0." in shown
        assert "nothing was sent" in shown
    elif "offset_seconds" in block:
        assert float(shown) == pytest.approx(-90.0, abs=0.5)

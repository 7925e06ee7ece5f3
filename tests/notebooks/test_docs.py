"""What docs/notebook.md shows runs in a kernel as it stands, and its pictures are there."""

from __future__ import annotations

import inspect
import re

import pytest

from bybit_sync.notebook.charts import Charts
from bybit_sync.notebook.recorder import MOST_CALLS, MOST_SAMPLES
from bybit_sync.notebook.watch import SAMPLE_SECONDS

from .kernel import ROOT, Kernel

PAGE = ROOT / "docs" / "notebook.md"
TEXT = PAGE.read_text("utf-8")


def test_its_cells_run_one_after_the_other_and_once_more(shared_kernel: Kernel) -> None:
    pytest.importorskip("matplotlib")
    cells = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)

    for turn in range(2):
        shown = [shared_kernel.run(cell) for cell in cells]

        assert "no call yet" in shown[0].html[0]
        assert "<th>closePrice</th>" in shown[1].html[0]
        assert "live, every 0.5 s" in shown[2].html[0]
        assert "101 calls" in shown[3].updates[-1], turn


def test_its_pictures_are_there() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", TEXT)

    assert len(pictures) == 2
    assert all((PAGE.parent / each).is_file() for each in pictures)


def test_it_names_every_chart_and_what_is_kept() -> None:
    charts = {name for name, _ in inspect.getmembers(Charts, inspect.isfunction) if name[0] != "_"}

    assert set(re.findall(r"^\| `client\.plot\.(\w+)\(", TEXT, re.MULTILINE)) == charts
    assert f"the last {MOST_CALLS} calls" in TEXT
    assert round(MOST_SAMPLES * SAMPLE_SECONDS) == 600  # "the last ten minutes"

"""The notebooks of examples/ run from top to bottom, and twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .kernel import ROOT, environment

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("pandas")
pytest.importorskip("matplotlib")

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
PICTURES = {"quickstart": 2, "history": 2, "pool_tuning": 4}


def executed(notebook: Any, folder: Path) -> Any:
    """The notebook with what its cells have shown; a cell that fails fails the test."""
    runner = nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3")
    return runner.execute(cwd=str(folder), env=environment())


def shown(notebook: Any, kind: str) -> list[str]:
    """Every output of a kind."""
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    return [each["data"][kind] for each in outputs if kind in each.get("data", {})]


def warned(notebook: Any) -> str:
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    return "".join(each["text"] for each in outputs if each.get("name") == "stderr")


def test_every_notebook_is_tried() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(PICTURES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    notebook = executed(nbformat.read(path, as_version=4), tmp_path)

    assert len(shown(notebook, "image/png")) == PICTURES[path.stem]
    assert "Warning" not in warned(notebook)
    assert not list(tmp_path.iterdir())


def test_each_of_its_cells_may_be_run_twice(tmp_path: Path) -> None:
    path = ROOT / "examples" / "quickstart.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [
        nbformat.v4.new_code_cell(cell.source)
        for cell in notebook.cells
        for _ in range(2)
        if cell.cell_type == "code"
    ]

    executed(notebook, tmp_path)

    assert len(shown(notebook, "image/png")) == 2 * PICTURES["quickstart"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs_which_would_grow_old(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)

    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
            compile(cell.source, path.name, "exec")

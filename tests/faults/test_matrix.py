"""Every row of the fault matrix has a test that carries its number."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import toml

TESTS = Path(__file__).parents[1]
MATRIX = toml.loads(Path(__file__).with_name("matrix.toml").read_text(encoding="utf-8"))
TITLES = {int(number): title for rows in MATRIX.values() for number, title in rows.items()}


def numbers_in(path: Path) -> Iterator[int]:
    """The rows that ``pytest.mark.row(...)`` names in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.row":
            for number in node.args:
                assert isinstance(number, ast.Constant), f"{path}: a row is a plain number"
                yield number.value


@pytest.fixture(scope="module")
def tested() -> set[int]:
    """Every row that some test names."""
    return {number for path in TESTS.rglob("*.py") for number in numbers_in(path)}


def test_the_matrix_has_its_130_rows() -> None:
    assert len(TITLES) == sum(len(rows) for rows in MATRIX.values()) == 130


def test_every_row_has_a_test(tested: set[int]) -> None:
    missing = [f"{number} {title}" for number, title in TITLES.items() if number not in tested]

    assert not missing, f"{len(missing)} rows without a test:\n" + "\n".join(missing)


def test_no_test_names_a_row_that_is_not_there(tested: set[int]) -> None:
    assert tested <= TITLES.keys()

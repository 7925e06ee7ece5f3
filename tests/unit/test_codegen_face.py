"""The generator of pybit's method names."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bybit_sync._codegen.__main__ import main
from bybit_sync._codegen.face import FACE, face_faults, methods, write_face
from bybit_sync._codegen.load import SPEC, load
from bybit_sync._codegen.output import API


@pytest.fixture(scope="module")
def text() -> str:
    return methods(load())


def test_the_file_is_what_the_spec_makes(text: str) -> None:
    assert face_faults(text) == []
    assert methods(reversed(load())) == text


def test_every_name_of_pybit_is_there_once(text: str) -> None:
    names = [line.split("(")[0] for line in text.splitlines() if line.startswith("    def ")]

    assert len(names) == len(set(names)) == 358
    assert text.splitlines()[1] == '"""pybit\'s 358 methods."""'


def test_a_file_is_written_once_and_mended_when_it_was_touched(text: str, tmp_path: Path) -> None:
    path = tmp_path / "unified_trading" / "methods.py"
    assert face_faults(text, path) == []  # a copy of api/ alone needs none
    path.parent.mkdir()

    assert face_faults(text, path) == ["methods.py is missing"]
    assert write_face(text, path) == ["wrote unified_trading/methods.py"]
    assert write_face(text, path) == []
    path.write_text(text + "# by hand\n")
    assert face_faults(text, path) == ["methods.py differs"]


def test_check_looks_at_it_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api = shutil.copytree(API, tmp_path / "api", ignore=shutil.ignore_patterns("__pycache__"))
    face = tmp_path.joinpath(*FACE.parts[-2:])
    face.parent.mkdir()
    face.write_text("# by hand\n")

    assert main(["--check", "--spec", str(SPEC), "--api", str(api)]) == 1
    assert "methods.py differs" in capsys.readouterr().err
    assert main(["--api", str(api)]) == 0
    assert main(["--check", "--api", str(api)]) == 0


def test_it_is_laid_out_as_ruff_would(text: str, tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    (tmp_path / "methods.py").write_text(text)
    config = Path(__file__).parents[2] / "pyproject.toml"
    ruff = [sys.executable, "-m", "ruff"]

    for check in (["format", "--check"], ["check"]):
        ran = subprocess.run(
            [*ruff, *check, "--no-cache", "--config", config, tmp_path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

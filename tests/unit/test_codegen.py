"""The generator: what it writes, what --check finds, and that it writes as ruff would."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bybit_sync._codegen.__main__ import main
from bybit_sync._codegen.layout import Brackets, call, flat, lay_out, mapping, sequence
from bybit_sync._codegen.load import SPEC, load
from bybit_sync._codegen.output import API, differences, render, write
from bybit_sync._codegen.spec import GroupRow


@pytest.fixture(scope="module")
def groups() -> tuple[GroupRow, ...]:
    return load()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the generated package that a test may spoil."""
    return Path(
        shutil.copytree(API, tmp_path / "api", ignore=shutil.ignore_patterns("__pycache__"))
    )


def test_the_tree_is_what_the_spec_makes(groups):
    assert differences(render(groups)) == {}


def test_the_same_spec_makes_the_same_files(groups):
    assert render(groups) == render(reversed(load()))


def test_every_file_says_where_it_comes_from(groups):
    for name, text in render(groups).items():
        assert "enerated by python -m bybit_sync._codegen" in text.split("\n", 1)[0], name
        assert "do not edit" in text.split("\n", 1)[0], name


def test_check_passes_on_the_tree(capsys):
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_check_fails_on_a_touched_file(copy, capsys):
    with (copy / "market.py").open("a") as file:
        file.write("# a word by hand\n")

    assert main(["--check", "--api", str(copy)]) == 1
    assert "market.py differs" in capsys.readouterr().err


def test_check_fails_on_a_missing_file(copy, capsys):
    (copy / "README.md").unlink()

    assert main(["--check", "--api", str(copy)]) == 1
    assert "README.md is missing" in capsys.readouterr().err


def test_check_fails_on_a_stray_file(copy, capsys):
    (copy / "futures.py").write_text("")

    assert main(["--check", "--api", str(copy)]) == 1
    assert "futures.py is not made from the spec" in capsys.readouterr().err


def test_check_looks_at_the_answers_too(copy, capsys):
    (copy / "answers" / "trade.py").unlink()
    (copy / "answers" / "futures.py").write_text("")

    assert main(["--check", "--api", str(copy)]) == 1
    told = capsys.readouterr().err
    assert "answers/trade.py is missing" in told
    assert "answers/futures.py is not made from the spec" in told


def test_a_changed_answer_changes_its_type_and_nothing_else(tmp_path, capsys):
    spec = Path(shutil.copytree(SPEC, tmp_path / "spec"))
    market = spec / "answers" / "market.toml"
    market.write_text(market.read_text().replace('timeNano = "str, ns"', 'timeNano = "int, ns"'))

    assert main(["--check", "--spec", str(spec)]) == 1
    told = capsys.readouterr().err
    assert "answers/market.py differs" in told
    assert "\nmarket.py" not in told


def test_check_sees_line_ends(copy):
    target = copy / "trade.py"
    target.write_bytes(target.read_bytes().replace(b"\n", b"\r\n"))

    assert main(["--check", "--api", str(copy)]) == 1


def test_check_fails_without_the_package(tmp_path, capsys):
    assert main(["--check", "--api", str(tmp_path / "nowhere")]) == 1
    assert "is missing" in capsys.readouterr().err


def test_check_changes_nothing(copy):
    (copy / "trade.py").unlink()
    before = sorted(copy.iterdir())

    main(["--check", "--api", str(copy)])

    assert sorted(copy.iterdir()) == before


def test_writing_mends_touched_missing_and_stray_files(copy, groups):
    (copy / "market.py").write_text("")
    (copy / "trade.py").unlink()
    (copy / "futures.py").write_text("")
    files = render(groups)

    done = write(files, copy)

    assert sorted(done) == [
        "deleted futures.py (is not made from the spec)",
        "wrote market.py",
        "wrote trade.py",
    ]
    assert differences(files, copy) == {}


def test_writing_again_writes_nothing(copy, groups):
    assert write(render(groups), copy) == []


def test_a_changed_row_changes_its_method(tmp_path, capsys):
    spec = Path(shutil.copytree(SPEC, tmp_path / "spec"))
    market = spec / "market.toml"
    market.write_text(market.read_text().replace("/v5/market/tickers", "/v5/market/tickers2"))

    assert main(["--check", "--spec", str(spec)]) == 1
    told = capsys.readouterr().err
    assert "market.py differs" in told
    assert "_index.py differs" in told
    assert "trade.py" not in told


def test_a_broken_spec_is_told_and_nothing_written(tmp_path, capsys):
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "market.toml").write_text("[group\n")

    assert main(["--spec", str(tmp_path / "spec"), "--api", str(tmp_path / "api")]) == 1
    assert "market.toml" in capsys.readouterr().err
    assert not (tmp_path / "api").exists()


def test_the_files_are_laid_out_as_ruff_would(tmp_path, groups):
    pytest.importorskip("ruff")
    write(render(groups), tmp_path / "api")
    config = Path(__file__).parents[2] / "pyproject.toml"

    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "format",
            "--no-cache",
            "--check",
            "--config",
            config,
            tmp_path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_fits_stays_on_one_line():
    assert lay_out(call("f", "1", call("g", "2")), 4, before="x = ") == "    x = f(1, g(2))"


def test_what_does_not_fit_is_broken_up_with_a_trailing_comma():
    long = "a" * 60

    laid = lay_out(call("f", long, call("g", "2", "3"), "b" * 40))

    assert laid == f"f(\n    {long},\n    g(2, 3),\n    {'b' * 40},\n)"


def test_the_limit_of_a_line_counts_what_stands_around():
    node = call("f", "a" * 91)

    assert "\n" not in lay_out(node, after="," * 6)
    assert "\n" in lay_out(node, after="," * 7)
    assert "\n" in lay_out(node, 4, after="," * 6)


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (sequence("allowed=", ['"a"']), 'allowed=("a",)'),
        (sequence("", ['"a"', '"b"']), '("a", "b")'),
        (call("Param", '"a"'), 'Param("a")'),
        (mapping([("a", "1")]), "{a: 1}"),
        (Brackets("Literal[", ("1",), "]"), "Literal[1]"),
    ],
)
def test_only_a_tuple_of_one_has_a_comma_on_its_line(node, code):
    assert flat(node) == code

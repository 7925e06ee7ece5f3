"""What docs/terminal.md shows runs as it stands, and says what it says there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bybit_sync.simulator import LocalExchange

from .test_terminal import every_command
from .tools import free_port

PAGE = Path(__file__).parents[2] / "docs" / "terminal.md"
TEXT = PAGE.read_text("utf-8")
PORT = "9100"


class Example(NamedTuple):
    """Lines for a shell, and what they print; empty where the page does not show that."""

    script: str
    shown: str


EXAMPLES = [
    Example(*found)
    for found in re.findall(
        r"^```sh\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", TEXT, re.DOTALL | re.MULTILINE
    )
]
(PROGRAM,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A shell in which a local exchange is known."""
    bin_first = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with LocalExchange() as exchange:
        yield {
            **os.environ,
            "PATH": bin_first,
            "COLUMNS": "110",
            "BYBIT_BASE_URL": exchange.url,
            "BYBIT_CA_FILE": exchange.ca_file or "",
            "BYBIT_API_KEY": exchange.api_key,
            "BYBIT_API_SECRET": exchange.api_secret,
        }


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    """The exporter of the program that the page shows, which runs meanwhile."""
    port = str(free_port())
    program = subprocess.Popen([sys.executable, "-c", PROGRAM.replace(PORT, port)])
    try:
        wait = (
            f"for i in $(seq 300); do {sys.executable} -m bybit_sync top --url {port} --once "
            "> /dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1"
        )
        subprocess.run(["sh", "-c", wait], check=True, timeout=60)  # noqa: S607
        yield port
    finally:
        program.terminate()
        program.wait(20)


def run(example: Example, environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        ["sh", "-e", "-c", example.script],  # noqa: S607
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def words(text: str) -> set[str]:
    """What does not change from one run to the next."""
    return set(re.findall(r"[A-Za-z_.-]{3,}", text))


@pytest.mark.parametrize("example", [e for e in EXAMPLES if PORT not in e.script])
def test_an_example_runs_and_prints_what_is_shown(
    example: Example, environment: dict[str, str], tmp_path: Path
) -> None:
    printed = run(example, environment, tmp_path)

    assert words(example.shown) <= words(printed)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if PORT in e.script])
def test_an_example_with_a_running_program_runs(
    example: Example, environment: dict[str, str], tmp_path: Path, port: str
) -> None:
    script = example.script.replace(PORT, port)

    printed = run(Example(script, ""), environment, tmp_path)

    assert words(example.shown) <= words(printed)


def test_the_pictures_are_there_and_show_what_they_are_of() -> None:
    shown = dict(re.findall(r"^!\[(\w+) on a terminal\]\((.*?)\)$", TEXT, re.MULTILINE))
    expected = {"call": "lastPrice", "top": "waiting", "doctor": "saturated"}

    assert set(shown) == set(expected)
    for command, word in expected.items():
        picture = (PAGE.parent / shown[command]).read_text("utf-8")
        assert word in picture
        assert "url(http" not in picture  # it is whole without a network


def test_most_examples_show_what_they_print_and_every_command_is_there() -> None:
    assert sum(bool(example.shown) for example in EXAMPLES) >= 8
    for path in every_command():
        if len(path) == 1:
            assert f"bybit-sync {path[0]}" in TEXT or f"[`{path[0]}`]" in TEXT, path

"""Every Python block of the README and of every page runs as it stands.

What needs Bybit itself is run against a local exchange in its place.
"""

from __future__ import annotations

import inspect
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .pages import PAGES, Block, blocks

BLOCKS = blocks("python")
PORTS = ("9100", "9300")
"""Ports of exporters on the pages; they may be taken on the machine that runs the tests."""
NEEDED = {
    "docs/history.md": ("pandas", "pyarrow"),
    "docs/notebook.md": ("pandas", "matplotlib", "IPython"),
    "docs/scale.md": ("distributed", "redis"),
}
SAID = {
    "docs/errors.md-0": ["ConnectionLostError look before you repeat", "ParameterError mend it"],
    "docs/getting-started.md-1": ["<BybitClient https://api-testnet.bybit.com, without keys>"],
    "docs/history.md-2": [
        "btc.parquet: 44,640 rows from 2026-01-01T00:00:00Z to 2026-02-01",
        "1440",
    ],
    "docs/limits.md-1": ["50 calls in 1 s are used up, the next turn is in", "nothing was sent"],
    "docs/limits.md-3": ["-90."],
    "docs/metrics.md-0": ['endpoint="market.get_tickers"'],
    "docs/runner.md-0": ["0 errors"],
    "docs/how-a-call-travels.md-1": ["market.get_server_time: ok after"],
}
"""What a block says it prints."""


@pytest.fixture(autouse=True)
def _a_process_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks write files, draw, and set what holds for the whole process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.id for block in BLOCKS])
def test_a_python_block_runs(
    block: Block, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in NEEDED.get(block.page, ()):
        pytest.importorskip(package)
    names: dict[str, Any] = {"__name__": "block"}

    exec(compile(here(block.code), f"{block.id}.py", "exec"), names)  # noqa: S102
    run_the_tests_in(names, request)

    said = capsys.readouterr().out
    for words in SAID.get(block.id, ()):
        assert words in said


def here(code: str) -> str:
    """The block as it can be run on this machine, in little time."""
    code = code.replace("BybitClient()", "BybitClient.local()").replace("range(1000)", "range(5)")
    for port in PORTS:
        code = code.replace(port, str(free_port()))
    return code


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def run_the_tests_in(names: dict[str, Any], request: pytest.FixtureRequest) -> None:
    """A block may hold a test, with the fixtures that the package brings."""
    for name, value in names.items():
        if name.startswith("test_"):
            fixtures = inspect.signature(value).parameters
            value(**{fixture: request.getfixturevalue(fixture) for fixture in fixtures})


def test_the_pages_show_tests_and_programs_and_what_they_print() -> None:
    assert len(BLOCKS) > 25
    assert any("bybit_exchange" in block.code for block in BLOCKS)
    assert set(SAID) <= {block.id for block in BLOCKS}


def test_what_needs_bybit_itself_is_rare() -> None:
    needs = [b for b in BLOCKS if re.search(r"^[^#\n]*BybitClient\(\)", b.code, re.MULTILINE)]

    assert len(needs) <= 2  # the README's first call, and the one for processes


def test_every_block_has_a_language() -> None:
    for page, text in PAGES.items():
        fences = re.findall(r"^```(.*)$", text, re.MULTILINE)
        assert all(language for language in fences[::2]), page

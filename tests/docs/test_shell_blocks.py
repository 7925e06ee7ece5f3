"""Every line for a shell is one: the commands, options and scripts that it names exist.

That the blocks run is shown beside what they are about: tests/cli for the terminal, tests/simulator
for the local exchange, tests/exchange for downloads, tests/prometheus for metrics, .ci/run for the
README, and test_distribution.py for the installation.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest

pytest.importorskip("click")

import click

from bybit_sync.cli import commands

from .pages import Block, blocks

BLOCKS = blocks("sh")
NAMES = ("bybit-sync", "python -m bybit_sync", ".venv/bin/python -m bybit_sync")


def lines_of_ours(block: Block) -> Iterator[list[str]]:
    """The words that each call of our command has after its name."""
    joined = block.code.replace("\\\n", " ")
    pattern = rf"(?:^|[;&(]\s*)(?:{'|'.join(map(re.escape, NAMES))})\b([^\n;&|>)]*)"
    for rest in re.findall(pattern, joined, re.MULTILINE):
        yield shlex.split(rest, comments=True)


CALLS = [
    pytest.param(words, id=f"{block.page}: {' '.join(words)}"[:80])
    for block in BLOCKS
    for words in lines_of_ours(block)
]


def test_the_pages_have_lines_for_a_shell() -> None:
    assert len(BLOCKS) >= 20
    assert len(CALLS) >= 20


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
@pytest.mark.parametrize("block", BLOCKS, ids=[block.id for block in BLOCKS])
def test_a_block_is_one_for_a_shell(block: Block) -> None:
    done = subprocess.run(
        ["sh", "-n"],  # noqa: S607
        input=block.code,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", CALLS)
def test_a_command_is_one_and_has_these_options(words: list[str]) -> None:
    command: click.Command = commands
    context = click.Context(commands, info_name="bybit-sync")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, words
        command, words = found, words[1:]
        context = click.Context(command, parent=context)

    known = {option for param in command.get_params(context) for option in param.opts}
    assert {word.split("=")[0] for word in words if word.startswith("-")} <= known

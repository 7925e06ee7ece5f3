"""The README's examples run as they stand."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from bybit_sync import ConnectionPoolConfig

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def needs_a_network(block: str) -> bool:
    """True for a block that makes a client of the mainnet, and not of a local exchange."""
    return "BybitClient()" in block


def test_the_readme_has_examples_and_most_need_no_network() -> None:
    assert len(BLOCKS) >= 5
    assert sum(map(needs_a_network, BLOCKS)) <= 1


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_an_example_of_the_readme_runs(number: int) -> None:
    block = BLOCKS[number]
    if needs_a_network(block):
        # What it says can be said to an exchange that is here, too.
        block = block.replace("BybitClient()", "BybitClient.local()")

    exec(compile(block, f"{README.name}, python block {number + 1}", "exec"), {})  # noqa: S102


def test_the_table_of_the_pool_says_what_the_defaults_are() -> None:
    text = README.read_text("utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", text, re.MULTILINE))
    pool = ConnectionPoolConfig()

    for field in fields(pool):
        assert json.loads(told[field.name]) == getattr(pool, field.name), field.name

"""What docs/orders.md shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import toml

from bybit_sync import Config

PAGE = Path(__file__).parents[2] / "docs" / "orders.md"
TEXT = PAGE.read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", blocks("python"))
def test_the_example_runs(block: str) -> None:
    exec(compile(block, PAGE.name, "exec"), {})  # noqa: S102


def test_the_settings_are_settings() -> None:
    (block,) = blocks("toml")

    assert Config.from_dict(toml.loads(block)).orders.journal == "orders.sqlite"

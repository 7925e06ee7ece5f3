"""The settings that docs/orders.md shows are settings; tests/docs runs its examples."""

from __future__ import annotations

import re
from pathlib import Path

import toml

from bybit_sync import Config

PAGE = Path(__file__).parents[2] / "docs" / "orders.md"


def test_the_settings_are_settings() -> None:
    text = PAGE.read_text("utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)

    assert Config.from_dict(toml.loads(block)).orders.journal == "orders.sqlite"

"""What the README says of the pool is so, and it is short; tests/docs runs its examples."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

from bybit_sync import ConnectionPoolConfig

README = Path(__file__).parents[1] / "README.md"


def test_the_table_of_the_pool_says_what_the_defaults_are() -> None:
    text = README.read_text("utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", text, re.MULTILINE))
    pool = ConnectionPoolConfig()

    for field in fields(pool):
        assert json.loads(told[field.name]) == getattr(pool, field.name), field.name

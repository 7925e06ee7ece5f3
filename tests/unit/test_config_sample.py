"""``config.toml`` in the root: every table and key, with its default and a word about it."""

from __future__ import annotations

import re
import warnings
from dataclasses import fields
from pathlib import Path

import pytest
import toml

from bybit_sync.config import Config

SAMPLE = Path(__file__).parents[2] / "config.toml"
CONFIG = Config()
KEYS = [
    (table.name, key.name)
    for table in fields(CONFIG)
    for key in fields(getattr(CONFIG, table.name))
]


def test_the_file_is_what_a_client_without_a_file_has() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Config.load(SAMPLE) == CONFIG


def test_the_file_has_the_tables_and_keys_in_the_order_of_the_records() -> None:
    tables = toml.loads(SAMPLE.read_text(encoding="utf-8"))

    assert [(table, key) for table, keys in tables.items() for key in keys] == KEYS


def test_a_test_of_the_keys_sees_more_than_a_few() -> None:
    assert len(KEYS) == 48
    assert ("connection_pool", "limit_per_host") in KEYS


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_each_value_is_the_default_of_its_record(table: str, key: str) -> None:
    tables = toml.loads(SAMPLE.read_text(encoding="utf-8"))

    assert tables[table][key] == getattr(getattr(CONFIG, table), key)


@pytest.mark.parametrize("key", [key for _, key in KEYS])
def test_a_comment_stands_above_each_key(key: str) -> None:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    places = [
        number
        for number, line in enumerate(lines)
        if re.match(rf"{key} =|\[rate_limit\.{key}\]", line)
    ]

    assert places
    assert all(re.match(r"# \S", lines[number - 1]) for number in places)


def test_times_say_their_unit() -> None:
    blocks = re.findall(r"((?:^# .*\n)+)^(\w+) = ", SAMPLE.read_text(encoding="utf-8"), re.M)
    timed = {
        key: comment
        for comment, key in blocks
        if re.search(r"timeout|delay|_age$|window|interval|lag$|ttl|^idle$|_ms$", key)
    }

    assert len(timed) >= 14
    for key, comment in timed.items():
        assert ("Milliseconds" if key.endswith("_ms") else "econds") in comment, key

"""L. Config: whatever stands in it, a config comes out or a ConfigError that names the place.

Row by row and key by key this is in tests/unit/test_config*.py; here are whole files, many of
them, and the time they take.
"""

from __future__ import annotations

import dataclasses
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, Config, ConfigError

GENERATED = 20_000
DEFAULTS = dataclasses.asdict(Config())
LARGEST_SHARE = 0.1
"""Seconds of processor time that the worst file may take."""


@pytest.mark.row(114)
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("limt = 5", "limit"),
        ("limit = true", "True"),
        ("limit = nan", "limit"),
        ("total_timeout = nan", "total_timeout"),
        ("total_timeout = inf", "total_timeout"),
        ("total_timeout = -1", "-1"),
        ("limit = 1000000000", "1000000000"),
        ('limit = "5"', "limit"),
        ("limit = [5]", "limit"),
        ("limit_per_host = 0", "0"),
    ],
)
def test_a_wrong_line_is_told_with_file_line_key_and_what_is_allowed(
    line: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "bybit.toml"
    path.write_text(f"# ours\n[connection_pool]\n{line}\n", encoding="utf-8")

    with pytest.raises(ConfigError) as refused:
        Config.load(path)

    assert "bybit.toml:3: connection_pool." in str(refused.value)
    assert told in str(refused.value)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


FILES: dict[str, Callable[[Path], Any]] = {
    "missing": lambda path: None,
    "a directory": lambda path: path.mkdir(),
    "a FIFO": fifo,
    "a gigabyte": huge,
    "no UTF-8": lambda path: path.write_bytes(b'[client]\nenvironment = "\xff"\n'),
    "a key twice": lambda path: path.write_text("[retry]\nattempts = 1\nattempts = 2\n"),
    "a table twice": lambda path: path.write_text("[retry]\n[retry]\n"),
    "cut": lambda path: path.write_text('[client]\nenvironment = "main'),
    "brackets": lambda path: path.write_text("[" * 32_000),
    "quotes": lambda path: path.write_text("a = " + '"""' * 10_000),
    "nested lists": lambda path: path.write_text("a = " + "[" * 16_000 + "]" * 16_000),
    "escapes": lambda path: path.write_text('a = "' + "\\\\" * 16_000 + '"'),
    "dots": lambda path: path.write_text("a" + ".a" * 16_000 + " = 1"),
    "NUL": lambda path: path.write_bytes(b"\x00" * 32_000),
}


@pytest.mark.row(115)
@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_none_is_refused_at_once(what: str, tmp_path: Path) -> None:
    path = tmp_path / "bybit.toml"
    FILES[what](path)
    Config.from_dict({})  # the parser is loaded now
    with pytest.raises(ConfigError):
        Config.load(tmp_path / "other.toml")

    taken = []
    for _ in range(3):  # the least of them is its own, the rest is what runs beside it
        started = time.thread_time()
        with pytest.raises(ConfigError, match=r"bybit\.toml"):
            Config.load(path)
        taken.append(time.thread_time() - started)

    assert min(taken) < LARGEST_SHARE


@pytest.mark.row(115)
def test_a_byte_order_mark_is_let_pass(tmp_path: Path) -> None:
    path = tmp_path / "bybit.toml"
    path.write_bytes(b"\xef\xbb\xbf[retry]\nattempts = 2\n")

    assert Config.load(path).retry.attempts == 2


@pytest.mark.row(117)
@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("kEyOfMiNe00000001\n", "s" * 36),
        (" kEyOfMiNe00000001", "s" * 36),
        ("kEyOfMiNe 00000001", "s" * 36),
        ("k" * 18, "sEcReTofMiNe\r\n" + "0" * 24),
        ("k" * 18, "sEcReTofMiNe " + "0" * 24),
        ("-----BEGIN PRIVATE KEY-----\nsEcReTofMiNe\n", "kEyOfMiNe00000001"),
        ("sEcReTofMiNe" + "0" * 24, "kEyOfMiNe000000001"),
    ],
    ids=["newline", "before", "inside", "CRLF", "in secret", "PEM swapped", "swapped"],
)
def test_keys_that_were_mistyped_or_swapped_are_refused_and_not_shown(
    key: str, secret: str
) -> None:
    tables = {"client": {"api_key": key, "api_secret": secret}}
    for make in (
        lambda: BybitClient(key, secret, registry=CollectorRegistry()),
        lambda: BybitClient(config=Config.from_dict(tables), registry=CollectorRegistry()),
    ):
        with pytest.raises(ConfigError) as refused:
            make()
        for part in ("kEyOfMiNe", "sEcReTofMiNe", "k" * 18, "s" * 36):
            assert part not in str(refused.value) + repr(refused.value)


# --- 118: twenty thousand of them ---------------------------------------------------------

HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 1, 10**9, 10**400, 0.5, 1e308, float("nan"), float("inf"), -0.0),
    *("", "x", "mainnet", "passive", "off", "5", "\x00", "\ud800", "é", "a" * 5000, b"", b"x"),
    *("https://api.bybit.com", "http://evil", "https://u:p@h", "http://127.0.0.1:99999", "::1"),
    *([], [1], [[]], {}, {"/v5/a": 1.0}, {"/v5/a": float("nan")}, {1: 2}, (), object(), len),
]


def generated(dice: random.Random) -> Any:
    """Tables that are mostly right, so that what lies behind the first fault is reached."""
    tables: dict[Any, Any] = {}
    for name in dice.sample(sorted(DEFAULTS), dice.randint(0, 3)):
        keys = dice.sample(sorted(DEFAULTS[name]), min(len(DEFAULTS[name]), dice.randint(0, 3)))
        tables[name] = {
            key: DEFAULTS[name][key] if dice.random() < 0.8 else dice.choice(HOSTILE)
            for key in keys
        }
        if dice.random() < 0.05:
            tables[name][dice.choice(["limt", "", "x.y", 5, None, "__class__"])] = 1
    if dice.random() < 0.05:
        tables[dice.choice(["clients", "", 5, None, "connection pool"])] = dice.choice(HOSTILE)
    return dice.choice(HOSTILE) if dice.random() < 0.02 else tables


@pytest.mark.row(118)
def test_twenty_thousand_generated_configs_are_valid_or_refused() -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")  # noqa: T201  # whoever meets a failure has to repeat it
    dice, outcomes = random.Random(seed), Counter[str]()
    for _ in range(GENERATED):
        tables = generated(dice)
        try:
            made = Config.from_dict(tables)
        except ConfigError as error:
            outcomes["refused" if str(error) else "refused without a word"] += 1
        else:
            outcomes["made"] += 1
            if outcomes["made"] % 4:
                continue  # a close look makes two more: every fourth is enough
            assert dataclasses.replace(made) == made
            assert Config.from_dict(dataclasses.asdict(made)) == made

    assert outcomes["made"] + outcomes["refused"] == GENERATED
    assert min(outcomes["made"], outcomes["refused"]) > GENERATED // 10

"""`config check` tells every fault at once, `config show` where every value comes from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bybit_sync.config.draft import TABLES

from .tools import Invoke, terminal

SAMPLE = Path(__file__).parents[2] / "config.toml"
KEY, SECRET = "k" * 18, "s" * 36


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.toml"
    file.write_text('[connection_pool]\nlimit = 0\nlimt = 3\n\n[clock]\nmode = "x"\n')
    return file


def test_all_faults_are_told_at_once_each_on_its_line(bad: Path, invoke: Invoke) -> None:
    done = invoke("config", "check", str(bad))
    lines = done.out.splitlines()

    assert done.code == 1
    assert [line.partition(": ")[0] for line in lines] == [f"{bad}:{n}" for n in (2, 3, 6)]
    assert "did you mean connection_pool.limit?" in lines[1]


def test_faults_as_json(bad: Path, invoke: Invoke) -> None:
    done = invoke("config", "check", "--config", str(bad), "--json")
    told = json.loads(done.out)

    assert done.code == 1
    assert (told["ok"], len(told["faults"])) == (False, 3)


def test_a_right_file_has_no_fault(invoke: Invoke) -> None:
    done = invoke("config", "check", str(SAMPLE))

    assert (done.code, done.out) == (0, f"{SAMPLE}: no fault\n")


def test_the_file_of_the_directory_is_checked_where_none_is_named(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("config", "check").code == 1  # it is not there
    (tmp_path / "config.toml").write_text("[retry]\nattempts = 2\n")

    assert invoke("config", "check").code == 0


def test_a_key_without_its_secret_is_a_fault(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYBIT_API_KEY", KEY)

    done = invoke("config", "check", str(SAMPLE))

    assert done.code == 1
    assert "BYBIT_API_KEY is given without BYBIT_API_SECRET" in done.out


def test_a_file_with_keys_that_others_may_read_is_warned_of(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[client]\napi_key = "{KEY}"\napi_secret = "{SECRET}"\n')
    file.chmod(0o644)

    done = invoke("config", "check", str(file))

    assert done.code == 0
    assert "warning: " in done.err
    assert "chmod 600" in done.err


def test_every_key_is_shown_with_default_and_origin(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[retry]\nattempts = 5\n")

    shown = json.loads(invoke("config", "show", str(file), "--json").out)

    assert {table: set(keys) for table, keys in shown.items()} == {
        name: set(record.key_names()) for name, record in TABLES.items()
    }
    assert shown["retry"]["attempts"] == {"value": 5, "default": 3, "origin": "mine.toml:2"}
    assert shown["retry"]["base_delay"]["origin"] == "default"


def test_only_what_is_changed(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[retry]\nattempts = 5\nbase_delay = 0.1\n[rate_limit.endpoint_limits]\n"/v5/x"=3\n'
    )

    done = invoke("config", "show", str(file), "--changed")

    assert [line.split("\t")[0] for line in done.out.splitlines()] == [
        "retry.attempts",
        "rate_limit.endpoint_limits",
    ]


def test_secrets_are_masked_wherever_they_come_from(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'[client]\napi_key = "{KEY}"\napi_secret = "{SECRET}"\n')
    file.chmod(0o600)
    from_file = invoke("config", "show", str(file), "--json").out
    monkeypatch.setenv("BYBIT_API_KEY", "e" * 18)
    monkeypatch.setenv("BYBIT_API_SECRET", "t" * 36)
    from_environment = invoke("config", "show", str(file), "--json").out

    for text in (from_file, from_environment):
        assert SECRET not in text
        assert "t" * 36 not in text
        assert KEY not in text
        assert "e" * 18 not in text
    client = json.loads(from_file)["client"]
    assert (client["api_secret"]["value"], client["api_key"]["value"]) == ("***", "kkkk…")
    assert client["api_key"]["origin"] == "mine.toml:2"
    client = json.loads(from_environment)["client"]
    assert client["api_key"]["origin"] == "BYBIT_API_KEY"
    assert client["api_key"]["value"] == "eeee…"


def test_a_wrong_file_is_not_shown(bad: Path, invoke: Invoke) -> None:
    done = invoke("config", "show", str(bad))

    assert (done.code, done.out) == (1, "")
    assert "limit: 0 is not" in done.err


def test_a_terminal_gets_a_table() -> None:
    with terminal("config", "show", str(SAMPLE)) as shown:
        assert shown.end() == 0

    assert "connection_pool.limit_per_host" in shown.shown
    assert "┃" in shown.shown


def test_a_file_is_named_once(invoke: Invoke) -> None:
    assert invoke("config", "show", str(SAMPLE), "--config", str(SAMPLE)).code == 2
    assert os.path.exists(SAMPLE)

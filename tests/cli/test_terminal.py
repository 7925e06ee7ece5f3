"""What all commands have in common: help, errors, exit codes, start-up, completion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bybit_sync import cli
from bybit_sync.cli import commands, errors
from bybit_sync.exceptions import (
    BybitError,
    ConfigError,
    DnsError,
    ReadTimeoutError,
    RequestInfo,
)

from .tools import Invoke, free_port, process

HEAVY = ("rich", "requests", "urllib3", "pandas", "prometheus_client", "bybit_sync.client")


def every_command() -> Iterator[tuple[str, ...]]:
    context = click.Context(commands)
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        assert command is not None
        yield (name,)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)


# --- help ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", list(every_command()), ids="-".join)
def test_every_command_has_help_and_debug(path: tuple[str, ...], invoke: Invoke) -> None:
    done = invoke(*path, "--help")

    assert done.code == 0
    assert done.out.startswith("Usage: ")
    assert done.out.count("--debug") == 1


@pytest.mark.parametrize("name", [path[0] for path in every_command() if len(path) == 1])
def test_every_command_shows_an_example(name: str, invoke: Invoke) -> None:
    assert "Example: " in invoke(name, "--help").out


def test_the_list_of_commands_says_what_each_is_for(invoke: Invoke) -> None:
    out = invoke("--help").out

    for path in every_command():
        assert f"\n  {path[0]} " in out
    assert "Exit code: 0 done, 1 failed, 2" in out


def test_help_imports_nothing_heavy() -> None:
    """So that it is there at once, and without the packages of any command."""
    script = (
        "import sys; from bybit_sync.cli import run; code = run(['--help']);"
        f"found = [name for name in {HEAVY} if name in sys.modules]; assert not found, found"
    )

    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=30)


def test_the_version_is_told(invoke: Invoke) -> None:
    from bybit_sync import __version__

    assert invoke("--version").out == f"bybit-sync {__version__}\n"


# --- errors -------------------------------------------------------------------------------


def test_an_error_is_one_line_with_what_to_do() -> None:
    done = process(
        "call", "market.get_server_time", "--base-url", f"https://127.0.0.1:{free_port()}"
    )

    assert (done.code, done.out) == (1, "")
    assert len(done.err.strip().splitlines()) == 1
    assert done.err.startswith("ConnectError: GET /v5/market/time")
    assert "doctor" in done.err


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_trace_wherever_it_stands(place: str) -> None:
    call = ("call", "market.get_server_time", "--base-url", f"https://127.0.0.1:{free_port()}")

    done = process(*(("--debug", *call) if place == "before" else (*call, "--debug")))

    assert done.code == 1
    assert "Traceback" in done.err
    assert done.err.strip().splitlines()[-1].startswith("ConnectError")


def test_a_bug_is_told_in_a_line_too(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("this is a bug")

    monkeypatch.setattr(cli.commands, "invoke", broken)

    done = invoke("call")

    assert done.code == 1
    assert done.err == "RuntimeError: this is a bug (--debug shows where)\n"


@pytest.mark.parametrize("arguments", [("dance",), ("call", "--what"), ("top", "--interval", "x")])
def test_wrong_usage_is_a_line_that_leads_to_help(
    arguments: tuple[str, ...], invoke: Invoke
) -> None:
    done = invoke(*arguments)

    assert (done.code, done.out) == (2, "")
    assert len(done.err.strip().splitlines()) == 1
    assert "--help tells more" in done.err


def test_what_may_have_happened_is_said_before_what_to_do() -> None:
    request = RequestInfo("POST", "/v5/order/create", {"orderLinkId": "mine"})
    error = ReadTimeoutError("silent", phase="read", request=request, effect_unknown=True)

    line = errors.line_of(error)

    assert "look it up (orderLinkId mine)" in line
    assert "look it up" not in errors.line_of(ReadTimeoutError("silent", phase="read"))


def test_every_transport_error_has_advice_and_a_plain_one_has_none() -> None:
    assert "network" in errors.line_of(DnsError("no", phase="dns"))
    assert errors.line_of(ConfigError("limit: no")) == "ConfigError: limit: no"
    assert errors.line_of(BybitError("x")) == "BybitError: x"


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("rich", ["demo"], "cli"),
        ("rich", ["bench", "--seconds", "0.2", "--threads", "1"], "cli"),
        (
            "pyarrow",
            ["history", "funding", "BTCUSDT", "--since", "2025-01-01", "--local"],
            "history",
        ),
    ],
)
def test_a_missing_package_is_told_with_the_command_that_installs_it(
    package: str, arguments: list[str], extra: str, tmp_path: Path
) -> None:
    if package == "pyarrow":
        arguments = [*arguments, "--out", str(tmp_path / "rows.parquet")]
    script = (
        f"import sys; sys.modules[{package!r}] = None;"
        f"from bybit_sync.cli import run; sys.exit(run({arguments}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    assert f'pip install "bybit-sync[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_without_click_the_command_that_installs_it_is_told() -> None:
    script = (
        "import sys; sys.modules['click'] = None; sys.argv = ['bybit-sync'];"
        "from bybit_sync.__main__ import main; sys.exit(main())"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30
    )

    assert done.returncode == 2
    assert done.stderr.strip() == (
        'The commands need the package click: pip install "bybit-sync[cli]"'
    )


def test_a_reader_that_leaves_early_is_no_error() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m bybit_sync call market --list | head -n 1"],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.stdout.startswith("market.")
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


# --- completion ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def script() -> str:
    done = process("completion", "bash")
    assert done.code == 0
    return done.out


def completed(script: str, line: str) -> list[str]:
    """What bash offers at the end of a line."""
    words = line.split(" ")
    test = f"""{script}
COMP_LINE={line!r}; COMP_POINT={len(line)}
COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}
_bybit_sync_completion bybit-sync
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    bin_first = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", test],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": bin_first},
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bybit-sync do", ["doctor"]),
        ("bybit-sync call ma", ["market."]),
        ("bybit-sync call market.get_tick", ["market.get_tickers"]),
        ("bybit-sync call market.get_tickers cat", ["category="]),
        ("bybit-sync call market.get_tickers category=", ["spot", "linear", "inverse", "option"]),
        ("bybit-sync call market.get_tickers category=li", ["linear"]),
        ("bybit-sync call market.get_tickers category=spot s", ["symbol="]),
        ("bybit-sync call nowhere.nothing x", []),
        ("bybit-sync call market.get_tickers --env", ["--environment"]),
        ("bybit-sync config ch", ["check"]),
    ],
)
def test_bash_completes(script: str, line: str, offered: list[str]) -> None:
    found = completed(script, line)

    if offered == ["market."]:  # one group is certain: its methods
        assert "market.get_kline" in found
        assert all(name.startswith("market.") for name in found)
    else:
        assert found == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_parameters_that_are_given_are_not_offered_again(script: str) -> None:
    found = completed(script, "bybit-sync call market.get_tickers category=spot ")

    assert "category=" not in found
    assert "symbol=" in found


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script_too(shell: str, invoke: Invoke) -> None:
    done = invoke("completion", shell)

    assert done.code == 0
    assert f"_BYBIT_SYNC_COMPLETE={shell}_complete" in done.out
    assert "%(" not in done.out

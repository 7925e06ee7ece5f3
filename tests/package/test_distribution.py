"""What is uploaded holds everything, and what somebody installs works, or says what is missing."""

from __future__ import annotations

import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from bybit_sync import __version__

from .conftest import ROOT, Run

pytestmark = pytest.mark.timeout(400)  # the first test builds and installs

GROUPS = len(list((ROOT / "bybit_sync/_codegen/spec").glob("*.toml")))


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "bybit_sync").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert expected - names_in(wheel) == set()
    assert {name for name in names_in(wheel) if "dist-info" not in name} == expected
    for needed in ("py.typed", "dashboards/grafana.json", "call/data/limits.lua"):
        assert f"bybit_sync/{needed}" in expected
    assert sum(name.startswith("bybit_sync/_codegen/spec/answers/") for name in expected) == GROUPS


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("dist-info/METADATA")]
        facts = Parser().parsestr(archive.read(name).decode("utf-8"))
        (points,) = [each for each in archive.namelist() if each.endswith("entry_points.txt")]
        commands = archive.read(points).decode("utf-8")

    assert facts["Name"] == "bybit-sync"
    assert facts["Version"] == __version__
    assert facts["Requires-Python"] == ">=3.10"
    assert "MIT" in (facts["License"] or facts["License-Expression"])
    assert any(name.endswith("/LICENSE") for name in names_in(wheel))
    extras = {"all", "cli", "cluster", "history", "jupyter", "rsa", "simulator"}
    assert set(facts.get_all("Provides-Extra", [])) == extras
    assert "bybit-sync" in commands
    assert "[pytest11]" in commands


def test_the_source_archive_holds_what_tests_and_documentation_need(archives: Path) -> None:
    (path,) = archives.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for needed in ("README.md", "CHANGELOG.md", "LICENSE", "config.toml", "requirements.txt"):
        assert needed in names
    for needed in ("docs/index.md", "mkdocs.yml", "tests/conftest.py", "examples/runner.py"):
        assert needed in names
    assert not [name for name in names if "__pycache__" in name]


def test_without_an_extra_the_client_is_whole(bare: Run) -> None:
    done = bare(
        "-c",
        "from bybit_sync import BybitClient, StrategyRunner, unified_trading\n"
        "from bybit_sync.net import PooledAdapter\n"
        "with BybitClient() as client:\n"
        "    print(client, len(client.market.__class__.__dict__) > 20, client.pool_stats().limit)",
    )

    assert done.stdout == "<BybitClient https://api.bybit.com, without keys> True 100\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("from bybit_sync.__main__ import main; sys.exit(main())", "cli"),
        ("BybitClient.local()", "simulator"),
        ("from bybit_sync.simulator import LocalExchange; LocalExchange().start()", "simulator"),
        ("Reply({'result': {'list': []}}, headers={}, elapsed=0.1).to_frame()", "history"),
        ("client.history.klines('BTCUSDT', '1h', '2026-01-01', '2026-01-02')", "history"),
        (
            "client.history.klines('BTCUSDT', '1h', '2026-01-01', '2026-01-02', out='a.parquet')",
            "history",
        ),
        ("client.plot.latency()", "jupyter"),
        (
            "pem = '-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----'\n"
            "BybitClient('key', pem)",
            "rsa",
        ),
        (
            "from bybit_sync.cluster import RedisLease; RedisLease('redis://127.0.0.1:1/0')",
            "cluster",
        ),
        (
            "BybitClient(config=Config(rate_limit=RateLimitConfig(store='redis://127.0.0.1:1/0')))",
            "cluster",
        ),
    ],
)
def test_what_needs_an_extra_names_the_command_that_installs_it(
    bare: Run, code: str, extra: str
) -> None:
    before = (
        "from bybit_sync import BybitClient, Config, RateLimitConfig, Reply\n"
        "import sys\n"
        "client = BybitClient()\n"
    )

    done = bare("-c", before + code)

    assert done.returncode != 0
    assert f'pip install "bybit-sync[{extra}]"' in done.stderr.splitlines()[-1]


def test_the_command_is_there_and_says_what_it_needs(bare: Run) -> None:
    done = bare("-m", "bybit_sync", "demo")

    assert done.returncode == 2
    assert done.stderr == ('The commands need the package click: pip install "bybit-sync[cli]"\n')

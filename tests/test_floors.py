"""Imports point down, only the clock reads time, only the command line prints."""

from __future__ import annotations

from pathlib import Path

import pytest

import bybit_sync
from tests.floors import BESIDE, FLOORS, Module, faults_of, modules_of

FOLDER = Path(bybit_sync.__file__).parent
MODULES = modules_of(FOLDER)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_keeps_to_its_floor(module: Module) -> None:
    assert faults_of(module) == []


def test_every_file_of_the_house_is_looked_at() -> None:
    names = [module.name for module in MODULES]

    assert {"bybit_sync", "bybit_sync.clock", "bybit_sync.net", "bybit_sync.net.pool"} <= {*names}
    assert len(names) == len({*names}) == len(list(FOLDER.rglob("*.py")))


def test_modules_that_appear_later_are_found_and_need_a_floor(tmp_path: Path) -> None:
    (tmp_path / "attic" / "box").mkdir(parents=True)
    (tmp_path / "attic" / "__init__.py").write_text("")
    (tmp_path / "attic" / "box" / "toy.py").write_text("from bybit_sync.client import x\n")

    attic, toy = modules_of(tmp_path)

    assert (attic.name, attic.is_package) == ("bybit_sync.attic", True)
    assert (toy.name, toy.folder) == ("bybit_sync.attic.box.toy", "bybit_sync.attic.box")
    assert faults_of(attic) == [
        "bybit_sync.attic:1: attic has no floor: give it one in tests/floors.py"
    ]
    assert len(faults_of(toy)) == 1


def verdict(name: str, source: str, *, is_package: bool = False) -> str:
    """What is wrong with a made-up module, or nothing."""
    return "\n".join(faults_of(Module(f"bybit_sync.{name}", source, is_package)))


# --- direction ----------------------------------------------------------------------------

LOWEST = {floor: next(unit for unit, at in FLOORS.items() if at == floor) for floor in range(6)}


@pytest.mark.parametrize("here", range(6))
@pytest.mark.parametrize("there", range(6))
def test_imports_point_down(here: int, there: int) -> None:
    if here == there:
        return
    found = verdict(f"{LOWEST[here]}.part", f"from bybit_sync.{LOWEST[there]}.part import x\n")

    assert bool(found) == (there > here)
    if found:
        assert f"(floor {here}) imports {LOWEST[there]} (floor {there})" in found


@pytest.mark.parametrize(
    "source",
    [
        "from bybit_sync.client import BybitClient",
        "import bybit_sync.client",
        "import os, bybit_sync.client as c",
        "from bybit_sync import client",
        "from bybit_sync import BybitClient",
        "import bybit_sync",
        "from .. import client",
        "from ..client import BybitClient",
        "def lazily():\n    from bybit_sync.client import BybitClient",
        "if TYPE_CHECKING:\n    from bybit_sync.client import BybitClient",
        "try:\n    import bybit_sync.client\nexcept ImportError:\n    pass",
        "class A:\n    def f(self):\n        return importlib.import_module('bybit_sync.client')",
        "import_module('..client', __package__)",
        "__import__('bybit_sync.client')",
    ],
)
def test_no_way_of_writing_it_hides_an_import_that_points_up(source: str) -> None:
    assert verdict("net.pool", source + "\n")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("net.pool", "from .slots import Slots"),
        ("net.pool", "from . import wire"),
        ("net.pool", "import urllib3, bybit_sync_tools"),
        ("net.pool", "from bybit_sync.exceptions import ConfigError"),
        ("call.retry", "from bybit_sync.net.session import PooledSession"),
        ("client", "from .metrics import ClientReport"),
        ("client", "from bybit_sync.api import Groups"),
        ("config.tables", "from bybit_sync.exceptions import ConfigError"),
        ("runner", "from bybit_sync.client import BybitClient"),
        ("cli.demo", "from bybit_sync.runner import StrategyRunner"),
        ("simulator.server.run", "from bybit_sync.simulator.settings import Settings"),
        ("__main__", "from bybit_sync.cli import run"),
        ("__main__", "from .cli import run"),
        ("simulator.server.run", "from ..settings import Settings"),
        ("simulator.exchange", "from .server.run import run"),
    ],
)
def test_what_is_in_order_is_not_blamed(name: str, source: str) -> None:
    assert verdict(name, source + "\n") == ""


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("net.pool", "from bybit_sync.net.slots import Slots", "is a sibling"),
        ("net.pool", "import bybit_sync.net.slots", "is a sibling"),
        ("net.pool", "from ..exceptions import ConfigError", "lies outside"),
        ("client", "from bybit_sync.metrics import ClientReport", "is a sibling"),
        ("client", "from .api import Groups", "is on another floor"),
        ("client", "from . import exceptions", "is on another floor"),
    ],
)
def test_siblings_are_imported_relatively_and_the_rest_by_full_name(
    name: str, source: str, told: str
) -> None:
    assert told in verdict(name, source + "\n")


def test_a_package_is_the_folder_of_its_own_names() -> None:
    assert verdict("net", "from .pool import SlotPool\n", is_package=True) == ""
    assert "sibling" in verdict("net", "from bybit_sync.net.pool import x\n", is_package=True)
    assert "outside" in verdict("net", "from ..clock import Clock\n", is_package=True)


def test_the_house_itself_may_name_everything_in_it_and_nothing_beside_it() -> None:
    def root(source: str) -> list[str]:
        return faults_of(Module("bybit_sync", source, is_package=True))

    assert root("from .client import BybitClient\nfrom .config import Config\n") == []
    assert root("from .simulator import LocalExchange\n")


# --- beside the house ---------------------------------------------------------------------


@pytest.mark.parametrize("unit", sorted({*FLOORS} | {"", "_codegen"}))
def test_the_simulator_imports_nothing_of_the_house(unit: str) -> None:
    target = f"bybit_sync.{unit}".rstrip(".")

    assert verdict("simulator.child", f"import {target}\n")
    assert verdict("simulator.child", f"def f():\n    from {target} import x\n")


@pytest.mark.parametrize("unit", sorted(FLOORS))
def test_only_the_top_floor_and_a_function_of_the_client_import_the_simulator(unit: str) -> None:
    plain = "from bybit_sync.simulator import LocalExchange\n"
    lazy = f"def local():\n    {plain}"

    assert bool(verdict(unit, plain)) == (FLOORS[unit] != 5)
    assert bool(verdict(unit, lazy)) == (FLOORS[unit] != 5 and unit != "client")


def test_nobody_imports_the_generator_and_it_imports_the_records_only() -> None:
    for unit in FLOORS:
        assert verdict(unit, "from bybit_sync._codegen import x\n"), unit
    assert verdict("_codegen.spec", "from bybit_sync.call.records import Endpoint\n") == ""
    assert verdict("_codegen.spec", "from bybit_sync.call.encode import encode\n")
    assert verdict("_codegen.spec", "from bybit_sync.api import market\n")
    assert verdict("_codegen.spec", "from bybit_sync.simulator import x\n")
    assert BESIDE["simulator"] == ()


# --- time and print -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import os, time as t",
        "from time import sleep",
        "def f():\n    from time import monotonic as m",
        "from datetime import datetime\ndatetime.now()",
        "from datetime import datetime as d\nd.utcnow()",
        "from datetime import date\ntoday = date.today",
        "import datetime\ndatetime.datetime.now(datetime.timezone.utc)",
        "import datetime as dt\ndt.date.today()",
        "import pandas as pd\npd.Timestamp.now()",
        "from pandas import Timestamp\nTimestamp.utcnow()",
    ],
)
def test_time_is_read_by_the_clock_alone(source: str) -> None:
    for unit in ("net.pool", "call.retry", "client", "cli.demo", "config.tables"):
        assert "clock.py" in verdict(unit, source + "\n")
    for beside in BESIDE:
        assert verdict(f"{beside}.part", source + "\n") == ""
    assert verdict("clock", source + "\n") == ""


def test_an_error_may_stamp_its_time_and_no_more() -> None:
    stamp = "from datetime import datetime\ndatetime.now()\n"

    assert verdict("exceptions", stamp) == ""
    assert "clock.py" in verdict("exceptions", "import time\n")


def test_what_only_sounds_like_time_is_not_blamed() -> None:
    source = "from datetime import timedelta\nfrom .time import x\nself.now()\nclock.sleep(1)\n"

    assert verdict("net.pool", source) == ""


@pytest.mark.parametrize("source", ["print('x')", "def f():\n    print()", "log = print"])
def test_only_the_command_line_prints(source: str) -> None:
    for unit in ("net.pool", "client", "runner", "__main__", "simulator.child", "_codegen.spec"):
        assert "only the command line prints" in verdict(unit, source + "\n")
    assert verdict("cli.demo", source + "\n") == ""
    assert verdict("net.pool", "console.print('x')\n") == ""


def test_faults_are_told_with_their_lines_in_order() -> None:
    source = "import os\nimport time\nfrom bybit_sync.client import x\nprint()\n"

    assert [line.split(": ")[0] for line in verdict("net.pool", source).splitlines()] == [
        "bybit_sync.net.pool:2",
        "bybit_sync.net.pool:3",
        "bybit_sync.net.pool:4",
    ]

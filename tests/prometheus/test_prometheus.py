"""A real Prometheus reads a client under load: every expression has data, every alert fires.

The files are those that are shipped. Only how long an alert has to hold (``for``) and how often
is scraped are made shorter, and the targets are the test's own.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.dashboards import copy_to

from .server import PROGRAM, PROMTOOL, Prometheus, free_port
from .stage import TROUBLES, staged

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which comes with dask")
pytestmark = pytest.mark.skipif(
    PROGRAM is None or PROMTOOL is None, reason="needs prometheus: tests/debian.sh installs it"
)

SHIPPED = Path(__file__).parents[2] / "bybit_sync" / "dashboards"
DASHBOARD = json.loads((SHIPPED / "grafana.json").read_text("utf-8"))
RULES = yaml.safe_load((SHIPPED / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
ENOUGH = 40.0
"""Seconds within which everything has shown; mostly it takes fifteen."""


def panels() -> list[Any]:
    """Every expression of the dashboard, named by its panel."""
    return [
        pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]


def chosen(expression: str) -> str:
    """An expression as Grafana sends it, everything chosen."""
    for name, value in (("rate_interval", "30s"), ("__rate_interval", "30s")):
        expression = expression.replace(f"$__{name}", value)
    for name in ("exchange", "instance", "endpoint"):
        expression = expression.replace(f"${name}", ".*")
    assert "$" not in expression
    return expression


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, as a user has copied them."""
    folder: Path = tmp_path_factory.mktemp("monitoring")
    copy_to(folder)
    return folder


@pytest.fixture(scope="module")
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """Prometheus, which scrapes staged clients, and a port where nobody answers."""
    port, nobody = free_port(), free_port()
    config = yaml.safe_load((folder / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (scrape,) = config["scrape_configs"]
    scrape["static_configs"][0]["targets"] = [f"127.0.0.1:{port}", f"127.0.0.1:{nobody}"]
    rules = yaml.safe_load((folder / "alerts.yml").read_text("utf-8"))
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = "0s"
    own = folder / "own"
    own.mkdir()
    (own / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    (own / "alerts.yml").write_text(yaml.safe_dump(rules), "utf-8")
    with staged(port), Prometheus(own / "prometheus.yml") as prometheus:
        yield prometheus


def eventually(read: Any, holds: Any) -> Any:
    """What is read once it is as wanted, or else at the end."""
    end = time.monotonic() + ENOUGH
    while not holds(found := read()) and time.monotonic() < end:
        time.sleep(0.25)
    return found


@pytest.mark.parametrize(("kind", "name"), [("rules", "alerts.yml"), ("config", "prometheus.yml")])
def test_promtool_finds_no_fault_in_what_is_shipped(folder: Path, kind: str, name: str) -> None:
    assert PROMTOOL is not None
    told = subprocess.run(
        [PROMTOOL, "check", kind, name], cwd=folder, capture_output=True, text=True, check=False
    )

    assert told.returncode == 0, told.stderr
    assert "SUCCESS" in told.stdout


@pytest.mark.parametrize("expression", panels())
def test_a_panel_of_the_dashboard_has_data(prometheus: Prometheus, expression: str) -> None:
    values = eventually(
        lambda: [v for _, v in prometheus.values(chosen(expression)) if not math.isnan(v)],
        holds=bool,
    )

    assert values


@pytest.mark.parametrize("name", ["exchange", "instance", "endpoint"])
def test_a_variable_of_the_dashboard_has_values(prometheus: Prometheus, name: str) -> None:
    (variable,) = [each for each in DASHBOARD["templating"]["list"] if each["name"] == name]
    metric, label = variable["definition"].removeprefix("label_values(")[:-1].split(", ")

    values = eventually(
        lambda: prometheus.ask(f"label/{label}/values", **{"match[]": metric}), holds=bool
    )

    if name == "exchange":
        assert set(values) == {"healthy", *TROUBLES}
    assert values


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alerts_expression_has_data_whether_it_fires_or_not(
    prometheus: Prometheus, rule: dict[str, Any]
) -> None:
    without_bound = rule["expr"]
    for bound in (" == ", " >= ", " > "):
        without_bound = without_bound.rpartition(bound)[0] or without_bound

    assert eventually(lambda: prometheus.values(without_bound), holds=bool)


@pytest.mark.parametrize(("label", "alert"), TROUBLES.items())
def test_each_alert_fires_for_the_client_that_has_its_trouble(
    prometheus: Prometheus, label: str, alert: str
) -> None:
    firing = eventually(prometheus.firing, holds=lambda found: (alert, label) in found)

    assert (alert, label) in firing
    assert firing[alert, label].startswith(f"{label}: ")
    assert "error" not in firing[alert, label]  # what a template says that does not work


def test_a_program_that_does_not_answer_is_told(prometheus: Prometheus) -> None:
    name = ("BybitExporterDown", "")

    assert name in eventually(prometheus.firing, holds=lambda found: name in found)


def test_every_alert_is_staged_and_none_fires_for_the_client_without_trouble(
    prometheus: Prometheus,
) -> None:
    wanted = {(alert, label) for label, alert in TROUBLES.items()} | {("BybitExporterDown", "")}
    firing = eventually(prometheus.firing, holds=lambda found: wanted <= set(found))

    assert {alert for alert, _ in wanted} == {rule["alert"] for rule in RULES}
    assert not [name for name in firing if name[1] == "healthy"]
    # A client that is banned, or refused for its rate, has calls that fail as well; one whose
    # calls queue may have slow ones.
    beside = {("BybitCallsFail", "banned"), ("BybitCallsFail", "hit")}
    beside |= {("BybitRateLimitHoldsCalls", "hit"), ("BybitSlowCalls", "saturated")}
    assert set(firing) - beside == wanted

"""The commands of docs/metrics.md run, and it names what there is; tests/docs runs its Python."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bybit_sync import dashboards
from bybit_sync.metrics.families import COUNTERS, NAMES

from .server import PROMTOOL

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
TEXT = PAGE.read_text("utf-8")
ALERTS = (Path(dashboards.__file__).parent / "alerts.yml").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(PROMTOOL is None, reason="needs prometheus: tests/debian.sh installs it")
def test_the_commands_copy_files_that_prometheus_takes(tmp_path: Path) -> None:
    copy, start = blocks("sh")
    enter, check, prometheus = start.splitlines()
    here = {"cwd": tmp_path, "check": True, "capture_output": True}
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"

    subprocess.run(["sh", "-c", copy], env={"PATH": path}, **here)  # type: ignore[call-overload]  # noqa: S607
    subprocess.run(["sh", "-ec", f"{enter}\n{check}"], **here)  # type: ignore[call-overload]  # noqa: S607

    assert prometheus.startswith("prometheus --config.file=prometheus.yml")
    assert (tmp_path / "monitoring" / "grafana.json").exists()


def test_the_table_of_metrics_is_whole() -> None:
    named = set(re.findall(r"^\| `(\w+)` \| (?:gauge|counter|histogram)", TEXT, re.MULTILINE))

    assert named == {f"{name}_total" if name in COUNTERS else name for name in NAMES}


def test_the_table_of_alerts_is_whole() -> None:
    named = re.findall(r"^\| `(Bybit\w+)` \|", TEXT, re.MULTILINE)

    assert named == re.findall(r"- alert: (\w+)", ALERTS)


@pytest.mark.skipif(PROMTOOL is None, reason="needs prometheus: tests/debian.sh installs it")
@pytest.mark.parametrize("expression", blocks("promql"))
def test_an_expression_that_is_shown_is_one(tmp_path: Path, expression: str) -> None:
    rules = tmp_path / "rules.yml"
    indented = expression.strip().replace("'", "''")
    rules.write_text(f"groups: [{{name: g, rules: [{{record: a:b, expr: '{indented}'}}]}}]\n")
    assert PROMTOOL is not None

    subprocess.run([PROMTOOL, "check", "rules", str(rules)], check=True, capture_output=True)


@pytest.mark.parametrize("picture", re.findall(r"!\[.*?\]\((.*?)\)", TEXT))
def test_a_picture_that_is_shown_is_there(picture: str) -> None:
    assert (PAGE.parent / picture).read_bytes().startswith(b"\x89PNG")

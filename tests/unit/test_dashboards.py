"""The files for Prometheus and Grafana speak of metrics and settings that there are."""

from __future__ import annotations

import dataclasses
import json
import re
from itertools import combinations
from pathlib import Path

import pytest

from bybit_sync import Config, dashboards
from bybit_sync.metrics.families import COUNTERS, GAUGES, HISTOGRAMS

FOLDER = Path(dashboards.__file__).parent
DASHBOARD = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
ALERTS = (FOLDER / "alerts.yml").read_text("utf-8")
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SAMPLES = {
    *GAUGES,
    *(f"{name}_total" for name in COUNTERS),
    *(f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count")),
}


def test_every_metric_that_is_named_exists_and_every_metric_is_in_the_dashboard():
    in_dashboard = set(re.findall(r"\b(?:http|bybit)_[a-z_]+\b", json.dumps(PANELS)))

    assert in_dashboard == SAMPLES - {
        "http_pool_wait_seconds_sum",
        "http_pool_wait_seconds_count",
    } - {"bybit_rate_limit_wait_seconds_bucket"}
    in_alerts = set(re.findall(r"\b(?:http|bybit)_[a-z_]+\b", ALERTS)) - {"bybit_sync"}
    assert in_alerts <= SAMPLES


def test_every_knob_that_an_alert_names_is_a_setting():
    text = re.sub(r"\s+", " ", ALERTS)
    knobs = re.findall(r"\[(\w+)\] (\w+)(?: \(and (\w+))?", text)
    lists = re.findall(r"\[(\w+)\.(\w+)\]", text)
    tables = {field.name: getattr(Config(), field.name) for field in dataclasses.fields(Config)}

    assert len(knobs) > 10
    for table, *keys in knobs + lists:
        known = {field.name for field in dataclasses.fields(tables[table])}
        assert {key for key in keys if key} <= known, table


def test_every_alert_says_what_it_means_and_what_to_turn():
    rules = ALERTS.split("- alert: ")[1:]

    assert len(rules) == 8
    for rule in rules:
        assert re.search(r"severity: (warning|critical)\n", rule)
        assert "summary:" in rule
        assert re.search(r"\[\w+(\.\w+)?\]", rule.partition("description:")[2])


def test_every_panel_asks_the_chosen_source_and_has_its_place():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["title"]
        assert panel["targets"]
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {source["uid"] for source in sources} == {"${datasource}"}
        for target in panel["targets"]:
            assert 'exchange=~"$exchange"' in target["expr"]
    for one, two in combinations((panel["gridPos"] for panel in DASHBOARD["panels"]), 2):
        beside = one["x"] + one["w"] <= two["x"] or two["x"] + two["w"] <= one["x"]
        apart = one["y"] + one["h"] <= two["y"] or two["y"] + two["h"] <= one["y"]
        assert beside or apart
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)


def test_the_files_are_copied_and_nothing_is_overwritten(tmp_path):
    target = tmp_path / "monitoring" / "here"

    copied = dashboards.copy_to(target)

    assert [path.name for path in copied] == list(dashboards.FILES)
    assert all(path.read_bytes() == (FOLDER / path.name).read_bytes() for path in copied)
    copied[0].unlink()
    copied[1].write_text("mine")
    with pytest.raises(FileExistsError, match=r"alerts\.yml, grafana\.json already"):
        dashboards.copy_to(target)
    assert not copied[0].exists()
    assert copied[1].read_text() == "mine"

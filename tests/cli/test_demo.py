"""The commands, run as a newcomer runs them: in a process of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from bybit_sync.cli.measure import Run, percentile, table_of

ROUND_TRIP_MS = 50


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "bybit_sync", *arguments]


@pytest.fixture(scope="module")
def figures():
    """One short demo, as JSON."""
    done = subprocess.run(
        command("demo", "--seconds", "4", "--workers", "12", "--json"),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["runs"]


def test_the_pooled_way_opens_a_connection_per_worker_and_no_more(figures):
    old, pooled = figures["a session per request"], figures["pooled"]

    assert pooled["connections_opened"] <= 12
    assert pooled["tls_handshakes"] == pooled["connections_opened"]
    assert pooled["connections_accepted_by_server"] == pooled["connections_opened"]
    assert pooled["dns_lookups"] == 1
    # A call that was told to come back later has opened two.
    assert old["connections_opened"] >= old["calls"]
    assert old["connections_accepted_by_server"] == old["connections_opened"]


def test_the_demo_trades_without_an_error_and_inside_the_limits(figures):
    for run in figures.values():
        assert run["errors"] == 0
        assert run["steps"] > 0
        assert run["calls"] >= 4 * run["steps"]
        assert run["calls_per_second"] <= 160  # 600 in 5 s, and a short run may use it early


def test_the_pools_gauges_were_seen_during_the_run(figures):
    pool = figures["pooled"]["pool"]

    assert 1 <= pool["active_max"] <= 12
    assert pool["idle_max"] <= 12
    assert pool["limit_per_host"] == 30
    assert pool["reused"] >= figures["pooled"]["calls"] - 12
    assert figures["a session per request"]["pool"] is None


def test_ctrl_c_ends_the_demo_with_what_was_measured():
    process = subprocess.Popen(
        command("demo", "--seconds", "60", "--workers", "4"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while "strategy workers" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(1.0)  # of trading
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()

    assert process.returncode == 1
    assert "interrupted" in err
    assert "Traceback" not in err
    assert "latency p50" in out


def test_simulate_tells_where_it_is_and_stops_on_sigterm():
    process = subprocess.Popen(
        command("simulate", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        told = json.loads(process.stdout.readline())
        assert told["url"].startswith("https://127.0.0.1:")
        assert os.path.exists(told["ca_file"])
        process.terminate()
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()

    assert process.returncode == 0
    assert "Traceback" not in err
    assert not os.path.exists(told["ca_file"])


@pytest.mark.parametrize(
    "arguments",
    [("demo", "--workers", "0"), ("demo", "--environment", "moon"), ("dance",), ("demo", "--what")],
)
def test_wrong_usage_is_told_in_one_line_and_ends_with_2(arguments):
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_percentile_of_nothing_is_nothing():
    assert percentile([], 0.99) == 0.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0


def test_the_table_shows_both_ways_side_by_side():
    old, pooled = Run("old"), Run("pooled")
    old.call_done(0.15, 0.0)
    pooled.call_done(0.05, 0.01)

    table = table_of([old, pooled], "title")

    assert [column.header for column in table.columns] == ["", "old", "pooled"]
    assert "150.0 ms" in list(table.columns[1].cells)
    assert "50.0 ms" in list(table.columns[2].cells)

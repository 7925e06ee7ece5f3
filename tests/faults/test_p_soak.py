"""P. Soak: the real command for two minutes, and ten thousand clients one after another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, ClientConfig, Config, RateLimitConfig, TlsConfig
from bybit_sync.cli.slopes import Point, Tolerance, trend_of
from bybit_sync.cli.soak_report import look
from bybit_sync.simulator import LocalExchange

MINUTES = os.environ.get("SOAK_MINUTES", "2")
RATE = 400
CLIENTS = 10_000


@pytest.fixture(scope="session")  # in random order a module comes and goes several times
def soaked() -> dict[str, Any]:
    """What the command says of one run."""
    arguments = ["soak", "--minutes", MINUTES, "--rate", str(RATE), "--faults", "--json"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "bybit_sync", *arguments],
        capture_output=True,
        text=True,
        timeout=float(MINUTES) * 60 + 60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode in (0, 1), done.stderr
    return {**json.loads(done.stdout), "returncode": done.returncode}


@pytest.mark.row(137)
@pytest.mark.stress
@pytest.mark.timeout(float(MINUTES) * 60 + 120)
def test_two_minutes_of_load_and_faults_leave_every_slope_flat(soaked: dict[str, Any]) -> None:
    assert soaked["wrong"] == []
    assert soaked["verdict"] == "steady"
    assert soaked["returncode"] == 0
    assert soaked["foreign_errors"] == {}
    assert soaked["held_after_load"] == {"connections held": 0, "callers waiting": 0}
    assert max(soaked["left_behind"].values()) <= 0
    for name in ("memory_kb", "descriptors", "threads", "latency_p50_ms"):
        assert soaked["trends"][name]["grows"] is False


@pytest.mark.row(137)
@pytest.mark.stress
@pytest.mark.timeout(float(MINUTES) * 60 + 120)
def test_the_soak_was_one(soaked: dict[str, Any]) -> None:
    calls = float(MINUTES) * 60 * RATE

    assert soaked["calls"] > calls / 2  # a busy machine makes fewer
    assert 0.03 * soaked["calls"] < soaked["faults"] < 0.08 * soaked["calls"]
    assert len(soaked["errors"]) >= 4
    assert soaked["connections_opened"] > soaked["faults"] / 2  # they were recycled


@pytest.mark.row(138)
@pytest.mark.stress
def test_ten_thousand_clients_leave_no_descriptor_thread_or_memory(
    exchange: LocalExchange,
) -> None:
    config = Config(
        client=ClientConfig(base_url=exchange.url),
        tls=TlsConfig(ca_file=exchange.ca_file or ""),
        rate_limit=RateLimitConfig(mode="off"),
    )
    before = exchange.requests.count()
    registry, seen = CollectorRegistry(), dict[str, list[Point]]()
    for number in range(CLIENTS):
        with BybitClient("k" * 18, "s" * 36, config=config, registry=registry) as client:
            if number % 10 == 0:
                client.market.get_server_time()
        if number % 100 == 99 and number > CLIENTS // 10:
            for name, value in look().items():
                seen.setdefault(name, []).append((float(number), value))

    for name, tolerance in (
        ("memory_kb", Tolerance(2048.0)),
        ("descriptors", Tolerance(2.0)),
        ("threads", Tolerance(1.0)),
    ):
        trend = trend_of(seen[name], tolerance)
        assert trend.is_judged
        assert not trend.grows, (name, trend)
    assert exchange.requests.count() - before == CLIENTS // 10

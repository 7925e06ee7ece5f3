"""What Prometheus sees is what the pool and the calls have counted."""

from __future__ import annotations

import gc
import logging

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from bybit_sync.call.breaker import Breaker
from bybit_sync.call.hooks import CallSnapshot
from bybit_sync.config import MetricsConfig
from bybit_sync.metrics import ClientReport, collector_for
from bybit_sync.net.stats import Histogram, HistogramSnapshot, PoolStats


def histogram(*seconds: float, bounds: tuple[float, ...] = (0.1, 1.0)) -> HistogramSnapshot:
    counted = Histogram(bounds)
    for value in seconds:
        counted.observe(value)
    return counted.snapshot()


def pool(**changes) -> PoolStats:
    values = {
        "limit": 100,
        "limit_per_host": 30,
        "active": 2,
        "idle": 3,
        "waiting": 1,
        "created": 5,
        "reused": 40,
        "closed": {"idle": 2},
        "tls_handshakes": 5,
        "connect_seconds": 0.5,
        "dns_hits": 4,
        "dns_misses": 1,
        "dns_stale": 2,
        "dns_age_seconds": 30.0,
        "wait_seconds_max": 0.2,
        "waits": histogram(0.05, 0.2),
        "hosts": {},
    }
    return PoolStats(**{**values, **changes})


def calls(**changes) -> CallSnapshot:
    values = {
        "durations": {("market.get_tickers", "ok"): histogram(0.05, 0.5, 5.0)},
        "attempts": {"market.get_tickers": 3},
        "retries": {"read": 1},
        "rate_limit_remaining": {"trade.place_order": 9},
        "rate_limit_waits": histogram(0.0),
        "clock_offset": 0.25,
    }
    return CallSnapshot(**{**values, **changes})


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def report(registry, label="bybit", read_pool=pool, read_calls=calls) -> ClientReport:
    return ClientReport(label, read_pool, read_calls, MetricsConfig(), registry)


def value(registry, name, **labels):
    return registry.get_sample_value(name, {"exchange": "bybit", **labels})


def test_every_metric_of_the_design_is_there_with_its_value(registry):
    report(registry)

    assert value(registry, "http_pool_connections_active") == 2
    assert value(registry, "http_pool_connections_idle") == 3
    assert value(registry, "http_pool_connections_limit") == 100
    assert value(registry, "http_pool_requests_waiting") == 1
    assert value(registry, "http_pool_connections_created_total") == 5
    assert value(registry, "http_pool_connections_reused_total") == 40
    assert value(registry, "http_pool_connections_closed_total", reason="idle") == 2
    assert value(registry, "http_pool_tls_handshakes_total") == 5
    assert value(registry, "http_pool_wait_seconds_count") == 2
    assert value(registry, "http_dns_lookups_total", result="hit") == 4
    assert value(registry, "http_dns_lookups_total", result="miss") == 1
    assert value(registry, "http_dns_lookups_total", result="stale") == 2
    assert value(registry, "http_dns_age_seconds") == 30.0
    assert value(registry, "http_request_retries_total", reason="read") == 1
    assert value(registry, "bybit_rate_limit_remaining", endpoint="trade.place_order") == 9
    assert value(registry, "bybit_rate_limit_wait_seconds_count") == 1
    assert value(registry, "bybit_clock_offset_seconds") == 0.25
    assert value(registry, "http_pool_connections_limit_per_host") == 30
    assert value(registry, "bybit_ip_banned") is None


def test_a_ban_is_told_and_when_a_call_may_try_again(registry, clock):
    breaker = Breaker(clock)
    ClientReport("bybit", pool, calls, MetricsConfig(), registry, breaker)
    ClientReport("bybit", pool, calls, MetricsConfig(), registry, Breaker(clock))
    assert value(registry, "bybit_ip_banned") == 0

    breaker.open(600.0)
    clock.advance(100.0)

    assert value(registry, "bybit_ip_banned") == 1
    assert value(registry, "bybit_ip_ban_remaining_seconds") == pytest.approx(500.0)
    clock.advance(1000.0)
    assert value(registry, "bybit_ip_banned") == 1  # until a call has been answered
    assert value(registry, "bybit_ip_ban_remaining_seconds") == 0.0
    breaker.close()
    assert value(registry, "bybit_ip_banned") == 0


def test_durations_are_counted_up_to_each_bound(registry):
    report(registry)
    labels = {"endpoint": "market.get_tickers", "outcome": "ok"}
    name = "http_request_duration_seconds"

    assert value(registry, f"{name}_bucket", le="0.1", **labels) == 1
    assert value(registry, f"{name}_bucket", le="1.0", **labels) == 2
    assert value(registry, f"{name}_bucket", le="+Inf", **labels) == 3
    assert value(registry, f"{name}_sum", **labels) == pytest.approx(5.55)


def test_values_are_read_when_scraped_and_not_before(registry):
    now = {"active": 0}
    report(registry, read_pool=lambda: pool(**now))

    now["active"] = 17

    assert value(registry, "http_pool_connections_active") == 17


def test_two_clients_of_one_label_add_up_and_never_collide(registry):
    report(registry)
    report(registry)

    assert value(registry, "http_pool_connections_active") == 4
    assert (
        value(
            registry,
            "http_request_duration_seconds_count",
            endpoint="market.get_tickers",
            outcome="ok",
        )
        == 6
    )
    assert value(registry, "bybit_rate_limit_remaining", endpoint="trade.place_order") == 9
    assert generate_latest(registry).count(b"# TYPE http_pool_connections_active gauge") == 1


def test_a_second_label_stands_beside_the_first(registry):
    report(registry)
    report(registry, label="bybit-eu", read_pool=lambda: pool(active=9))

    assert value(registry, "http_pool_connections_active") == 2
    assert registry.get_sample_value("http_pool_connections_active", {"exchange": "bybit-eu"}) == 9


def test_a_closed_client_keeps_its_counts_and_loses_its_gauges(registry):
    first = report(registry)
    first.close()
    first.close()

    assert value(registry, "http_pool_connections_active") is None
    assert value(registry, "http_pool_connections_created_total") == 5
    report(registry)
    assert value(registry, "http_pool_connections_created_total") == 10
    assert value(registry, "http_pool_connections_active") == 2


@pytest.mark.row(136)
def test_a_hundred_clients_one_after_another_lose_no_count_and_leave_no_series(registry):
    for _ in range(100):
        report(registry).close()

    assert value(registry, "http_pool_connections_created_total") == 500
    assert len(generate_latest(registry).splitlines()) < 120


def test_a_registry_that_is_dropped_takes_its_collector_along():
    registry = CollectorRegistry()
    collector_for(registry)
    del registry
    gc.collect()

    fresh = CollectorRegistry()
    assert value(fresh, "http_pool_connections_created_total") is None


def test_metrics_that_are_off_register_nothing(registry):
    ClientReport("bybit", pool, calls, MetricsConfig(enabled=False), registry).close()

    assert generate_latest(registry) == b""


def test_an_update_logs_a_pool_line_every_hundred_calls(registry, caplog):
    caplog.set_level(logging.INFO, "bybit_sync.metrics")
    telling = report(registry)

    for _ in range(201):
        telling.update()

    lines = [r.getMessage() for r in caplog.records if "active 2, idle 3" in r.getMessage()]
    assert len(lines) == 3


def test_an_update_that_cannot_read_warns_once_and_never_raises(registry, caplog):
    def broken() -> PoolStats:
        raise RuntimeError("no pool")

    telling = ClientReport("bybit", broken, calls, MetricsConfig(enabled=False), registry)

    for _ in range(3):
        telling.update()

    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "no pool" in caplog.text

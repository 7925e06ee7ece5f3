"""The doctor names the right knob; every situation is staged with real sockets."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import (
    BybitClient,
    Config,
    ConnectionPoolConfig,
    IpBannedError,
    MetricsConfig,
    RateLimitConfig,
    RetryConfig,
    TlsConfig,
)
from bybit_sync.simulator import LocalExchange

from .tools import Invoke, at, busy, free_port

TIME = "/v5/market/time"


@contextmanager
def program(
    exchange: LocalExchange, config: Config | None = None, base_url: str | None = None
) -> Iterator[BybitClient]:
    """A client as a running program has it, with an exporter."""
    config = replace(
        config or Config(),
        tls=TlsConfig(ca_file=exchange.ca_file or ""),
        metrics=MetricsConfig(port=free_port()),
    )
    with BybitClient(
        exchange.api_key,
        exchange.api_secret,
        base_url=base_url or exchange.url,
        config=config,
        registry=CollectorRegistry(),
    ) as client:
        yield client


def examine(invoke: Invoke, client: BybitClient, *more: str, seconds: float = 1.0) -> list[Any]:
    """What the doctor finds in a program; the exit code has to fit."""
    port = str(client.config.metrics.port)
    done = invoke("doctor", "--url", port, "--seconds", str(seconds), "--json", *more)
    found: list[Any] = json.loads(done.out)["bybit"]["findings"]
    assert done.code == (1 if any(each["is_certain"] for each in found) else 0)
    return found


def names(found: list[Any]) -> list[str]:
    return [each["name"] for each in found]


def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


# --- the six situations -------------------------------------------------------------------


def test_a_saturated_pool_is_told_with_the_connections_that_are_missing(
    exchange: LocalExchange, invoke: Invoke
) -> None:
    exchange.faults.late(TIME, 0.05, times=None)
    pool = ConnectionPoolConfig(limit_per_host=2)
    with (
        program(exchange, Config(connection_pool=pool)) as client,
        busy(client.market.get_server_time, threads=8),
    ):
        until(lambda: client.pool_stats().waiting > 0)
        found = examine(invoke, client)

    assert names(found) == ["saturated pool"]
    assert found[0]["knob"] == "connection_pool.limit_per_host"
    assert 7 <= found[0]["suggestion"]["connection_pool.limit_per_host"] <= 8
    assert "2 connections busy of 2 that a host may have" in found[0]["evidence"]


def test_where_the_cap_over_all_hosts_is_reached_that_one_is_named(
    exchange: LocalExchange, invoke: Invoke
) -> None:
    exchange.faults.late(TIME, 0.05, times=None)
    pool = ConnectionPoolConfig(limit=2)
    with (
        program(exchange, Config(connection_pool=pool)) as client,
        busy(client.market.get_server_time, threads=6),
    ):
        until(lambda: client.pool_stats().waiting > 0)
        (found,) = examine(invoke, client)

    assert found["knob"] == "connection_pool.limit"
    assert set(found["suggestion"]) == {"connection_pool.limit", "connection_pool.limit_per_host"}


def test_an_idle_hoard_is_told_with_a_shorter_life(exchange: LocalExchange, invoke: Invoke) -> None:
    pool = ConnectionPoolConfig(keepalive_timeout=600.0)
    with program(exchange, Config(connection_pool=pool)) as client:
        assert client.warm_up(20) == 20
        with busy(client.market.get_server_time):
            found = examine(invoke, client)

    assert names(found) == ["idle hoard"]
    assert found[0]["knob"] == "connection_pool.keepalive_timeout"
    assert found[0]["suggestion"]["connection_pool.keepalive_timeout"] < 600
    assert not found[0]["is_certain"]  # a rush may follow


def test_a_limit_that_is_hit_leads_to_the_clients_own_limiter(invoke: Invoke) -> None:
    config = Config(rate_limit=RateLimitConfig(mode="off"))
    with (
        LocalExchange() as exchange,
        program(exchange, config) as client,
        busy(lambda: client.trade.get_open_orders(category="spot"), threads=4),
    ):
        until(lambda: client.pipeline.hooks.snapshot().retries.get("rate_limited", 0) > 0)
        found = examine(invoke, client, seconds=2.0)

    assert names(found) == ["limit hit"]
    assert found[0]["knob"] == "rate_limit.mode"
    assert found[0]["suggestion"] == {"rate_limit.mode": "wait"}
    assert "trade.get_open_orders" in found[0]["evidence"]


@pytest.mark.parametrize("attempts", [1, 3])
def test_dead_dns_is_told_whether_or_not_calls_are_repeated(
    attempts: int, exchange: LocalExchange, invoke: Invoke
) -> None:
    config = Config(retry=RetryConfig(attempts=attempts, base_delay=0.01))
    with (
        program(exchange, config, "https://nobody.invalid") as client,
        busy(client.market.get_server_time),
    ):
        found = examine(invoke, client, seconds=2.0)

    assert names(found) == ["dead DNS"]
    assert found[0]["knob"] == "connection_pool.ttl_dns_cache"
    assert "resolver" in found[0]["advice"]


def test_a_skewed_clock_is_told_with_its_offset(exchange: LocalExchange, invoke: Invoke) -> None:
    exchange.faults.wrong_clock(5000)
    with program(exchange) as client, busy(lambda: client.trade.get_open_orders(category="spot")):
        until(lambda: client.pipeline.hooks.snapshot().clock_offset is not None)
        found = examine(invoke, client)

    assert names(found) == ["skewed clock"]
    assert found[0]["knob"] == "clock.mode"
    (told,) = re.findall(r"machine is ([\d.]+) s behind", found[0]["evidence"])
    assert float(told) == pytest.approx(5.0, abs=0.5)
    assert "NTP" in found[0]["advice"]


def test_a_server_that_closes_early_is_told_with_a_shorter_keepalive(
    exchange: LocalExchange, invoke: Invoke
) -> None:
    exchange.faults.close_idle(after=0.2)
    with program(exchange) as client:

        def now_and_then() -> None:
            client.market.get_server_time()
            time.sleep(0.4)

        with busy(now_and_then):
            until(lambda: client.pool_stats().closed.get("server", 0) >= 3)
            found = examine(invoke, client)

    assert names(found) == ["server closing early"]
    assert found[0]["knob"] == "connection_pool.keepalive_timeout"
    assert found[0]["suggestion"]["connection_pool.keepalive_timeout"] < 30


# --- health, and what it says -------------------------------------------------------------


def test_a_healthy_program_is_told_to_be_so(exchange: LocalExchange, invoke: Invoke) -> None:
    with program(exchange) as client, busy(client.market.get_server_time, threads=2):
        found = examine(invoke, client, seconds=0.5)
        done = invoke("doctor", "--url", str(client.config.metrics.port), "--seconds", "0.5")

    assert found == []
    assert done.code == 0
    assert "nothing is wrong" in done.out


def test_the_config_of_the_program_makes_the_advice_better(
    exchange: LocalExchange, invoke: Invoke, tmp_path: Any
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[connection_pool]\nkeepalive_timeout = 100.0\n[metrics]\nport = 1\n")
    exchange.faults.close_idle(after=0.2)
    with program(exchange) as client:
        for _ in range(4):
            client.market.get_server_time()
            time.sleep(0.4)
        (found,) = examine(invoke, client, "--config", str(file), seconds=0.3)

    assert "keepalive_timeout is 100 s" in found["evidence"]
    assert found["suggestion"] == {"connection_pool.keepalive_timeout": 50.0}


def test_people_read_symptom_evidence_knob_and_value(
    exchange: LocalExchange, invoke: Invoke
) -> None:
    exchange.faults.wrong_clock(-3000)
    with program(exchange) as client:
        client.market.get_server_time()
        done = invoke("doctor", "--url", str(client.config.metrics.port), "--seconds", "0.3")

    assert done.code == 1
    assert "1. skewed clock" in done.out
    assert "ahead of Bybit's clock" in done.out
    assert 'clock.mode = "passive"' in done.out


def test_an_address_that_is_shut_out_is_told_first(exchange: LocalExchange, invoke: Invoke) -> None:
    exchange.faults.http_status(TIME, 403)
    with program(exchange) as client:
        with pytest.raises(IpBannedError):
            client.market.get_server_time()
        (found,) = examine(invoke, client, seconds=0.3)

    assert found["name"] == "shut out"
    assert found["knob"] == "rate_limit.ip_limit"
    assert "stop every program" in found["advice"]


def test_pooling_that_is_off_is_told(exchange: LocalExchange, invoke: Invoke) -> None:
    pool = ConnectionPoolConfig(force_close=True)
    with program(exchange, Config(connection_pool=pool)) as client:
        for _ in range(6):
            client.market.get_server_time()
        (found,) = examine(invoke, client, seconds=0.3)

    assert found["name"] == "no reuse"
    assert found["suggestion"] == {"connection_pool.force_close": False}


# --- the probe ----------------------------------------------------------------------------


def probe(invoke: Invoke, *options: str) -> tuple[int, list[Any]]:
    done = invoke("doctor", *options, "--json")
    return done.code, json.loads(done.out)["bybit"]["findings"]


def test_a_probe_of_a_healthy_place_finds_nothing(
    exchange: LocalExchange, invoke: Invoke, keys: None
) -> None:
    assert probe(invoke, *at(exchange), "--seconds", "0.3") == (0, [])


def test_a_probe_of_a_name_that_nobody_has_blames_the_resolver(invoke: Invoke) -> None:
    code, found = probe(invoke, "--base-url", "https://nobody.invalid", "--seconds", "0.3")

    assert (code, names(found)) == (1, ["dead DNS"])


def test_a_probe_sees_a_wrong_clock_even_where_the_config_does_not_look(
    exchange: LocalExchange, invoke: Invoke, keys: None, tmp_path: Any
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[clock]\nmode = "off"\n')
    exchange.faults.wrong_clock(20_000)

    code, found = probe(invoke, *at(exchange), "--config", str(file), "--seconds", "0.3")

    assert (code, names(found)) == (1, ["skewed clock"])
    assert "clock.mode is off" in found[0]["evidence"]


def test_a_probe_measures_when_the_server_closes(exchange: LocalExchange, invoke: Invoke) -> None:
    exchange.faults.close_idle(after=0.3)

    code, found = probe(invoke, *at(exchange), "--seconds", "10")

    assert (code, names(found)) == (1, ["server closing early"])
    assert 0.2 < found[0]["suggestion"]["connection_pool.keepalive_timeout"] < 8


def test_a_probe_with_a_server_that_nobody_vouches_for_blames_the_ca(
    exchange: LocalExchange, invoke: Invoke
) -> None:
    code, found = probe(invoke, "--base-url", exchange.url, "--seconds", "0.3")

    assert (code, names(found)) == (1, ["no connection"])
    assert found[0]["knob"] == "tls.ca_file"


def test_what_no_rule_knows_is_still_told(
    exchange: LocalExchange, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYBIT_API_KEY", "nobodysKey12345678")
    monkeypatch.setenv("BYBIT_API_SECRET", "x" * 36)

    done = invoke("doctor", *at(exchange), "--seconds", "0.3")

    assert done.code == 1
    assert "AuthError" in done.err


# --- wrong usage --------------------------------------------------------------------------


def test_it_must_be_told_what_to_look_at(invoke: Invoke) -> None:
    done = invoke("doctor")

    assert done.code == 2
    assert "--url" in done.err


def test_an_exporter_that_is_not_there_is_told_in_a_line(invoke: Invoke) -> None:
    done = invoke("doctor", "--url", str(free_port()), "--seconds", "0.3")

    assert done.code == 1
    assert "connection refused" in done.err
    assert "[metrics] port" in done.err

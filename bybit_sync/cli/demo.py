"""``python -m bybit_sync demo``: what pooling is worth, measured on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from bybit_sync.client import BybitClient
from bybit_sync.config import (
    Config,
    ConnectionPoolConfig,
    MetricsConfig,
    RateLimitConfig,
    TlsConfig,
)
from bybit_sync.exceptions import BybitError
from bybit_sync.simulator import LocalExchange

from .measure import Run, pool_line, table_of
from .old_way import SessionPerRequest
from .strategies import Market, Step, Workers, find_markets, read, read_account, trade

_ENVIRONMENTS = ("mainnet", "testnet", "demo", "demo-testnet")
_OLD_WAY_TIMEOUT = 10.0
_IP_LIMIT = 540
"""Of Bybit's 600 requests in 5 s: the old way shakes hands between leaving and arriving, so that
what leaves evenly may arrive in a bunch, and a bunch too many is a ban of ten minutes."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where the demo runs."""

    client: BybitClient
    step: Step
    place: str
    exchange: LocalExchange | None
    ca_file: str
    markets: list[Market]


@click.command()
@click.option(
    "--environment",
    type=click.Choice(_ENVIRONMENTS),
    help="Run the read-only part against a real environment; keys from BYBIT_API_KEY/SECRET.",
)
@click.option("--workers", default=30, show_default=True, type=click.IntRange(1, 200))
@click.option(
    "--seconds",
    default=8.0,
    show_default=True,
    type=click.FloatRange(1.0, 600.0),
    help="How long each of the two ways runs.",
)
@click.option(
    "--latency-ms",
    default=50.0,
    show_default=True,
    type=click.FloatRange(0.0, 5000.0),
    help="Round trip to the local exchange.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def demo(
    environment: str | None, workers: int, seconds: float, latency_ms: float, *, as_json: bool
) -> int:
    """Let strategy workers trade, first with a session per request, then through the pool.

    \b
    Example: python -m bybit_sync demo --workers 10 --seconds 5
    """
    errors = Console(stderr=True)
    runs: list[Run] = []
    with _stage(environment, workers, latency_ms / 1000) as stage:
        errors.print(
            f"{workers} strategy workers on {stage.place}, {seconds:g} s each way; "
            "all calls stay inside Bybit's rate limits."
        )
        try:
            for way in (_old_way, _pooled):
                runs.append(Run())
                way(runs[-1], stage, workers, seconds, errors)
        except KeyboardInterrupt:
            errors.print("interrupted: connections and threads are given back; measured so far:")
            _report(runs, stage, as_json=as_json)
            return 1
        _report(runs, stage, as_json=as_json)
    return 1 if any(run.errors for run in runs) else 0


@contextmanager
def _stage(environment: str | None, workers: int, latency: float) -> Iterator[_Stage]:
    with ExitStack() as stack:
        if environment is not None:
            client = stack.enter_context(
                BybitClient(environment=environment, config=_config(workers))
            )
            step = read_account if client.has_credentials else read
            yield _Stage(client, step, environment, None, "", _markets(client, ""))
            return
        exchange = stack.enter_context(LocalExchange(latency=latency))
        ca_file = exchange.ca_file or ""
        client = stack.enter_context(
            BybitClient(
                exchange.api_key,
                exchange.api_secret,
                # by name, so that look-ups are there to be counted
                base_url=exchange.url.replace("127.0.0.1", "localhost"),
                config=_config(workers, ca_file),
            )
        )
        place = f"a local exchange, {latency * 1000:g} ms of round trip"
        yield _Stage(client, trade, place, exchange, ca_file, _markets(client, ca_file))


def _markets(client: BybitClient, ca_file: str) -> list[Market]:
    """The markets, asked for past the pool: what it opens is counted from nothing."""
    with client.pipeline.over(SessionPerRequest(ca_file, _OLD_WAY_TIMEOUT)):
        return find_markets(client)


def _config(workers: int, ca_file: str = "") -> Config:
    return Config(
        connection_pool=ConnectionPoolConfig(
            limit=max(100, workers), limit_per_host=max(30, workers)
        ),
        tls=TlsConfig(ca_file=ca_file),
        metrics=MetricsConfig(enabled=False),
        rate_limit=RateLimitConfig(ip_limit=_IP_LIMIT),
    )


def _old_way(run: Run, stage: _Stage, workers: int, seconds: float, errors: Console) -> None:
    run.name = "a session per request"
    transport = SessionPerRequest(stage.ca_file, _OLD_WAY_TIMEOUT)
    before = _accepted(stage)
    try:
        with stage.client.pipeline.over(transport):
            _let_them_work(run, stage, workers, seconds, errors, pooled=False)
    finally:
        made = transport.set_ups
        run.connections, run.tls_handshakes = made.connections, made.tls_handshakes
        run.dns_lookups, run.set_up_seconds = made.dns_lookups, made.seconds
        run.note_server(before, _accepted(stage))


def _pooled(run: Run, stage: _Stage, workers: int, seconds: float, errors: Console) -> None:
    run.name = "pooled"
    before = _accepted(stage)
    stage.client.warm_up(workers)
    try:
        _let_them_work(run, stage, workers, seconds, errors, pooled=True)
    finally:
        pool = stage.client.pool_stats()
        run.connections, run.tls_handshakes = pool.created, pool.tls_handshakes
        run.dns_lookups, run.set_up_seconds = pool.dns_misses, pool.connect_seconds
        run.note_server(before, _accepted(stage))


def _accepted(stage: _Stage) -> int | None:
    """How many connections the local exchange has accepted."""
    return stage.exchange.connections.opened if stage.exchange is not None else None


def _let_them_work(
    run: Run, stage: _Stage, workers: int, seconds: float, errors: Console, *, pooled: bool
) -> None:
    clock = stage.client.clock
    crew = Workers(stage.client, stage.step, stage.markets, workers)
    with stage.client.pipeline.hooks.watched(run.call_done), Live(console=errors) as live:

        def watch() -> None:
            pool = stage.client.pool_stats() if pooled else None
            run.look(pool)
            live.update(_progress(run, clock.monotonic() - started, seconds, pool))

        started = clock.monotonic()
        try:
            crew.run(seconds, watch)
        finally:
            run.seconds = clock.monotonic() - started
            run.steps, run.errors = crew.steps, len(crew.errors)
            watch()
    _tell_errors(crew.errors, errors)


def _progress(run: Run, elapsed: float, seconds: float, pool: Any) -> Text:
    share = min(1.0, elapsed / seconds)
    bar = "█" * round(share * 24) + "░" * (24 - round(share * 24))
    calls = len(run.latencies)
    line = f"{run.name:22} {bar} {calls:5} calls {calls / max(elapsed, 0.001):6.1f}/s"
    if pool is not None:
        line += f"  active {pool.active:2} idle {pool.idle:2} waiting {pool.waiting:2}"
    return Text(line)


def _tell_errors(faults: list[BybitError], errors: Console) -> None:
    kinds: dict[str, list[BybitError]] = {}
    for fault in faults:
        kinds.setdefault(type(fault).__name__, []).append(fault)
    for name, group in kinds.items():
        errors.print(f"{len(group)} x {name}: {group[0]}", style="red")


def _report(runs: list[Run], stage: _Stage, *, as_json: bool) -> None:
    if as_json:
        figures = {run.name: run.figures() for run in runs}
        click.echo(json.dumps({"place": stage.place, "runs": figures}, indent=2))
        return
    console = Console()
    if not runs:
        console.print("nothing was measured")
        return
    console.print(table_of(runs, f"Measured on {stage.place}"))
    if runs[-1].gauges:
        console.print(pool_line(runs[-1]))

"""``python -m bybit_sync bench``: the installed client against a local exchange, quickly."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import click

from bybit_sync.client import BybitClient
from bybit_sync.clock import SYSTEM_CLOCK
from bybit_sync.config import Config, ConnectionPoolConfig, RateLimitConfig
from bybit_sync.simulator import LocalExchange

from .measure import percentile
from .old_way import SessionPerRequest
from .on_exchange import client_on
from .output import json_option, note, out, print_json

_TIMEOUT = 10.0
_POOLED, _OLD = "pooled", "a session per request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One way of calling, from so many threads; ``connections_opened`` as the exchange counts."""

    way: str
    threads: int
    calls: int
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    connections_opened: int

    def figures(self) -> dict[str, Any]:
        """The result, for programs."""
        return {name: getattr(self, name) for name in self.__slots__}


@click.command()
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 200))
@click.option(
    "--seconds",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.2, 600.0),
    help="How long each of the four runs takes.",
)
@click.option(
    "--latency-ms",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0.0, 5000.0),
    help="Round trip to the local exchange.",
)
@json_option()
def bench(threads: int, seconds: float, latency_ms: float, *, as_json: bool) -> int:
    """Measure signed calls: through the pool and with a session per request, from one thread and
    from several. The exchange runs on this machine and shares its processor.

    \b
    Example: python -m bybit_sync bench --threads 30 --latency-ms 50
    """
    results = []
    with (
        LocalExchange(latency=latency_ms / 1000, limits=False, ip_limit=None) as exchange,
        _client(exchange, threads) as client,
    ):
        for count in sorted({1, threads}):
            for way in (_OLD, _POOLED):
                note(f"{way}, {count} thread{'' if count == 1 else 's'}, {seconds:g} s")
                results.append(_measure(exchange, client, way, count, seconds))
    if as_json:
        print_json({"latency_ms": latency_ms, "runs": [each.figures() for each in results]})
    else:
        _print(results, latency_ms)
    return 0


def _client(exchange: LocalExchange, threads: int) -> BybitClient:
    config = Config(
        connection_pool=ConnectionPoolConfig(limit=max(100, threads), limit_per_host=threads),
        rate_limit=RateLimitConfig(mode="off"),
    )
    return client_on(exchange, config)


def _measure(
    exchange: LocalExchange, client: BybitClient, way: str, threads: int, seconds: float
) -> Result:
    before = exchange.connections.opened
    if way == _POOLED:
        client.warm_up(threads)
        latencies, took = _crowd(client, threads, seconds)
    else:
        with client.pipeline.over(SessionPerRequest(exchange.ca_file or "", _TIMEOUT)):
            latencies, took = _crowd(client, threads, seconds)
    return Result(
        way=way,
        threads=threads,
        calls=len(latencies),
        calls_per_second=round(len(latencies) / took, 1),
        p50_ms=round(percentile(latencies, 0.5) * 1000, 3),
        p99_ms=round(percentile(latencies, 0.99) * 1000, 3),
        connections_opened=exchange.connections.opened - before,
    )


def _crowd(client: BybitClient, threads: int, seconds: float) -> tuple[list[float], float]:
    """The seconds of every call that was made, and how long it took in all."""
    clock = SYSTEM_CLOCK
    client.trade.get_open_orders(category="linear", symbol="BTCUSDT")  # first uses cost more
    stop: list[bool] = []
    started = clock.monotonic()
    with ThreadPoolExecutor(threads, thread_name_prefix="bench") as pool:
        running = [
            pool.submit(_calls, client, started + seconds, lambda: bool(stop))
            for _ in range(threads)
        ]
        try:
            latencies = [each for future in running for each in future.result()]
        finally:
            stop.append(True)  # Ctrl-C: the others end with the call that they are in
    return latencies, clock.monotonic() - started


def _calls(client: BybitClient, end: float, is_stopped: Callable[[], bool]) -> list[float]:
    clock, latencies = SYSTEM_CLOCK, []
    before = clock.monotonic()
    while before < end and not is_stopped():
        client.trade.get_open_orders(category="linear", symbol="BTCUSDT")
        now = clock.monotonic()
        latencies.append(now - before)
        before = now
    return latencies


def _print(results: list[Result], latency_ms: float) -> None:
    from rich.table import Table

    title = f"signed GET, local exchange, {latency_ms:g} ms of round trip"
    table = Table(title=title, title_justify="left")
    table.add_column("way", no_wrap=True)
    for name in ("threads", "calls/s", "p50 ms", "p99 ms", "calls", "opened"):
        table.add_column(name, justify="right")
    for each in results:
        table.add_row(
            each.way,
            str(each.threads),
            f"{each.calls_per_second:.1f}",
            f"{each.p50_ms:.2f}",
            f"{each.p99_ms:.2f}",
            str(each.calls),
            str(each.connections_opened),
        )
    out().print(table)

"""``python -m bybit_sync soak``: a long run under load and faults, and whether anything grows."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from bybit_sync.client import BybitClient
from bybit_sync.clock import SYSTEM_CLOCK
from bybit_sync.config import (
    Config,
    ConnectionPoolConfig,
    RateLimitConfig,
    RetryConfig,
)
from bybit_sync.simulator import LocalExchange

from .on_exchange import client_on
from .soak_faults import FaultSchedule
from .soak_load import Load
from .soak_report import Outcome, Samples, look

_FAULTY_SHARE = 0.05
_SAMPLES = 240
_PLAIN_MALLOC = "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1"
_POOL = {
    # Shorter than in life, so that an hour of it sees what a day brings.
    "limit_per_host": 30,
    "connect_timeout": 1.0,
    "sock_read_timeout": 0.5,
    "total_timeout": 2.0,
    "keepalive_timeout": 5.0,
    "max_age": 20.0,
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked for."""

    seconds: float
    threads: int
    rate: float
    share: float

    @property
    def interval(self) -> float:
        """Seconds between two samples: many enough to judge, few enough to keep."""
        return min(60.0, max(0.25, self.seconds / _SAMPLES))


@click.command()
@click.option("--minutes", type=click.FloatRange(0.05, 100_000.0), help="How long. [default: 2]")
@click.option("--hours", type=click.FloatRange(0.001, 2_000.0), help="The same in hours.")
@click.option("--threads", default=40, show_default=True, type=click.IntRange(1, 500))
@click.option(
    "--rate",
    default=200.0,
    show_default=True,
    type=click.FloatRange(0.0, 100_000.0),
    help="Calls per second; 0: as fast as they go.",
)
@click.option("--faults", is_flag=True, help="Let one request in twenty go wrong.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def soak(
    minutes: float | None,
    hours: float | None,
    threads: int,
    rate: float,
    *,
    faults: bool,
    as_json: bool,
) -> int:
    """Load a local exchange for minutes or days and tell whether memory, descriptors, threads
    or latency grow; exit code 1 if anything does.

    \b
    Example: python -m bybit_sync soak --hours 24 --faults --json > soak.json
    """
    if minutes is not None and hours is not None:
        raise click.UsageError("--minutes or --hours, not both")
    _use_plain_malloc()
    seconds = hours * 3600 if hours is not None else 60 * (2.0 if minutes is None else minutes)
    plan = _Plan(seconds, threads, rate, _FAULTY_SHARE if faults else 0.0)
    errors = Console(stderr=True)
    outcome, was_interrupted = _run(plan, errors)
    if was_interrupted:
        errors.print("interrupted: this is what was seen until then")
    _report(outcome, errors, as_json=as_json)
    return 1 if was_interrupted or outcome.wrong() else 0


def _use_plain_malloc() -> None:
    """Start this command over where glibc would keep free memory for each thread.

    Those caches fill for an hour and more, by some MB over forty threads, before they stop; until
    then they cannot be told from a leak.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if not sys.platform.startswith("linux") or "tcache_count" in tunables:
        return
    if "soak" in sys.orig_argv:  # not where a program has called the command as a function
        os.environ["GLIBC_TUNABLES"] = ":".join(filter(None, [tunables, _PLAIN_MALLOC]))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _run(plan: _Plan, errors: Console) -> tuple[Outcome, bool]:
    with LocalExchange(limits=False, ip_limit=None) as exchange:
        samples = Samples()
        client = _client(exchange)
        load = Load(client, plan.threads, plan.rate, _POOL["total_timeout"])
        schedule = FaultSchedule(exchange, plan.share)
        was_interrupted = False
        started = SYSTEM_CLOCK.monotonic()
        try:
            load.start()
            _watch(plan, exchange, load, schedule, samples, errors)
        except KeyboardInterrupt:
            was_interrupted = True
        finally:
            schedule.clear()
            load.stop()
            seconds = SYSTEM_CLOCK.monotonic() - started
            pool = client.pool_stats()
            client.close()
        outcome = Outcome(
            seconds=seconds,
            calls=load.calls,
            faults=schedule.happened(),
            with_faults=plan.share > 0,
            errors=load.errors,
            foreign=load.foreign,
            late=load.late,
            slowest=load.slowest,
            connections=pool.created,
            held={"connections held": pool.active, "callers waiting": pool.waiting},
            left=_left(samples.base),
            trends=samples.trends(),
        )
    return outcome, was_interrupted


def _client(exchange: LocalExchange) -> BybitClient:
    config = Config(
        connection_pool=ConnectionPoolConfig(**_POOL),  # type: ignore[arg-type]
        retry=RetryConfig(base_delay=0.02, max_delay=0.2),
        rate_limit=RateLimitConfig(mode="off"),
    )
    return client_on(exchange, config)


def _watch(
    plan: _Plan,
    exchange: LocalExchange,
    load: Load,
    schedule: FaultSchedule,
    samples: Samples,
    errors: Console,
) -> None:
    """Look at the run until its time is up, and plant the faults of the time to come."""
    clock, never = SYSTEM_CLOCK, threading.Event()
    started = sampled = clock.monotonic()
    planted = 0
    with _Progress(errors, plan.seconds) as progress:
        while (elapsed := clock.monotonic() - started) < plan.seconds:
            clock.wait(never, min(plan.interval, 0.5, plan.seconds - elapsed))
            if plan.share:
                calls = load.calls
                schedule.top_up(calls - planted)
                planted = calls
            now = clock.monotonic()
            if now - sampled >= plan.interval * 0.99:
                sampled = now
                yardstick = _timed(exchange.requests.count)
                p50 = load.next_interval().p50
                samples.add(now - started, p50, yardstick, load.connections())
            progress.show(now - started, load, samples)


def _timed(ask: Callable[[], object]) -> float:
    started = SYSTEM_CLOCK.monotonic()
    ask()
    return SYSTEM_CLOCK.monotonic() - started


class _Progress:
    """One line that is renewed on a terminal, a line now and then in a log."""

    def __init__(self, errors: Console, seconds: float) -> None:
        self._errors = errors
        self._seconds = seconds
        self._live = Live(console=errors, refresh_per_second=2) if errors.is_terminal else None
        self._next = 0.0

    def show(self, elapsed: float, load: Load, samples: Samples) -> None:
        """Tell how far it is."""
        now = samples.last
        line = Text(
            f"{elapsed:8.0f} of {self._seconds:.0f} s  {load.calls} calls  "
            f"{load.failed} errors  {now.get('memory_kb', 0) / 1024:.1f} MB  "
            f"{now.get('descriptors', 0):.0f} descriptors  {now.get('threads', 0):.0f} threads  "
            f"p50 {now.get('latency_p50_ms', 0):.1f} ms"
        )
        if self._live is not None:
            self._live.update(line)
        elif elapsed >= self._next:
            self._next = elapsed + max(10.0, self._seconds / 200)
            self._errors.print(line, soft_wrap=True)

    def __enter__(self) -> _Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._live is not None:
            self._live.stop()


def _left(base: dict[str, float]) -> dict[str, float]:
    """Threads and descriptors that were not there before; what is ending is given a moment."""
    left: dict[str, float] = {}
    names = [name for name in ("threads", "descriptors") if name in base]
    for _ in range(50):
        now = look()
        left = {name: now[name] - base[name] for name in names}
        if not any(count > 0 for count in left.values()):
            break
        SYSTEM_CLOCK.sleep(0.1)
    return left


def _report(outcome: Outcome, errors: Console, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(outcome.figures(), indent=2))
        return
    console = Console()
    figures = outcome.figures()
    console.print(
        f"{figures['calls']} calls in {figures['seconds']:g} s, {figures['faults']} faults, "
        f"{sum(outcome.errors.values())} errors, slowest call {outcome.slowest:.2f} s, "
        f"{outcome.connections} connections opened"
    )
    for name, count in sorted(outcome.errors.items()):
        console.print(f"  {count} x {name}")
    console.print(outcome.table())
    console.print(f"verdict: {outcome.verdict()}")
    for fault in outcome.wrong():
        errors.print(fault, style="red")

"""What the demo measures of one run, and the table that it makes of two."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from bybit_sync.net.stats import PoolStats

_PROC_FDS = Path("/proc/self/fd")


@dataclass(slots=True)
class Run:
    """One way of calling, measured from the client's side."""

    name: str = ""
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds of each call, its wait for the rate limit taken out."""
    limiter_waits: list[float] = field(default_factory=list)
    errors: int = 0
    steps: int = 0
    connections: int = 0
    tls_handshakes: int = 0
    dns_lookups: int = 0
    set_up_seconds: float = 0.0
    peak_descriptors: int = 0
    accepted_by_server: int | None = None
    gauges: list[PoolStats] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call_done(self, seconds: float, limiter_wait: float) -> None:
        """Note one call."""
        with self._lock:
            self.latencies.append(seconds)
            self.limiter_waits.append(limiter_wait)

    def look(self, pool: PoolStats | None) -> None:
        """Note what can be seen now: descriptors and, of the pooled way, its gauges."""
        self.peak_descriptors = max(self.peak_descriptors, open_descriptors())
        if pool is not None:
            self.gauges.append(pool)

    def note_server(self, before: int | None, after: int | None) -> None:
        """Note how many connections the server has accepted meanwhile."""
        if before is not None and after is not None:
            self.accepted_by_server = after - before

    def figures(self) -> dict[str, Any]:
        """The run in numbers, for the table and for ``--json``."""
        calls = len(self.latencies)
        return {
            "calls": calls,
            "calls_per_second": calls / self.seconds if self.seconds else 0.0,
            "steps": self.steps,
            "errors": self.errors,
            "latency_p50_ms": percentile(self.latencies, 0.50) * 1000,
            "latency_p99_ms": percentile(self.latencies, 0.99) * 1000,
            "set_up_ms_per_request": self.set_up_seconds / calls * 1000 if calls else 0.0,
            "connections_opened": self.connections,
            "tls_handshakes": self.tls_handshakes,
            "dns_lookups": self.dns_lookups,
            "connections_accepted_by_server": self.accepted_by_server,
            "peak_descriptors": self.peak_descriptors,
            "rate_limit_wait_ms_per_call": sum(self.limiter_waits) / calls * 1000 if calls else 0.0,
            "pool": self._pool_figures(),
        }

    def _pool_figures(self) -> dict[str, Any] | None:
        if not self.gauges:
            return None
        active = [stats.active for stats in self.gauges]
        return {
            "active_median": median(active),
            "active_max": max(active),
            "idle_max": max(stats.idle for stats in self.gauges),
            "waiting_max": max(stats.waiting for stats in self.gauges),
            "limit": self.gauges[-1].limit,
            "limit_per_host": self.gauges[-1].limit_per_host,
            "reused": self.gauges[-1].reused,
        }


def open_descriptors() -> int:
    """Open file descriptors of this process; 0 where the system does not tell."""
    return len(os.listdir(_PROC_FDS)) if _PROC_FDS.is_dir() else 0


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of the values lies; 0 where there are none."""
    if not values:
        return 0.0
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


_ROWS = (
    ("connection set-up per request", "set_up_ms_per_request", "{:.1f} ms"),
    ("connections opened", "connections_opened", "{}"),
    ("… as the server counts them", "connections_accepted_by_server", "{}"),
    ("TLS handshakes", "tls_handshakes", "{}"),
    ("DNS look-ups", "dns_lookups", "{}"),
    ("open descriptors, peak", "peak_descriptors", "{}"),
    ("latency p50", "latency_p50_ms", "{:.1f} ms"),
    ("latency p99", "latency_p99_ms", "{:.1f} ms"),
    ("calls", "calls", "{}"),
    ("calls per second", "calls_per_second", "{:.1f}"),
    ("held back by the rate limit, per call", "rate_limit_wait_ms_per_call", "{:.1f} ms"),
    ("errors", "errors", "{}"),
)


def table_of(runs: list[Run], title: str) -> Table:
    """The runs side by side."""
    figures = [run.figures() for run in runs]
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for run in runs:
        table.add_column(run.name, justify="right")
    for label, key, form in _ROWS:
        cells = ["-" if f[key] is None else form.format(f[key]) for f in figures]
        if any(cell != "-" for cell in cells):
            table.add_row(label, *cells)
    return table


def pool_line(run: Run) -> str:
    """The pool's gauges during a run, in one line."""
    pool = run.figures()["pool"]
    return (
        f"pool during the run: active {pool['active_median']:g} (median), "
        f"{pool['active_max']} (most); idle at most {pool['idle_max']}; "
        f"waiting at most {pool['waiting_max']}; limit {pool['limit']}, "
        f"{pool['limit_per_host']} per host; {pool['reused']} calls reused a connection"
    )

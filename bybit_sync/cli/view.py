"""What `top` shows of one client: figures of the last seconds, from two readings."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .reading import Span

_DURATION = "http_request_duration_seconds"
_SLOWEST = 8


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint, over the last seconds."""

    endpoint: str
    calls: float
    p50_ms: float
    p99_ms: float
    errors: dict[str, float]
    """Calls since the start of the program that ended otherwise than well, by outcome."""
    remaining: float | None
    """Calls that Bybit still allows in the current window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One client at one moment."""

    exchange: str
    seconds: float
    active: float
    idle: float
    waiting: float
    limit: float
    limit_per_host: float
    opened_per_second: float
    reused_share: float
    closed: dict[str, float]
    wait_p99_ms: float
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    endpoints: list[EndpointView]
    """The slowest first."""
    retries: dict[str, float]
    held_back_ms: float
    clock_offset_seconds: float | None
    dns_age_seconds: float
    ban_seconds: float | None
    """Seconds for which Bybit has shut the address out; None where it has not."""

    def figures(self) -> dict[str, Any]:
        """The view, for programs."""
        return asdict(self)


def view_of(span: Span) -> View:
    """What a span shows of its client."""
    calls = span.durations(_DURATION)
    opened = span.gained("http_pool_connections_created_total")
    reused = span.gained("http_pool_connections_reused_total")
    per_second = 1.0 / span.seconds if span.seconds > 0 else 0.0
    return View(
        exchange=span.exchange,
        seconds=span.seconds,
        active=_pool(span, "connections_active"),
        idle=_pool(span, "connections_idle"),
        waiting=_pool(span, "requests_waiting"),
        limit=_pool(span, "connections_limit"),
        limit_per_host=_pool(span, "connections_limit_per_host"),
        opened_per_second=opened * per_second,
        reused_share=reused / (opened + reused) if opened + reused else 0.0,
        closed=_totals(span, "reason", "http_pool_connections_closed_total"),
        wait_p99_ms=span.durations("http_pool_wait_seconds").quantile(0.99) * 1000,
        calls_per_second=calls.count * per_second,
        p50_ms=calls.quantile(0.5) * 1000,
        p99_ms=calls.quantile(0.99) * 1000,
        endpoints=_endpoints(span),
        retries=_totals(span, "reason", "http_request_retries_total"),
        held_back_ms=span.durations("bybit_rate_limit_wait_seconds").mean * 1000,
        clock_offset_seconds=span.now("bybit_clock_offset_seconds"),
        dns_age_seconds=span.now("http_dns_age_seconds") or 0.0,
        ban_seconds=(
            span.now("bybit_ip_ban_remaining_seconds") if span.now("bybit_ip_banned") else None
        ),
    )


def _pool(span: Span, name: str) -> float:
    return span.now(f"http_pool_{name}") or 0.0


def _totals(span: Span, label: str, name: str, **labels: str) -> dict[str, float]:
    found = span.last.by(label, name, exchange=span.exchange, **labels)
    return {key: value for key, value in sorted(found.items()) if value}


def _endpoints(span: Span) -> list[EndpointView]:
    """The slowest of those that were called meanwhile, and all that have had errors."""
    names = _totals(span, "endpoint", f"{_DURATION}_count")
    views = [_endpoint(span, name) for name in names]
    views.sort(key=lambda each: (each.calls > 0, each.p99_ms), reverse=True)
    return [each for i, each in enumerate(views) if each.errors or (i < _SLOWEST and each.calls)]


def _endpoint(span: Span, name: str) -> EndpointView:
    calls = span.durations(_DURATION, endpoint=name)
    errors = _totals(span, "outcome", f"{_DURATION}_count", endpoint=name)
    errors.pop("ok", None)
    return EndpointView(
        name,
        calls.count,
        calls.quantile(0.5) * 1000,
        calls.quantile(0.99) * 1000,
        errors,
        span.now("bybit_rate_limit_remaining", endpoint=name),
    )

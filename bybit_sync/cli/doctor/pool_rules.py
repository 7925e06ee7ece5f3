"""Rules about the pool: too small, too large, or without use."""

from __future__ import annotations

import math
from statistics import median

from .evidence import Evidence, Finding, plural, seconds

_NOTABLE_WAIT = 0.01
_HOARD = 10


def saturated(evidence: Evidence) -> Finding | None:
    """Callers queue for a connection while all of them are busy."""
    waiting, active = evidence.gauge("requests_waiting"), evidence.gauge("connections_active")
    waits = evidence.span.durations("http_pool_wait_seconds")
    queues = sum(count > 0 for count in waiting) * 3 >= len(waiting)
    often = waits.count > 0.05 * evidence.calls() and waits.mean >= _NOTABLE_WAIT
    if not queues and not often:
        return None
    busy, most = max(active), max(waiting)
    enough = math.ceil(busy + max(most, 1.0))
    limit = max(evidence.gauge("connections_limit"))
    per_host = max(evidence.gauge("connections_limit_per_host"))
    allowed = f" of {per_host:.0f} that a host may have" if per_host else ""
    knobs = {"connection_pool.limit_per_host": enough}
    if enough > limit:
        knobs = {"connection_pool.limit": enough, **knobs}
    return Finding(
        name="saturated pool",
        symptom="calls queue for a connection: the pool is smaller than the crowd that calls",
        evidence=(
            f"{plural(most, 'caller')} waiting at most, {plural(busy, 'connection')} busy"
            f"{allowed}; "
            f"{plural(waits.count, 'call')} queued, {seconds(waits.mean)} each on average"
        ),
        knob=f"connection_pool.{'limit' if busy >= limit else 'limit_per_host'}",
        suggestion=knobs,
        advice=(
            "give every thread that calls at once a connection, or call from fewer threads; more "
            "connections help only while the rate limits allow the calls"
        ),
    )


def hoard(evidence: Evidence) -> Finding | None:
    """Many connections stay open that nobody uses."""
    idle, active = evidence.gauge("connections_idle"), evidence.gauge("connections_active")
    least, busy = min(idle), max(active)
    if least < _HOARD or least < 3 * max(busy, 1.0):
        return None
    keep = evidence.setting("connection_pool", "keepalive_timeout")
    shorter = 15.0 if keep is None else max(1.0, keep / 4)
    per_host = max(2, math.ceil(2 * busy))
    known = "" if keep is None else f"; keepalive_timeout is {keep:g} s"
    return Finding(
        name="idle hoard",
        symptom="connections are kept that nobody uses: memory and descriptors, here and at Bybit",
        evidence=(
            f"never fewer than {least:.0f} idle, at most {busy:.0f} busy in "
            f"{evidence.span.seconds:.1f} s{known}"
        ),
        knob="connection_pool.keepalive_timeout",
        suggestion={
            "connection_pool.keepalive_timeout": shorter,
            "connection_pool.limit_per_host": per_host,
        },
        advice=(
            "let unused connections expire sooner, or allow fewer; leave it as it is where a rush "
            "follows soon"
        ),
        is_certain=False,
    )


def no_reuse(evidence: Evidence) -> Finding | None:
    """Every call opens a connection."""
    created = evidence.total("http_pool_connections_created_total")
    reused = evidence.total("http_pool_connections_reused_total")
    closed = "http_pool_connections_closed_total"
    by_us = sum(evidence.total(closed, reason=reason) for reason in ("forced", "shutdown"))
    # What a server or a pause has ended is another rule's.
    if created < 5 or reused > 0.05 * created or by_us < created / 2:
        return None
    forced = evidence.setting("connection_pool", "force_close")
    known = "; force_close is on" if forced else ""
    return Finding(
        name="no reuse",
        symptom="connections are not used again: every call pays for DNS, TCP and TLS",
        evidence=f"{plural(created, 'connection')} opened, {reused:.0f} uses of an open one{known}",
        knob="connection_pool.force_close",
        suggestion={"connection_pool.force_close": False},
        advice="turn force_close off, and make one client for the whole program, not one per call",
    )


def expiring(evidence: Evidence) -> Finding | None:
    """Connections expire in the pauses between calls."""
    gone = evidence.span.gained("http_pool_connections_closed_total", reason="idle")
    opened = evidence.span.gained("http_pool_connections_created_total")
    idle = median(evidence.gauge("connections_idle"))
    if gone < 3 or opened < 3 or idle >= _HOARD:
        return None
    keep = evidence.setting("connection_pool", "keepalive_timeout") or 30.0
    return Finding(
        name="expiring connections",
        symptom="latency spikes after a pause: connections expire just before they are needed",
        evidence=(
            f"{plural(gone, 'connection')} expired and {opened:.0f} opened anew in "
            f"{evidence.span.seconds:.1f} s"
        ),
        knob="connection_pool.keepalive_timeout",
        suggestion={"connection_pool.keepalive_timeout": keep * 2},
        advice="keep them for longer than the pauses between calls, or warm_up(n) before a rush",
    )

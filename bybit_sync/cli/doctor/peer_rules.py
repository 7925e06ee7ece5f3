"""Rules about the other side: its limits, its clock, its name, and how it ends connections."""

from __future__ import annotations

from bybit_sync.exceptions import (
    BybitError,
    ClockError,
    DnsError,
    IpBannedError,
    RateLimitedError,
    TlsError,
)

from .evidence import Evidence, Finding, plural, seconds

_NOTABLE_OFFSET = 0.5
_HELD_BACK = 0.05
_USUAL_TTL = 300.0
_USUAL_KEEPALIVE = 30.0


def banned(evidence: Evidence) -> Finding | None:
    """Bybit has shut this address out."""
    seen = _ended_with(evidence, IpBannedError)
    if not seen and not evidence.span.now("bybit_ip_banned"):
        return None
    left = evidence.span.now("bybit_ip_ban_remaining_seconds") or 0.0
    refused = evidence.calls(outcome="bad_answer") + evidence.calls(outcome="transport_error")
    return Finding(
        name="shut out",
        symptom="Bybit has shut this address out (HTTP 403): too many calls of all its programs",
        evidence=f"{seconds(left)} left; {plural(refused, 'call')} ended without an answer",
        knob="rate_limit.ip_limit",
        suggestion={"rate_limit.ip_limit": 400, "rate_limit.mode": "wait"},
        advice=(
            "stop every program on this address until the ban is over; then fewer calls per "
            "address, and rate_limit.store where several programs share it"
        ),
    )


def limit_hit(evidence: Evidence) -> Finding | None:
    """Bybit refuses calls with 10006, or the client holds them back to avoid it."""
    refused = evidence.span.gained("http_request_retries_total", reason="rate_limited")
    refused += len(_ended_with(evidence, RateLimitedError))
    if refused:
        return _refused(evidence, refused)
    waits = evidence.span.durations("bybit_rate_limit_wait_seconds")
    if waits.count < 5 or waits.mean < _HELD_BACK:
        return None
    return Finding(
        name="held back",
        symptom="calls wait for the client's own rate limit: they are more than Bybit allows",
        evidence=f"{plural(waits.count, 'call')} held back {seconds(waits.mean)} each on average"
        + _least_left(evidence),
        knob="rate_limit.endpoint_limits",
        advice=(
            "call less often, in batches or from fewer threads; where Bybit has raised your "
            'limits, say so: "/v5/order/create" = 20'
        ),
    )


def _refused(evidence: Evidence, refused: float) -> Finding:
    mode = evidence.setting("rate_limit", "mode")
    own = mode != "wait"
    known = "" if mode is None else f"; rate_limit.mode is {mode}"
    return Finding(
        name="limit hit",
        symptom="Bybit refuses calls (10006, too many visits)",
        evidence=f"{plural(refused, 'refusal')} in {evidence.span.seconds:.1f} s{known}"
        + _least_left(evidence),
        knob="rate_limit.mode" if own else "rate_limit.store",
        suggestion={"rate_limit.mode": "wait"} if own else {},
        advice=(
            'with rate_limit.mode = "wait" the client stays below the limits; programs that share '
            "an account or an address need rate_limit.store to count together; raised limits go "
            "into rate_limit.endpoint_limits"
        ),
    )


def _least_left(evidence: Evidence) -> str:
    left = evidence.span.last.by(
        "endpoint", "bybit_rate_limit_remaining", exchange=evidence.exchange
    )
    if not left:
        return ""
    endpoint = min(left, key=lambda name: left[name])
    return f"; {endpoint} has {left[endpoint]:.0f} calls left in its window"


def dead_dns(evidence: Evidence) -> Finding | None:
    """Names are not found, or only old addresses are at hand."""
    span = evidence.span
    failed = span.gained("http_request_retries_total", reason="dns")
    failed += len(_ended_with(evidence, DnsError))
    stale = span.gained("http_dns_lookups_total", result="stale")
    misses = span.gained("http_dns_lookups_total", result="miss")
    # With attempts = 1 nothing is repeated: look-ups that led to no connection tell as much.
    lost = evidence.calls(outcome="transport_error")
    if not failed and not stale and lost and misses >= lost:
        failed = 0.0 if span.gained("http_pool_connections_created_total") else misses
    if not failed and not stale:
        return None
    age = span.now("http_dns_age_seconds") or 0.0
    known = f"{plural(stale, 'call')} used addresses of {seconds(age)} ago" if stale else ""
    lookups = f"{plural(failed, 'look-up')} failed" if failed else ""
    ttl = evidence.setting("connection_pool", "ttl_dns_cache") or _USUAL_TTL
    return Finding(
        name="dead DNS",
        symptom="the resolver does not answer, or does not know the name",
        evidence=", ".join(filter(None, (lookups, known))) + f" in {span.seconds:.1f} s",
        knob="connection_pool.ttl_dns_cache",
        suggestion={"connection_pool.ttl_dns_cache": max(3600.0, ttl)},
        advice=(
            "mend the resolver (/etc/resolv.conf; does `getent hosts api.bybit.com` answer?) or "
            "the name in client.base_url; a longer ttl_dns_cache asks it less often"
        ),
    )


def skewed_clock(evidence: Evidence) -> Finding | None:
    """This machine's clock differs from Bybit's."""
    offset = evidence.span.now("bybit_clock_offset_seconds")
    refused = evidence.span.gained("http_request_retries_total", reason="clock")
    refused += len(_ended_with(evidence, ClockError))
    if abs(offset or 0.0) < _NOTABLE_OFFSET and not refused:
        return None
    is_off = evidence.setting("clock", "mode") == "off"
    told = [f"{plural(refused, 'call')} refused with 10002"] if refused else []
    if offset is not None:
        side = "behind" if offset > 0 else "ahead of"
        told = [f"this machine is {seconds(abs(offset))} {side} Bybit's clock", *told]
    return Finding(
        name="skewed clock",
        symptom="this machine's clock is wrong: Bybit refuses what is signed with it (10002)",
        evidence="; ".join(told) + ("; clock.mode is off" if is_off else ""),
        knob="clock.mode",
        suggestion={"clock.mode": "passive"},
        advice=(
            "let NTP set the clock (timedatectl set-ntp true); with clock.mode passive or active "
            "calls are signed with Bybit's time meanwhile; raise client.recv_window_ms only for a "
            "slow link"
        ),
    )


def server_closes(evidence: Evidence) -> Finding | None:
    """The server ends unused connections before the pool does."""
    closed = evidence.total("http_pool_connections_closed_total", reason="server")
    created = evidence.total("http_pool_connections_created_total")
    after = None if evidence.probed is None else evidence.probed.server_closes_after
    if after is None and (closed < 3 or closed < 0.1 * created):
        return None
    keep = evidence.setting("connection_pool", "keepalive_timeout")
    if after is not None:
        if keep is not None and keep < after:
            return None
        told = f"an unused connection was closed by the server after {seconds(after)}"
        suggested = round(after * 0.8, 3)
    else:
        told = f"{closed:.0f} of {plural(created, 'connection')} were closed by the server"
        suggested = (keep or _USUAL_KEEPALIVE) / 2
    known = "" if keep is None else f"; keepalive_timeout is {keep:g} s"
    return Finding(
        name="server closing early",
        symptom="the server closes connections before the pool does: calls after a pause are slow",
        evidence=told + known,
        knob="connection_pool.keepalive_timeout",
        suggestion={"connection_pool.keepalive_timeout": suggested},
        advice=(
            "keep connections for less than the server does, so that the pool never hands out one "
            "that is about to end; warm_up(n) before a rush"
        ),
    )


def condemned(evidence: Evidence) -> Finding | None:
    """Idle connections died without a word, as behind a NAT that forgets them."""
    dead = evidence.total("http_pool_connections_closed_total", reason="condemned")
    if dead < 3:
        return None
    idle = evidence.setting("tcp_keepalive", "idle") or 30
    return Finding(
        name="silently dead connections",
        symptom="idle connections die without a word: something on the way forgets them",
        evidence=f"{plural(dead, 'connection')} condemned beside one found dead",
        knob="tcp_keepalive.idle",
        suggestion={"tcp_keepalive.idle": max(5, idle // 2)},
        advice="probe before the NAT or firewall forgets, or let connections expire sooner",
    )


def unreachable(evidence: Evidence) -> Finding | None:
    """Connections cannot be opened, or TLS fails."""
    failed = sum(
        evidence.span.gained("http_request_retries_total", reason=reason)
        for reason in ("connect", "tls")
    )
    tls = _ended_with(evidence, TlsError)
    if failed < 3 and not tls:
        return None
    return Finding(
        name="no connection",
        symptom="connections cannot be opened",
        evidence=tls[0].message if tls else f"{plural(failed, 'attempt')} failed",
        knob="tls.ca_file" if tls else "connection_pool.connect_timeout",
        advice="check firewall and proxy (client.proxy); a CA of your own goes into tls.ca_file",
    )


def _ended_with(evidence: Evidence, kind: type[BybitError]) -> list[BybitError]:
    errors = () if evidence.probed is None else evidence.probed.errors
    return [error for error in errors if isinstance(error, kind)]

"""A client's view as HTML.

Every style stands inline and text takes the colour around it: front ends drop style sheets, and
each has its own day and night.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from bybit_sync.net.stats import HostStats

from .view import ClientView

ACTIVE, IDLE, WAITING, FAILED, FREE = "#2563eb", "#93b4f5", "#d97706", "#dc2626", "#8884"
_FAINT = "opacity:.65"
_WIDTH, _HEIGHT = 220, 34


def html_of(view: ClientView, *, live: str = "") -> str:
    """The view as one small card; `live` says how it is kept up to date."""
    parts = [
        _head(view, live),
        _pool(view),
        _line(view),
        _limits(view.limits),
    ]
    return (
        '<div style="width:580px;max-width:100%;box-sizing:border-box;border:1px solid #8886;'
        "border-radius:8px;padding:10px 14px;font:13px/1.5 system-ui,sans-serif;"
        f'font-variant-numeric:tabular-nums">{"".join(filter(None, parts))}</div>'
    )


def _head(view: ClientView, live: str) -> str:
    keys = "with keys" if view.has_keys else "without keys"
    notes = [_faint(keys)]
    if view.is_closed:
        notes.append(_coloured("closed", FAILED))
    elif view.ban_seconds > 0:
        notes.append(_coloured(f"shut out by Bybit for {view.ban_seconds:.0f} s", FAILED))
    if live:
        notes.append(_coloured(f"● {live}", ACTIVE))
    place = html.escape(view.place)
    return f"<div><b>BybitClient</b> {place} · {' · '.join(notes)}</div>"


# --- the pool -----------------------------------------------------------------------------


def _pool(view: ClientView) -> str:
    if not view.hosts:
        return _row(_faint(f"no connection yet, {view.limit} allowed"))
    bars = "".join(_host(name, host) for name, host in view.hosts.items())
    return f"{bars}{_row(_faint(' · '.join(_pool_facts(view))))}"


def _host(name: str, host: HostStats) -> str:
    waiting = f"{host.waiting} waiting"
    figures = (
        f"{_square(ACTIVE)} {host.active} active {_square(IDLE)} {host.idle} idle "
        f"{_square(WAITING)} {_coloured(waiting, WAITING) if host.waiting else waiting} · "
        f"limit {host.limit}"
    )
    head = (
        '<div style="display:flex;justify-content:space-between;gap:0 16px;flex-wrap:wrap">'
        f"<span>{html.escape(name)}</span><span>{figures}</span></div>"
    )
    scale = max(host.limit, host.active + host.idle, 1)
    parts = _share(host.active, scale, ACTIVE) + _share(host.idle, scale, IDLE)
    queue = _share(min(host.waiting, scale), scale, WAITING)
    return (
        f'<div style="margin-top:6px">{head}{_bar(parts, 10, FREE)}{_bar(queue, 3, "none")}</div>'
    )


def _bar(parts: str, height: int, back: str) -> str:
    return (
        f'<div style="display:flex;height:{height}px;margin-top:2px;border-radius:5px;'
        f'overflow:hidden;background:{back}">{parts}</div>'
    )


def _share(count: int, scale: int, colour: str) -> str:
    if count <= 0:
        return ""
    return f'<div style="width:{100 * count / scale:.2f}%;background:{colour}"></div>'


def _pool_facts(view: ClientView) -> Iterator[str]:
    yield f"{view.created} opened"
    used = view.created + view.reused
    if used:
        yield f"{100 * view.reused / used:.0f} % of calls found one open"
    yield f"limit over all hosts {view.limit}"
    if view.clock_offset is not None:
        yield f"clock {round(view.clock_offset * 1000):+d} ms"


# --- latency ------------------------------------------------------------------------------


def _line(view: ClientView) -> str:
    if not view.calls:
        return _row(_faint("no call yet"))
    facts = [f"{view.calls:,} call{'' if view.calls == 1 else 's'}"]
    if view.failed:
        facts.append(_coloured(f"{view.failed:,} failed", FAILED))
    if view.p50 is not None and view.p99 is not None:
        facts.append(f"p50 <b>{milliseconds(view.p50)}</b> · p99 {milliseconds(view.p99)}")
    text = f"<span>{' · '.join(facts)}</span>"
    return (
        '<div style="display:flex;align-items:center;justify-content:space-between;gap:16px;'
        f'margin-top:6px">{text}{sparkline(view.latencies)}</div>'
    )


def sparkline(seconds: Sequence[float]) -> str:
    """The course of some latencies as SVG, the newest on the right; "" for fewer than two."""
    if len(seconds) < 2:
        return ""
    top = max(seconds) or 1.0
    step = (_WIDTH - 4) / (len(seconds) - 1)
    dots = [
        (2 + i * step, _HEIGHT - 2 - (_HEIGHT - 4) * value / top) for i, value in enumerate(seconds)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    title = f"latency of the last {len(seconds)} calls, at most {milliseconds(top)}"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{title}" style="flex:0 1 {_WIDTH}px;min-width:60px;height:{_HEIGHT}px">'
        f"<title>{title}</title>"
        f'<polyline points="{points}" fill="none" stroke="{ACTIVE}" stroke-width="1.5"/>'
        f'<circle cx="{dots[-1][0]:.1f}" cy="{dots[-1][1]:.1f}" r="2" fill="{ACTIVE}"/></svg>'
    )


def milliseconds(seconds: float) -> str:
    """A duration for people, with as many digits as say something."""
    ms = seconds * 1000
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:,.0f} ms"


# --- limits -------------------------------------------------------------------------------


def _limits(limits: Sequence[tuple[str, int]]) -> str:
    if not limits:
        return ""
    told = [
        f"{html.escape(name)} " + (f"<b>{left}</b>" if left else f"<b>{_coloured('0', FAILED)}</b>")
        for name, left in limits
    ]
    return _row(f"{_faint('calls left:')} {' · '.join(told)}")


def _row(text: str) -> str:
    return f'<div style="margin-top:4px">{text}</div>'


def _faint(text: str) -> str:
    return f'<span style="{_FAINT}">{html.escape(text)}</span>'


def _coloured(text: str, colour: str) -> str:
    return f'<span style="color:{colour};font-weight:600">{html.escape(text)}</span>'


def _square(colour: str) -> str:
    return (
        '<span style="display:inline-block;width:9px;height:9px;border-radius:2px;'
        f'margin-left:8px;background:{colour}"></span>'
    )

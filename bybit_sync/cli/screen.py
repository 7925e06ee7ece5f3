"""The screen of `top`: one panel per client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .view import EndpointView, View

_BAR = 30
_SPARKS = "▁▂▃▄▅▆▇█"


def screen(views: Sequence[View], history: Mapping[str, Sequence[float]], foot: str) -> Group:
    """All clients, one below the other; `history` is the median latency (ms) of the last looks."""
    panels = [panel(view, history.get(view.exchange, ())) for view in views]
    return Group(*panels, Text(foot, style="dim"))


def panel(view: View, latencies: Sequence[float] = ()) -> Panel:
    """One client."""
    parts: list[RenderableType] = [_pool(view), _calls(view, latencies)]
    if view.endpoints:
        parts.append(_endpoints(view.endpoints))
    parts.append(_rest(view))
    if view.ban_seconds is not None:
        told = f"Bybit has shut this address out for {view.ban_seconds:.0f} s: make no calls"
        parts.insert(0, Text(told, style="bold red"))
    return Panel(Group(*parts), title=view.exchange, title_align="left")


def sparkline(values: Sequence[float]) -> str:
    """The course of some values, as high as the highest of them."""
    top = max(values, default=0.0)
    if top <= 0:
        return ""
    return "".join(_SPARKS[min(7, int(value / top * 7.999))] for value in values)


def _pool(view: View) -> Text:
    scale = _BAR / max(view.limit, 1.0)
    active = min(_BAR, _cells(view.active * scale))
    idle = min(_BAR - active, _cells(view.idle * scale))
    waiting = Text(f"{view.waiting:.0f} waiting", style="bold red" if view.waiting else "")
    return Text.assemble(
        "pool   ",
        ("█" * active, "green"),
        ("▒" * idle, "blue"),
        ("·" * (_BAR - active - idle), "dim"),
        f"  {view.active:.0f} active  {view.idle:.0f} idle  ",
        waiting,
    )


def _cells(length: float) -> int:
    """What there is shows, however little."""
    return 0 if length <= 0 else max(1, round(length))


def _calls(view: View, latencies: Sequence[float]) -> Text:
    return Text(
        f"calls  {view.calls_per_second:.1f}/s  p50 {view.p50_ms:.1f} ms  "
        f"p99 {view.p99_ms:.1f} ms  {sparkline(latencies)}"
    )


def _endpoints(endpoints: Sequence[EndpointView]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("slowest endpoints")
    for name in ("calls", "p50 ms", "p99 ms", "left"):
        table.add_column(name, justify="right")
    table.add_column("errors", style="red")
    for each in endpoints:
        table.add_row(
            each.endpoint,
            f"{each.calls:.0f}",
            f"{each.p50_ms:.1f}" if each.calls else "-",
            f"{each.p99_ms:.1f}" if each.calls else "-",
            "" if each.remaining is None else f"{each.remaining:.0f}",
            _listed(each.errors),
        )
    return table


def _rest(view: View) -> Text:
    per_host = f"{view.limit_per_host:.0f} a host, " if view.limit_per_host else ""
    facts = [
        f"limit {per_host}{view.limit:.0f} in all",
        f"opened {view.opened_per_second:.1f}/s, {view.reused_share:.0%} of calls reuse",
        f"closed: {_listed(view.closed)}" if view.closed else "",
        f"wait p99 {view.wait_p99_ms:.0f} ms" if view.wait_p99_ms else "",
        f"retries: {_listed(view.retries)}" if view.retries else "",
        f"held back {view.held_back_ms:.0f} ms per call" if view.held_back_ms >= 1 else "",
        "" if view.clock_offset_seconds is None else f"clock {view.clock_offset_seconds:+.3f} s",
        f"addresses {view.dns_age_seconds:.0f} s old" if view.dns_age_seconds else "",
    ]
    return Text("  ·  ".join(filter(None, facts)), style="dim")


def _listed(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {count:.0f}" for name, count in counts.items())

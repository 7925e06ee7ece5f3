"""``client.plot``: charts of a client's calls and pool, and of candles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bybit_sync.clock import Clock
from bybit_sync.net.stats import PoolStats

from .candles import draw_candles
from .html import ACTIVE, FAILED, IDLE, WAITING
from .recorder import PoolSample, Recorder, SeenCall
from .view import percentiles

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

_COLOURED = 6
_OTHERS = "others"
_STEEP = 20.0
_NOTHING = "no call was recorded yet: they are from now on"


class Charts:
    """Charts with matplotlib: a notebook shows them below the cell, ``matplotlib.pyplot.show()``
    elsewhere. Each returns its axes, and draws on yours if you give some.

    Raises:
        ImportError: matplotlib is not installed; the message names the command.
    """

    def __init__(
        self, recorder: Recorder, read_pool: Callable[[], PoolStats], clock: Clock
    ) -> None:
        self._recorder = recorder
        self._read_pool = read_pool
        self._clock = clock

    def latency(self, *, ax: Axes | None = None, title: str = "latency") -> Axes:
        """The last calls, one dot each, coloured by endpoint; failed ones are crosses.

        Calls are recorded from the client's start in a notebook, elsewhere from the first use of
        ``client.plot``. Waits for the client's own rate limit are left out.
        """
        axes = ax if ax is not None else _axes((8.0, 3.4))
        calls = self._recorder.calls()
        if calls:
            _draw_calls(axes, calls, self._clock.monotonic())
        else:
            axes.text(0.5, 0.5, _NOTHING, ha="center", va="center", transform=axes.transAxes)
        _name(axes, title, "seconds ago", "ms")
        return axes

    def pool(self, *, ax: Axes | None = None, title: str = "pool") -> Axes:
        """Connections in use and idle, and calls that wait for one: their course while
        ``client.watch()`` ran, or else each host's at this moment."""
        axes = ax if ax is not None else _axes((8.0, 3.0))
        samples = self._recorder.samples()
        if len(samples) > 1:
            _draw_course(axes, samples, self._clock.monotonic(), self._read_pool())
            _name(axes, title, "seconds ago", "connections, calls")
        else:
            _draw_hosts(axes, self._read_pool())
            _name(axes, f"{title}, now", "connections, calls", "")
        return axes

    def candles(self, frame: pandas.DataFrame, *, ax: Axes | None = None, title: str = "") -> Axes:
        """Candles from a frame of ``client.history`` or ``reply.to_frame()``, in any order, with
        the volume below where the frame has it and you give no axes; returns those of the price.

        Raises:
            ConfigError: the frame holds no candles; the message names what is missing.
        """
        price: Axes = draw_candles(frame, pyplot(), ax=ax, title=title)
        return price

    def __repr__(self) -> str:
        return "<client.plot: .latency(), .pool(), .candles(frame)>"


def pyplot() -> Any:
    """matplotlib's pyplot.

    Raises:
        ImportError: it is not installed.
    """
    try:
        from matplotlib import pyplot as found  # here: an extra, and slow to import
    except ImportError as error:
        raise ImportError(
            'client.plot needs matplotlib: pip install "bybit-sync[jupyter]"'
        ) from error
    return found


def _axes(size: tuple[float, float]) -> Axes:
    _, axes = pyplot().subplots(figsize=size, layout="constrained")
    made: Axes = axes
    return made


def _name(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.25)
    axes.set_axisbelow(True)


# --- calls --------------------------------------------------------------------------------


def _draw_calls(axes: Axes, calls: Sequence[SeenCall], now: float) -> None:
    often = [name for name, _ in Counter(call.endpoint for call in calls).most_common(_COLOURED)]
    for name in (*often, _OTHERS):
        good = [call for call in calls if call.outcome == "ok" and _group(call, often) == name]
        if good:
            axes.scatter(*_dots(good, now), s=12, alpha=0.75, linewidths=0, label=name)
    failed = [call for call in calls if call.outcome != "ok"]
    if failed:
        axes.scatter(*_dots(failed, now), s=28, marker="x", color=FAILED, label="failed")
    p50, p99 = percentiles([call.seconds for call in calls])
    for name, value, style in (("p50", p50, "-"), ("p99", p99, "--")):
        told = f"{name} {value * 1000:.1f} ms"
        axes.axhline(value * 1000, color="#8888", linewidth=1, linestyle=style, label=told)
    if max(call.seconds for call in calls) > _STEEP * p50 > 0:
        axes.set_yscale("log")  # one slow call would press all others to the ground
    else:
        axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _group(call: SeenCall, often: Sequence[str]) -> str:
    return call.endpoint if call.endpoint in often else _OTHERS


def _dots(calls: Sequence[SeenCall], now: float) -> tuple[list[float], list[float]]:
    return [call.at - now for call in calls], [call.seconds * 1000 for call in calls]


# --- the pool -----------------------------------------------------------------------------


def _draw_course(axes: Axes, samples: Sequence[PoolSample], now: float, pool: PoolStats) -> None:
    times = [each.at - now for each in samples]
    active = [each.active for each in samples]
    idle = [each.idle for each in samples]
    waiting = [each.waiting for each in samples]
    axes.stackplot(
        times, active, idle, colors=[ACTIVE, IDLE], labels=["active", "idle"], step="post"
    )
    axes.step(times, waiting, where="post", color=WAITING, linewidth=1.5, label="waiting calls")
    if len(pool.hosts) <= 1:
        told = f"limit {pool.limit_per_host} a host"
        axes.axhline(pool.limit_per_host, color="#888", linewidth=1, linestyle="--", label=told)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _draw_hosts(axes: Axes, pool: PoolStats) -> None:
    names = list(pool.hosts) or ["no host yet"]
    hosts = [pool.hosts[name] for name in pool.hosts]
    active = [host.active for host in hosts] or [0]
    idle = [host.idle for host in hosts] or [0]
    waiting = [host.waiting for host in hosts] or [0]
    full = [a + i for a, i in zip(active, idle, strict=True)]
    axes.barh(names, active, color=ACTIVE, height=0.5, label="active")
    axes.barh(names, idle, left=active, color=IDLE, height=0.5, label="idle")
    axes.barh(names, waiting, left=full, color=WAITING, height=0.5, label="waiting calls")
    for place, host in enumerate(hosts):
        axes.plot([host.limit, host.limit], [place - 0.4, place + 0.4], color="#888")
        axes.annotate(f" limit {host.limit}", (host.limit, place), fontsize=8, va="center")
    axes.margins(y=0.3)
    axes.set_xlim(left=0)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))

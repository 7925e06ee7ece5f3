"""Candles as a chart, fast also for tens of thousands: two collections, not an artist for each."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bybit_sync.exceptions import ConfigError

if TYPE_CHECKING:
    import pandas

_TIME = "startTime"
_PRICES = ("openPrice", "highPrice", "lowPrice", "closePrice")
_VOLUME = "volume"
_UP, _DOWN = "#16a34a", "#dc2626"
_MINUTE = 1 / 1440  # matplotlib counts in days
_BODY = 0.7  # of the distance from one candle to the next


def draw_candles(frame: pandas.DataFrame, pyplot: Any, *, ax: Any, title: str) -> Any:
    """Draw them; returns the axes of the price.

    Raises:
        ConfigError: the frame holds no candles.
    """
    rows = _checked(frame)
    if ax is not None:
        price, volume = ax, None
    elif _VOLUME in rows:
        _, (price, volume) = pyplot.subplots(
            2, 1, figsize=(9.0, 4.6), height_ratios=(4, 1), sharex=True, layout="constrained"
        )
    else:
        price, volume = pyplot.subplots(figsize=(9.0, 3.8), layout="constrained")[1], None
    _draw(rows, price, volume)
    price.set_title(title, loc="left", fontsize=11)
    return price


def _checked(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The candles with numbers, oldest first; the time may be the index, as after resampling."""
    import pandas

    if not isinstance(frame, pandas.DataFrame):
        raise ConfigError(f"candles: a {type(frame).__name__} is not a DataFrame: see to_frame()")
    if _TIME not in frame and isinstance(frame.index, pandas.DatetimeIndex):
        frame = frame.rename_axis(_TIME).reset_index()
    missing = [name for name in (_TIME, *_PRICES) if name not in frame]
    if missing:
        raise ConfigError(
            f"candles: no column {', '.join(missing)}; the frame has "
            f"{', '.join(map(str, frame.columns)) or 'none'}"
        )
    columns = [name for name in (*_PRICES, _VOLUME) if name in frame]
    rows = frame[[_TIME, *columns]].dropna(subset=[_TIME, *_PRICES]).sort_values(_TIME)
    if rows.empty:
        raise ConfigError("candles: the frame has no row")
    return rows.astype(dict.fromkeys(columns, "float64"))  # a picture needs no exact ones


def _draw(rows: pandas.DataFrame, price: Any, volume: Any) -> None:
    from matplotlib import dates

    typed: Any = dates  # it has no types
    times = typed.date2num(rows[_TIME])
    step = min((b - a for a, b in pairwise(times) if b > a), default=_MINUTE)
    is_up = (rows["closePrice"] >= rows["openPrice"]).to_numpy()
    colours = [_UP if each else _DOWN for each in is_up]
    width = step * _BODY
    _draw_wicks(rows, price, times, colours)
    _draw_bodies(rows, price, times, width, colours)
    price.set_ylabel("price")
    if volume is not None:
        volume.vlines(times, 0, rows[_VOLUME], colors=colours, linewidth=_points(volume, times))
        volume.set_ylim(bottom=0)
        volume.set_ylabel(_VOLUME)
    for axes in filter(None, (price, volume)):
        _dress(axes)
    price.set_xlim(times[0] - step, times[-1] + step)


def _draw_wicks(rows: Any, price: Any, times: Any, colours: list[str]) -> None:
    price.vlines(times, rows["lowPrice"], rows["highPrice"], colors=colours, linewidth=0.8)


def _draw_bodies(rows: Any, price: Any, times: Any, width: float, colours: list[str]) -> None:
    from matplotlib.collections import PolyCollection

    half = width / 2
    shapes = [
        [(t - half, o), (t + half, o), (t + half, c), (t - half, c)]
        for t, o, c in zip(times, rows["openPrice"], rows["closePrice"], strict=True)
    ]
    # The edge shows a candle that closed where it opened.
    price.add_collection(
        PolyCollection(shapes, facecolors=colours, edgecolors=colours, linewidths=0.8)
    )


def _points(axes: Any, times: Any) -> float:
    """How wide a bar may be, in points."""
    whole = axes.get_position().width * axes.figure.get_figwidth() * 72
    return float(max(0.3, whole / (len(times) + 1) * _BODY))


def _dress(axes: Any) -> None:
    from matplotlib import dates

    typed: Any = dates
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.25)
    axes.set_axisbelow(True)
    locator = typed.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(typed.ConciseDateFormatter(locator))

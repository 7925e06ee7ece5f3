"""``client.plot`` draws what was recorded, and what it is given."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bybit_sync import ConfigError
from bybit_sync.notebook.charts import Charts
from bybit_sync.notebook.recorder import Recorder
from tests.conftest import FakeClock
from tests.unit.call_fakes import GET_ORDERS, GET_TICKERS
from tests.unit.test_metrics import pool
from tests.unit.test_metrics_status import host

MINUTE = 60_000
KLINES = [
    [str(1_700_000_000_000 + i * MINUTE), str(100 + i), str(103 + i), str(99 + i), close, "5", "9"]
    for i, close in enumerate(("102", "100.5", "104"))
]


@pytest.fixture
def pyplot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """matplotlib without a screen; figures end with the test."""
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MPLBACKEND", "agg")
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


@pytest.fixture
def recorder(clock: FakeClock) -> Recorder:
    return Recorder(clock)


@pytest.fixture
def charts(recorder: Recorder, clock: FakeClock) -> Charts:
    return Charts(recorder, lambda: pool(hosts={"api.bybit.com:443": host()}), clock)


def frame(rows: list[list[str]] = KLINES, **how: Any) -> Any:
    pytest.importorskip("pandas")
    from bybit_sync.frames import frame_of_rows

    return frame_of_rows(rows, "market.get_kline", **how)


def drawn(axes: Any) -> None:
    """Let it be drawn: some faults show only then."""
    axes.figure.canvas.draw()


def labels(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


# --- latency ------------------------------------------------------------------------------


def test_each_call_is_a_dot_where_and_as_high_as_it_was(
    pyplot: Any, recorder: Recorder, charts: Charts, clock: FakeClock
) -> None:
    recorder.on_done(GET_TICKERS, "ok", 0.030, 0.0)
    clock.advance(2.0)
    recorder.on_done(GET_TICKERS, "ok", 0.050, 9.0)
    recorder.on_done(GET_ORDERS, "api_error", 0.040, 0.0)
    clock.advance(1.0)

    axes = charts.latency()
    drawn(axes)

    good, failed = axes.collections
    assert good.get_offsets().tolist() == [[-3.0, 30.0], [-1.0, 50.0]]
    assert failed.get_offsets().tolist() == [[-1.0, 40.0]]
    assert labels(axes) == ["market.get_tickers", "failed", "p50 40.0 ms", "p99 50.0 ms"]
    assert axes.get_yscale() == "linear"


def test_one_slow_call_does_not_press_the_others_to_the_ground(
    pyplot: Any, recorder: Recorder, charts: Charts
) -> None:
    for seconds in (*[0.01] * 20, 3.0):
        recorder.on_done(GET_TICKERS, "ok", seconds, 0.0)

    assert charts.latency().get_yscale() == "log"


def test_without_a_call_the_chart_says_so(pyplot: Any, charts: Charts) -> None:
    axes = charts.latency()
    drawn(axes)

    assert "no call was recorded yet" in axes.texts[0].get_text()


def test_a_chart_is_drawn_where_it_is_wanted(pyplot: Any, charts: Charts) -> None:
    _, mine = pyplot.subplots()

    assert charts.latency(ax=mine, title="cold") is mine
    assert mine.get_title(loc="left") == "cold"


# --- the pool -----------------------------------------------------------------------------


def test_the_pool_is_shown_by_host_while_nothing_is_known_of_its_course(
    pyplot: Any, charts: Charts
) -> None:
    axes = charts.pool()
    drawn(axes)

    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [2, 3, 1]  # active, idle, waiting
    assert axes.get_yticklabels()[0].get_text() == "api.bybit.com:443"


def test_the_pool_is_shown_as_a_course_once_a_watch_has_sampled_it(
    pyplot: Any, charts: Charts, recorder: Recorder, clock: FakeClock
) -> None:
    for waiting in (0, 7, 2):
        recorder.sample(pool(waiting=waiting))
        clock.advance(1.0)

    axes = charts.pool()
    drawn(axes)

    queue, limit = axes.lines
    assert list(queue.get_xdata()) == [-3.0, -2.0, -1.0]
    assert list(queue.get_ydata()) == [0, 7, 2]
    assert list(limit.get_ydata()) == [30, 30]


def test_a_pool_without_a_host_can_be_shown(
    pyplot: Any, recorder: Recorder, clock: FakeClock
) -> None:
    drawn(Charts(recorder, lambda: pool(hosts={}), clock).pool())


# --- candles ------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [KLINES, KLINES[::-1]], ids=["oldest first", "newest first"])
def test_candles_have_wicks_and_bodies_in_the_order_of_time(
    pyplot: Any, charts: Charts, rows: list[list[str]]
) -> None:
    axes = charts.candles(frame(rows), title="BTCUSDT")
    drawn(axes)

    wicks, bodies = axes.collections
    spans = [segment[:, 1].tolist() for segment in wicks.get_segments()]
    assert spans == [[99.0, 103.0], [100.0, 104.0], [101.0, 105.0]]
    corners = [path.vertices[:4, 1].tolist() for path in bodies.get_paths()]
    assert corners == [[100, 100, 102, 102], [101, 101, 100.5, 100.5], [102, 102, 104, 104]]
    up, down, again = bodies.get_facecolors().tolist()
    assert up == again != down
    assert len(axes.figure.axes) == 2  # the volume is below


def test_exact_numbers_and_resampled_frames_can_be_drawn(pyplot: Any, charts: Charts) -> None:
    from decimal import Decimal

    exact = frame(decimals=Decimal)
    drawn(charts.candles(exact))
    by_time = frame().set_index("startTime").drop(columns=["volume"])
    axes = charts.candles(by_time)
    drawn(axes)

    assert len(axes.figure.axes) == 1


def test_one_candle_is_enough(pyplot: Any, charts: Charts) -> None:
    drawn(charts.candles(frame(KLINES[:1])))


def test_a_frame_without_candles_is_refused_by_name(pyplot: Any, charts: Charts) -> None:
    with pytest.raises(ConfigError, match=r"no column highPrice; the frame has startTime"):
        charts.candles(frame().drop(columns=["highPrice"]))
    with pytest.raises(ConfigError, match="no row"):
        charts.candles(frame().iloc[:0])
    with pytest.raises(ConfigError, match="a list is not a DataFrame"):
        charts.candles([1, 2])  # type: ignore[arg-type]
    assert pyplot.get_fignums() == []


# --- without matplotlib -------------------------------------------------------------------


@pytest.mark.parametrize("chart", ["latency", "pool"])
def test_a_missing_matplotlib_is_told_with_the_command(
    chart: str, charts: Charts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(ImportError, match=r'pip install "bybit-sync\[jupyter\]"'):
        getattr(charts, chart)()

"""Downloads: the plan, the order, the ends and the seams."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Executor, Future
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.exceptions import BadAnswerError, ConfigError, ConnectError
from bybit_sync.history import SERIES, DownloadInterrupted, Plan, Task, fetch
from bybit_sync.history.intervals import CANDLES, SAMPLES, find_interval
from bybit_sync.history.series import find_series
from tests.conftest import FakeClock

from .history_fakes import MINUTE_MS, NOW_MS, START_MS, FakeClient, candle, candles

pandas = pytest.importorskip("pandas")
DAY_MS = 86_400_000


@pytest.fixture
def fake(clock: FakeClock) -> FakeClient:
    return FakeClient(clock)


def times(frame: Any) -> list[int]:
    return [int(moment.timestamp() * 1000) for moment in frame["startTime"]]


# --- intervals and plans ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "code"),
    [("1m", "1"), ("1", "1"), (5, "5"), ("1h", "60"), ("4h", "240"), ("1d", "D"), ("D", "D")],
)
def test_people_and_bybit_may_name_an_interval(said: Any, code: str) -> None:
    assert find_interval(CANDLES, "interval", said).code == code


def test_a_minute_is_no_month() -> None:
    assert find_interval(CANDLES, "interval", "1m").code == "1"
    assert find_interval(CANDLES, "interval", "1M").code == "M"
    assert find_interval(SAMPLES, "interval", "5m").code == "5min"
    for wrong in ("2m", "m", "", True, 7, None, 1.0):
        with pytest.raises(ConfigError, match="interval"):
            find_interval(CANDLES, "interval", wrong)


def test_weeks_begin_on_mondays_and_months_on_their_first() -> None:
    weeks, months = CANDLES["1w"].grid, CANDLES["1M"].grid
    thursday = int(datetime(2026, 1, 1, 12, tzinfo=timezone.utc).timestamp()) * 1000
    monday = int(datetime(2025, 12, 29, tzinfo=timezone.utc).timestamp()) * 1000
    february = int(datetime(2026, 2, 1, tzinfo=timezone.utc).timestamp()) * 1000

    assert weeks.floor(thursday) == monday
    assert weeks.ceil(thursday) == monday + 7 * DAY_MS
    assert months.ceil(thursday) == february
    assert months.ceil(february) == february
    assert months.after(february, 12) - february == 365 * DAY_MS


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("offset", [0, 1, 59_999, 12_345_678])
def test_windows_touch_and_none_overlaps(name: str, offset: int) -> None:
    grid = CANDLES["1h"].grid if "klines" in name else None
    start, end = START_MS + offset, START_MS + 100 * DAY_MS + offset
    plan = Plan(find_series(name), {}, start, end, grid, 200)

    tasks = list(plan.tasks())

    assert tasks[0].start_ms == start
    assert tasks[-1].end_ms == end
    assert len(tasks) == plan.count() > 1
    for before, after in itertools.pairwise(tasks):
        assert before.end_ms == after.start_ms


def test_a_candle_window_holds_what_one_call_gives() -> None:
    plan = Plan(find_series("klines"), {}, START_MS + 1, NOW_MS, CANDLES["1m"].grid, 1000)

    first, second, *_ = plan.tasks()

    assert first.end_ms == START_MS + 1001 * MINUTE_MS  # 1000 minutes begin in it
    assert second.end_ms == first.end_ms + 1000 * MINUTE_MS


# --- what comes back ----------------------------------------------------------------------


def test_months_of_minutes_are_complete_and_in_order(fake: FakeClient) -> None:
    frame = fake.history.klines("BTCUSDT", "1m", "2024-01-01", "2024-03-01")

    assert len(frame) == 60 * 1440
    assert times(frame.iloc[:2]) == [START_MS, START_MS + MINUTE_MS]
    assert frame["startTime"].is_monotonic_increasing
    assert frame["startTime"].is_unique
    assert len(fake.windows) == 87  # a call a window, none twice
    assert frame["openPrice"].iloc[777] == float(candle(START_MS + 777 * MINUTE_MS)[1])


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (0, 3 * MINUTE_MS, 0, 2),
        (1, 3 * MINUTE_MS, 1, 2),
        (0, 3 * MINUTE_MS + 1, 0, 3),
        (-1, 3 * MINUTE_MS - 1, 0, 2),
    ],
)
def test_the_start_is_included_and_the_end_is_not(
    fake: FakeClient, start: int, end: int, first: int, last: int
) -> None:
    frame = fake.history.klines("BTCUSDT", "1", START_MS + start, START_MS + end)

    expected = range(first, last + 1)
    assert times(frame) == [START_MS + number * MINUTE_MS for number in expected]


def test_a_candle_that_still_forms_is_left_out(fake: FakeClient) -> None:
    frame = fake.history.klines("BTCUSDT", "1m", NOW_MS - 10 * MINUTE_MS)

    assert times(frame)[-1] == NOW_MS // MINUTE_MS * MINUTE_MS - MINUTE_MS


def test_a_server_with_smaller_pages_than_the_docs_say_loses_nothing(fake: FakeClient) -> None:
    fake.rows_of = lambda params: candles({**params, "limit": 300})

    frame = fake.history.klines("BTCUSDT", "1m", START_MS, START_MS + 5000 * MINUTE_MS)

    assert times(frame) == [START_MS + number * MINUTE_MS for number in range(5000)]


def test_rows_out_of_order_outside_of_the_window_or_told_twice_are_put_right(
    fake: FakeClient,
) -> None:
    def muddled(params: dict[str, Any]) -> list[Any]:
        rows = candles(params)
        beside = [candle(params["start"] - MINUTE_MS), candle(params["end"] + 1)]
        return [*rows[5:], *rows[:7], *beside]

    fake.rows_of = muddled

    frame = fake.history.klines("BTCUSDT", "1m", START_MS, START_MS + 2500 * MINUTE_MS)

    assert times(frame) == [START_MS + number * MINUTE_MS for number in range(2500)]


def test_a_gap_at_the_exchange_stays_one(fake: FakeClient) -> None:
    fake.rows_of = lambda params: [r for r in candles(params) if int(r[0]) % 7 != 0]

    frame = fake.history.klines("BTCUSDT", "1m", START_MS, START_MS + 3000 * MINUTE_MS)

    minutes = [START_MS + number * MINUTE_MS for number in range(3000)]
    assert times(frame) == [ms for ms in minutes if ms % 7 != 0]


def test_before_there_was_a_market_there_is_nothing(fake: FakeClient) -> None:
    fake.rows_of = lambda params: []

    frame = fake.history.klines("BTCUSDT", "1m", START_MS, START_MS + 2000 * MINUTE_MS)

    assert frame.shape == (0, 7)


def test_decimals_are_exact_on_request(fake: FakeClient) -> None:
    frame = fake.history.klines("X", "1m", START_MS, START_MS + MINUTE_MS, decimals=Decimal)

    assert frame["turnover"][0] == Decimal("2.25")


def test_an_order_that_both_sides_of_a_seam_tell_comes_once(fake: FakeClient) -> None:
    seam = START_MS + 7 * DAY_MS

    def orders(params: dict[str, Any]) -> list[Any]:
        both = [{"orderId": "seam", "createdTime": str(seam)}]
        own = [{"orderId": str(params["startTime"]), "createdTime": str(params["startTime"])}]
        return both + own if params["startTime"] < seam else own + both

    fake.rows_of = orders

    frame = fake.history.orders(START_MS, START_MS + 14 * DAY_MS, category="linear")

    assert sorted(frame["orderId"]) == sorted([str(START_MS), "seam", str(seam)])


def test_a_row_without_a_time_is_an_error(fake: FakeClient) -> None:
    fake.rows_of = lambda params: [["now", "1"]]

    with pytest.raises((BadAnswerError, ValueError)):
        fake.history.klines("BTCUSDT", "1m", START_MS, START_MS + MINUTE_MS)


# --- how it is run ------------------------------------------------------------------------


class Elsewhere(Executor):
    """Runs a task at once, each one as often as an unlucky cluster would."""

    def __init__(self, times: int = 1, stop_at: int | None = None) -> None:
        self.times = times
        self.stop_at = stop_at
        self.tasks: list[Task] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.tasks.append(args[1])
        if self.stop_at is not None and len(self.tasks) > self.stop_at:
            raise KeyboardInterrupt
        future: Future[Any] = Future()
        for _ in range(self.times):
            result = fn(*args, **kwargs)
        future.set_result(result)
        return future


def test_tasks_may_run_elsewhere_and_more_than_once(fake: FakeClient) -> None:
    elsewhere = Elsewhere(times=2)

    frame = fake.history.klines(
        "BTCUSDT", "1m", START_MS, START_MS + 9500 * MINUTE_MS, executor=elsewhere
    )

    assert times(frame) == [START_MS + number * MINUTE_MS for number in range(9500)]
    assert len(elsewhere.tasks) == 10


def test_a_task_can_be_pickled_and_fetched_alone(fake: FakeClient) -> None:
    import pickle

    params = {"category": "linear", "symbol": "BTCUSDT", "interval": "1"}
    plan = Plan(
        find_series("klines"), params, START_MS, START_MS + DAY_MS, CANDLES["1m"].grid, 1000
    )
    task = pickle.loads(pickle.dumps(next(plan.tasks())))  # noqa: S301

    rows = fetch(fake, task)  # type: ignore[arg-type]

    assert rows == [candle(START_MS + number * MINUTE_MS) for number in range(1000)]


def test_threads_are_given_back_and_no_more_is_asked_for_after_an_error(fake: FakeClient) -> None:
    fake.fail_from = START_MS + 20_000 * MINUTE_MS
    before = threading.active_count()

    with pytest.raises(ConnectError):
        fake.history.klines("BTCUSDT", "1m", START_MS, START_MS + 10**6 * MINUTE_MS, workers=4)

    assert threading.active_count() == before
    assert len(fake.windows) < 60


def test_an_interrupt_says_that_a_frame_is_lost(fake: FakeClient) -> None:
    with pytest.raises(DownloadInterrupted, match=r"none is kept; a file \(out=\)"):
        fake.history.klines(
            "BTCUSDT", "1m", START_MS, NOW_MS, workers=1, executor=Elsewhere(stop_at=5)
        )


# --- what is refused before anything is asked for -----------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"interval": "7m"}, "interval"),
        ({"start": datetime(2024, 1, 1)}, "no time zone"),
        ({"start": "tomorrow"}, "start"),
        ({"end": START_MS}, "is not after start"),
        ({"category": "option"}, "category"),
        ({"symbol": None}, "symbol"),
        ({"out": "btc.xlsx"}, r"\.parquet, \.pq or \.csv"),
        ({"out": 7}, "out"),
        ({"decimals": str}, "decimals"),
        ({"workers": 0}, "workers"),
        ({"workers": True}, "workers"),
        ({"executor": "here"}, "submit"),
        ({"out": Path("/no/such/folder/btc.csv")}, "cannot be written"),
        ({"out": Path("/no/such/folder/btc.parquet")}, "cannot be written"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_asked(
    fake: FakeClient, change: dict[str, Any], reason: str
) -> None:
    given = {"symbol": "BTCUSDT", "interval": "1m", "start": START_MS, "end": NOW_MS, **change}

    with pytest.raises(ConfigError, match=reason):
        fake.history.klines(**given)
    assert fake.windows == []


def test_an_unknown_keyword_is_told_by_the_endpoints_method(fake: FakeClient) -> None:
    with pytest.raises(TypeError, match="orderId"):
        fake.history.executions(START_MS, category="linear", orderID="1")


def test_a_private_series_needs_keys_before_a_file_is_made(
    fake: FakeClient, tmp_path: Path
) -> None:
    fake.has_credentials = False

    with pytest.raises(ConfigError, match="api_key"):
        fake.history.executions(START_MS, category="linear", out=tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []

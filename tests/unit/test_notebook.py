"""What a client shows of itself: figures that are true, and no key."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, ConfigError
from bybit_sync.call.breaker import Breaker
from bybit_sync.call.hooks import CallSnapshot, Hooks
from bybit_sync.net.stats import PoolStats
from bybit_sync.notebook import display
from bybit_sync.notebook.display import ClientDisplay, Sources
from bybit_sync.notebook.html import html_of, sparkline
from bybit_sync.notebook.recorder import MOST_CALLS, Recorder, SeenCall
from bybit_sync.notebook.shell import is_notebook
from bybit_sync.notebook.view import ClientView, percentiles, view_of
from bybit_sync.notebook.watch import Watch
from tests.conftest import FakeClock
from tests.unit.call_fakes import GET_ORDERS, GET_TICKERS
from tests.unit.test_metrics import calls, histogram, pool
from tests.unit.test_metrics_status import host

PLACE = "https://api.bybit.com"


def view(
    pool_now: PoolStats | None = None,
    calls_now: CallSnapshot | None = None,
    seen: list[SeenCall] | None = None,
    **changes,
) -> ClientView:
    facts = {"place": PLACE, "has_keys": True, "is_closed": False, "ban_seconds": 0.0, **changes}
    return view_of(pool_now or pool(), calls_now or calls(), seen or [], **facts)


def seen(*seconds: float) -> list[SeenCall]:
    return [SeenCall(0.0, "market.get_tickers", "ok", each) for each in seconds]


# --- the picture --------------------------------------------------------------------------


def test_each_host_has_a_bar_with_its_counts_and_its_limit() -> None:
    hosts = {"api.bybit.com:443": host(active=6, idle=3, waiting=5, limit=30)}

    shown = html_of(view(pool(hosts=hosts)))

    assert "api.bybit.com:443" in shown
    for told in ("6 active", "3 idle", "5 waiting", "limit 30"):
        assert told in shown
    assert "width:20.00%" in shown  # 6 of 30
    assert "width:10.00%" in shown


def test_latencies_that_were_seen_are_told_exactly() -> None:
    shown = html_of(view(seen=seen(*[0.030] * 98, 0.250, 0.250)))

    assert "p50 <b>30 ms</b>" in shown
    assert "p99 250 ms" in shown
    assert "<polyline" in shown


def test_without_a_call_that_was_seen_the_counts_since_the_start_tell() -> None:
    durations = {
        ("market.get_tickers", "ok"): histogram(*[0.05] * 10),
        ("market.get_tickers", "refused"): histogram(*[5.0] * 90),
    }

    shown = view(calls_now=calls(durations=durations))

    assert shown.p50 == pytest.approx(0.05)
    assert (shown.calls, shown.failed) == (100, 90)


def test_what_bybit_still_allows_is_told_with_the_scarcest_first() -> None:
    left = {"market.get_tickers": 590, "trade.place_order": 0, "trade.amend_order": 7}

    shown = html_of(view(calls_now=calls(rate_limit_remaining=left)))

    places = [shown.index(name) for name in ("trade.place", "trade.amend", "market.get_t")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"is_closed": True}, "closed"),
        ({"ban_seconds": 300.0}, "shut out by Bybit for 300 s"),
        ({"has_keys": False}, "without keys"),
    ],
)
def test_the_head_says_what_state_the_client_is_in(changes: dict[str, object], told: str) -> None:
    assert told in html_of(view(**changes))


def test_a_client_that_has_done_nothing_says_so() -> None:
    fresh = view(pool(hosts={}), calls(durations={}, rate_limit_remaining={}, clock_offset=None))

    shown = html_of(fresh)

    assert "no connection yet" in shown
    assert "no call yet" in shown


def test_names_from_outside_become_text() -> None:
    hosts = {"<script>alert(1)</script>:443": host()}
    left = {"GET /v5/<b>x</b>": 3}

    shown = html_of(view(pool(hosts=hosts), calls(rate_limit_remaining=left), place="https://<i>"))

    assert "<script>" not in shown
    assert "<b>x</b>" not in shown
    assert "https://<i>" not in shown


def test_a_line_needs_two_values() -> None:
    assert sparkline([]) == sparkline([0.1]) == ""
    assert "2 calls, at most 200 ms" in sparkline([0.1, 0.2])


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentiles([3.0]) == (3.0, 3.0)
    assert percentiles([float(each) for each in range(101)]) == (50.0, 99.0)


# --- what is remembered -------------------------------------------------------------------


def test_only_the_last_calls_are_kept(clock: FakeClock) -> None:
    recorder = Recorder(clock)
    for turn in range(MOST_CALLS + 10):
        recorder.on_done(GET_TICKERS, "ok", float(turn), 0.0)

    kept = recorder.calls()

    assert len(kept) == MOST_CALLS
    assert kept[0].seconds == 10.0


def test_calls_that_were_never_sent_say_nothing_about_latency(clock: FakeClock) -> None:
    recorder = Recorder(clock)
    for outcome in ("refused", "closed", "interrupted", "ok", "transport_error"):
        recorder.on_done(GET_ORDERS, outcome, 0.1, 0.0)

    assert [call.outcome for call in recorder.calls()] == ["ok", "transport_error"]


# --- a client -----------------------------------------------------------------------------


def test_a_client_is_shown_without_its_keys() -> None:
    key, secret = "kEy00000000001", "sEcReT0000000000000000000001"
    with BybitClient(key, secret, registry=CollectorRegistry()) as client:
        shown = client._repr_html_()

    assert "https://api.bybit.com" in shown
    assert "with keys" in shown
    assert key not in shown
    assert secret not in shown


def test_outside_a_notebook_a_watch_shows_nothing_and_has_no_thread(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with BybitClient(registry=CollectorRegistry()) as client:
        watch = client.watch()

        assert not watch.is_running
        assert "bybit-watch" not in {thread.name for thread in threading.enumerate()}
        watch.stop()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("every", [0, 0.05, 61, float("nan"), True, "1"])
def test_an_interval_that_is_not_allowed_is_told_with_what_is(every: float) -> None:
    with (
        BybitClient(registry=CollectorRegistry()) as client,
        pytest.raises(ConfigError, match=r"every: .* seconds from 0\.1 to 60"),
    ):
        client.watch(every=every)


def test_a_client_that_shows_itself_is_still_collected_when_it_is_dropped() -> None:
    import gc
    import weakref

    client = BybitClient(registry=CollectorRegistry())
    client._repr_html_()
    client.watch()
    assert client.plot is client.plot
    gone = weakref.ref(client)
    del client
    gc.collect()

    assert gone() is None


def test_a_client_loads_no_chart_and_no_ipython() -> None:
    code = (
        "import sys; from bybit_sync import BybitClient; BybitClient().close();"
        "print([m for m in ('IPython', 'matplotlib', 'pandas', 'bybit_sync.notebook.charts')"
        " if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_terminal_of_ipython_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    ipython = pytest.importorskip("IPython")

    class Shell:
        pass

    shell = Shell()
    monkeypatch.setattr(ipython, "get_ipython", lambda: shell)
    assert not is_notebook()
    shell.kernel = object()  # type: ignore[attr-defined]
    assert is_notebook()


# --- the watch ----------------------------------------------------------------------------


def watch_that(
    publish: Callable[[str], None], clock: FakeClock, draw: Callable[[bool], str]
) -> Watch:
    return Watch(draw, publish, lambda: None, every=1.0, clock=clock)


def joined(watch: Watch) -> Watch:
    assert watch._thread is not None
    watch._thread.join(10)
    assert not watch._thread.is_alive()
    return watch


def test_a_watch_publishes_what_has_changed_and_at_last_a_still_picture(clock: FakeClock) -> None:
    published: list[str] = []
    drawn = iter(["a", "a", "b", "b", "c"])

    def publish(picture: str) -> None:
        published.append(picture)
        if picture == "c":
            watch.stop()  # on its own thread, as the collector may do

    watch = watch_that(publish, clock, lambda is_live: next(drawn) if is_live else "still")
    watch.start()
    joined(watch)

    assert published == ["a", "b", "c", "still"]
    assert not watch.is_running
    assert set(clock.slept) == {0.1}
    watch.stop()


def test_a_front_end_that_fails_ends_the_watch_and_is_logged(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    def publish(picture: str) -> None:
        raise OSError("the kernel is gone")

    watch = watch_that(publish, clock, lambda is_live: "a")
    watch.start()
    joined(watch)

    assert not watch.is_running
    assert "the kernel is gone" in caplog.text


def test_a_second_watch_ends_the_first_and_closing_ends_the_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bybit_sync.clock import SYSTEM_CLOCK

    pages: list[list[str]] = []

    def show(first: str) -> Callable[[str], None]:
        pages.append([first])
        return pages[-1].append

    monkeypatch.setattr(display, "is_notebook", lambda: True)
    monkeypatch.setattr(display, "show", show)
    sources = Sources(
        place=PLACE,
        has_keys=False,
        read_pool=pool,
        hooks=Hooks(),
        breaker=Breaker(SYSTEM_CLOCK),
        clock=SYSTEM_CLOCK,
    )
    shown = ClientDisplay(sources)

    first = shown.watch(60.0)
    assert first.is_running
    second = shown.watch(60.0)
    assert (first.is_running, second.is_running) == (False, True)
    shown.close()
    shown.close()

    assert not second.is_running
    assert "live" in pages[0][0]
    assert "live" not in pages[0][-1]
    assert ">closed<" in pages[1][-1]
    assert not shown.watch(60.0).is_running

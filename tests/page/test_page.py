"""The status page in a real browser: what it shows, and what a click does."""

from __future__ import annotations

import io
import threading

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import BybitError, MetricsConfig
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import RESTING, connect
from tests.unit.test_metrics import histogram
from tests.unit.test_metrics_status import host

from .browser import Browser, Tab
from .conftest import Stage

Image = pytest.importorskip("PIL.Image", reason="needs pillow, which comes with matplotlib")

NAMES = "[...document.querySelectorAll('#endpoints tbody tr')].map((row) => row.cells[0].innerText)"


def durations(**seconds: tuple[float, ...]):
    """Calls by endpoint, `_` for the dot in its name."""
    return {
        (name.replace("__", "."), "ok"): histogram(*each, bounds=(0.01, 0.1, 1.0))
        for name, each in seconds.items()
    }


def shown(tab: Tab, selector: str, text: str) -> None:
    """Wait until the text stands there."""
    tab.wait_for(f"document.querySelector({selector!r})?.innerText.includes({text!r})")


def click_until(tab: Tab, selector: str, text: str) -> None:
    """Click through the states of a button until it shows this one."""
    for _ in range(4):
        if tab.text(selector) == text:
            return
        tab.click(selector)
    raise AssertionError(f"{selector} never shows {text!r}")


def test_a_client_at_work_is_shown_and_the_figures_move(
    browser: Browser, exchange: LocalExchange
) -> None:
    registry, stop = CollectorRegistry(), threading.Event()
    stage = Stage()  # for its free port
    stage.close()
    settings = MetricsConfig(port=stage.port)

    def work() -> None:
        while not stop.wait(0.02):
            try:
                client.market.get_tickers(category="spot", symbol="BTCUSDT")
                client.trade.place_order(**RESTING)
                client.trade.cancel_order(category="spot", symbol="BTCUSDT", orderId="nothing")
            except BybitError:
                pass

    with connect(exchange, registry=registry, metrics=settings) as client:
        client.warm_up(12)
        thread = threading.Thread(target=work)
        thread.start()
        try:
            with browser.open(stage.url) as tab:
                shown(tab, "#endpoints", "market.get_tickers")
                shown(tab, "#endpoints", "trade.place_order")
                shown(tab, "#failures", "trade.cancel_order\tapi error")
                (name,) = client.pool_stats().hosts
                shown(tab, "#hosts", name)
                before = tab.text("#endpoints")
                tab.wait_for(f"document.querySelector('#endpoints').innerText !== {before!r}")
                tab.wait_for("document.querySelectorAll('#tiles polyline').length === 6")
                tab.wait_for("document.querySelectorAll('#endpoints polyline').length === 3")
                assert tab.complaints == []
                _is_drawn(tab.picture(full=True))
        finally:
            stop.set()
            thread.join()


def _is_drawn(png: bytes) -> None:
    """A picture with cards, text and the colours of the bars, and not a blank one."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    colours = {colour: count for count, colour in picture.getcolors(maxcolors=1 << 24) or []}
    assert picture.width >= 1120
    assert picture.height > 600
    assert len(colours) > 50
    assert colours.get((0x93, 0xB4, 0xF5), 0) > 500  # idle connections
    assert max(colours.values()) < 0.9 * picture.width * picture.height


# --- what is shown ------------------------------------------------------------------------


def test_the_bar_of_a_host_is_as_long_as_its_figures_say(tab: Tab, stage: Stage) -> None:
    busy = host(active=20, idle=5, waiting=15, limit=50)
    stage.client(hosts={"api.bybit.com:443": busy}, waiting=15)
    tab.go(stage.url)
    shown(tab, "#hosts", "20 active · 5 idle · 15 waiting · limit 50")

    width = "document.querySelector('.bar {0}').getBoundingClientRect().width"
    whole = tab.js("document.querySelector('.bar').getBoundingClientRect().width")
    tab.wait_for(f"Math.abs({width.format('.active')} / {whole} - 0.4) < 0.01")
    tab.wait_for(f"Math.abs({width.format('.idle')} / {whole} - 0.1) < 0.01")
    tab.wait_for(f"Math.abs({width.format('.waiting')} / {whole} - 0.3) < 0.01")
    shown(tab, "#state", "calls wait for a connection")


def test_a_ban_is_said_at_the_top_and_ends(tab: Tab, stage: Stage) -> None:
    stage.client(waiting=0)
    stage.breaker.open(600.0)
    tab.go(stage.url)
    shown(tab, "#state", "shut out by Bybit, next try in 10 min 0 s")
    shown(tab, "#limitfacts", "shut out")

    stage.breaker.close()
    shown(tab, "#state", "all is well")
    shown(tab, "#limitfacts", "welcome")


def test_limits_retries_and_the_clock_are_shown(tab: Tab, stage: Stage) -> None:
    state = stage.client()
    state["calls"] = {
        "retries": {"http_5xx": 2},
        "clock_offset": -1.5,
        "rate_limit_remaining": {"trade.place_order": 1, "trade.get_open_orders": 40},
    }
    tab.go(stage.url)
    shown(tab, "#tiles", "\u22121.50 s")
    shown(tab, "#remaining", "trade.place_order\t1\ntrade.get_open_orders\t40")
    click_until(tab, "#window", "since the start")
    shown(tab, "#retries", "2 http 5xx")


def test_before_the_first_call_the_page_says_so(tab: Tab, stage: Stage) -> None:
    state = stage.client(hosts={}, created=0, reused=0, active=0, idle=0, waiting=0, closed={})
    state["calls"] = {
        "durations": {},
        "retries": {},
        "rate_limit_remaining": {},
        "clock_offset": None,
    }
    tab.go(stage.url)
    shown(tab, "#hosts", "No connection yet.")
    shown(tab, "#endpoints", "No call yet.")
    shown(tab, "#remaining", "Bybit has named no limit yet.")
    shown(tab, "#failures", "No call has failed.")
    shown(tab, "#state", "all is well")


def test_a_page_that_was_opened_before_any_client_shows_the_first_one(
    tab: Tab, stage: Stage
) -> None:
    tab.go(stage.url)
    tab.wait_for("past.readings.length > 0")
    stage.client()
    shown(tab, "#hosts", "api.bybit.com:443")


# --- what a click does --------------------------------------------------------------------


def test_a_tab_for_each_exchange_label_leads_to_its_figures(tab: Tab, stage: Stage) -> None:
    stage.client("main", hosts={"api.bybit.com:443": host()})
    stage.client("sub-1", hosts={"api-testnet.bybit.com:443": host()})
    tab.go(stage.url)
    shown(tab, "#hosts", "api.bybit.com")
    assert tab.text("#exchanges") == "main\nsub-1"

    tab.click("#exchanges button:nth-child(2)")

    shown(tab, "#hosts", "api-testnet.bybit.com")
    assert "api.bybit.com" not in tab.text("#hosts")
    assert tab.text("#exchanges [aria-pressed=true]") == "sub-1"
    shown(tab, "#hosts", "api-testnet.bybit.com")  # also after the next readings
    tab.wait_for("past.readings.length > 3")
    assert tab.text("#exchanges [aria-pressed=true]") == "sub-1"


def test_the_filter_leaves_the_endpoints_that_have_its_letters(tab: Tab, stage: Stage) -> None:
    state = stage.client()
    state["calls"]["durations"] = durations(
        market__get_tickers=(0.05,), trade__place_order=(0.05,), trade__cancel_order=(0.05,)
    )
    tab.go(stage.url)
    tab.wait_for(f"{NAMES}.length === 3")

    tab.click("#filter")
    tab.type("TRADE.")
    tab.wait_for(f"{NAMES}.length === 2")
    assert set(tab.js(NAMES)) == {"trade.place_order", "trade.cancel_order"}

    tab.type("nothing")
    tab.wait_for(f"{NAMES}[0] === 'No endpoint of that name.'")
    assert tab.js("document.activeElement.id") == "filter"  # readings do not take the focus


def test_a_click_on_a_title_sorts_by_it_and_a_second_one_turns_round(
    tab: Tab, stage: Stage
) -> None:
    state = stage.client()
    state["calls"]["durations"] = durations(
        a__slow=(0.5, 0.5), b__often=(0.05,) * 9, c__quick=(0.001, 0.001, 0.001)
    )
    tab.go(stage.url)
    click_until(tab, "#window", "since the start")
    tab.wait_for(f"{NAMES}.join() === 'b.often,c.quick,a.slow'")

    tab.click("#endpoints th:nth-child(4) button")
    tab.wait_for(f"{NAMES}.join() === 'a.slow,b.often,c.quick'")
    assert tab.text("#endpoints [aria-sort=descending]") == "p99"
    tab.click("#endpoints th:nth-child(4) button")
    tab.wait_for(f"{NAMES}.join() === 'c.quick,b.often,a.slow'")
    tab.click("#endpoints th:nth-child(1) button")
    tab.wait_for(f"{NAMES}.join() === 'a.slow,b.often,c.quick'")


def test_the_last_minute_and_all_since_the_start_are_told_apart(tab: Tab, stage: Stage) -> None:
    state = stage.client()
    state["calls"]["durations"] = durations(market__get_tickers=(0.05,) * 1000)
    tab.go(stage.url)
    shown(tab, "#endpoints", "market.get_tickers\t0\t\u2013\t\u2013")

    state["calls"]["durations"] = durations(market__get_tickers=(0.05,) * 1000 + (0.5,) * 7)
    shown(tab, "#endpoints", "market.get_tickers\t7\t550 ms\t991 ms")
    tab.click("#window")
    shown(tab, "#window", "last 5 minutes")
    shown(tab, "#endpoints", "market.get_tickers\t7\t")
    tab.click("#window")
    shown(tab, "#endpoints", "market.get_tickers\t1,007\t55 ms")
    tab.click("#window")
    shown(tab, "#endpoints", "market.get_tickers\t7\t550 ms")


def test_durations_beyond_the_buckets_are_not_made_up(tab: Tab, stage: Stage) -> None:
    state = stage.client()
    state["calls"]["durations"] = durations(a__quick=(0.001,), b__endless=(50.0,))
    tab.go(stage.url)
    click_until(tab, "#window", "since the start")
    shown(tab, "#endpoints", "a.quick\t1\t< 10 ms\t< 10 ms")
    shown(tab, "#endpoints", "b.endless\t1\t> 1.00 s\t> 1.00 s")


def test_a_pause_holds_the_figures_until_it_ends(tab: Tab, stage: Stage) -> None:
    state = stage.client(waiting=1)
    tab.go(stage.url)
    tab.wait_for("past.readings.length > 1")
    tab.click("#pause")
    shown(tab, "#state", "paused")
    tab.wait_for("document.querySelector('#pause').getAttribute('aria-pressed') === 'true'")
    state["pool"]["waiting"] = 77
    count = tab.js("past.readings.length")
    tab.js("window.later = false; setTimeout(() => { window.later = true; }, 2500)")
    tab.wait_for("window.later")
    assert tab.js("past.readings.length") - count <= 1  # one may have been under way
    held = tab.text("#tiles")

    tab.click("#pause")
    shown(tab, "#tiles", "77")
    assert tab.text("#tiles") != held


def test_the_theme_follows_the_system_until_one_is_chosen_and_is_kept(
    tab: Tab, stage: Stage
) -> None:
    def background() -> str:
        found: str = tab.js("getComputedStyle(document.body).backgroundColor")
        return found

    light, dark = "rgb(245, 246, 248)", "rgb(15, 18, 24)"
    tab.prefer("dark")
    tab.go(stage.url)
    assert background() == dark
    tab.prefer("light")
    assert background() == light

    click_until(tab, "#theme", "dark")
    assert background() == dark
    tab.go(f"{stage.url}?again")
    tab.wait_for("document.querySelector('#theme').innerText === 'dark'")
    assert background() == dark
    tab.prefer("dark")
    click_until(tab, "#theme", "light")
    assert background() == light
    click_until(tab, "#theme", "auto")


# --- what must not happen -----------------------------------------------------------------


@pytest.mark.parametrize("width", [320, 390, 768])
def test_it_fits_a_phone(tab: Tab, stage: Stage, width: int) -> None:
    long_name = f"{'very-long-name.' * 5}example.com:443"
    state = stage.client(hosts={long_name: host(), "api.bybit.com:443": host()})
    state["calls"]["durations"] = durations(
        new_crypto_loan__get_account_borrowable_collateralizable_limit=(0.05,)
    )
    tab.size(width, 800, is_phone=True)
    tab.go(stage.url)
    shown(tab, "#endpoints", "new_crypto_loan")
    assert tab.js("document.documentElement.scrollWidth") <= width
    assert tab.js("parseFloat(getComputedStyle(document.body).fontSize)") >= 15


def test_names_that_look_like_markup_are_text(tab: Tab, stage: Stage) -> None:
    evil = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    state = stage.client(evil, hosts={evil: host()}, closed={evil: 2})
    stage.client("another")
    state["calls"] = {
        "durations": {(evil, evil): histogram(0.05)},
        "retries": {evil: 3},
        "rate_limit_remaining": {evil: 1},
    }
    tab.go(stage.url)
    shown(tab, "#exchanges", "another")
    tab.click("#exchanges button:nth-child(1)")
    click_until(tab, "#window", "since the start")
    for place in (
        "exchanges",
        "hosts",
        "poolfacts",
        "endpoints",
        "remaining",
        "failures",
        "retries",
    ):
        shown(tab, f"#{place}", "onerror")
    assert tab.js("document.title") == "bybit_sync"
    assert tab.js("document.querySelectorAll('img').length") == 0
    assert tab.js("document.scripts.length") == 1


def test_the_policy_stops_foreign_scripts_and_pictures(browser: Browser, stage: Stage) -> None:
    stage.client()
    with browser.open(stage.url) as tab:
        shown(tab, "#hosts", "api.bybit.com")
        tab.js(
            "const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
            " document.body.append(s);"
            " const i = new Image(); i.src = 'http://127.0.0.1:1/x.png'; document.body.append(i); 0"
        )
        assert tab.js("window.ran") is None
        tab.wait_for("true")
        assert len([each for each in tab.complaints if "Content Security Policy" in each]) == 2


def test_when_the_program_ends_the_page_says_so_and_finds_the_next_one(
    browser: Browser, stage: Stage
) -> None:
    state = stage.client(created=50, reused=1000, waiting=0)
    with browser.open(stage.url) as tab:
        tab.wait_for("past.readings.length > 2")
        stage.close()
        shown(tab, "#state", "no answer for")
        assert "api.bybit.com" in tab.text("#hosts")  # the last figures stay

        state["pool"].update(created=2, reused=3)
        state["calls"]["durations"] = {}
        stage.open()
        shown(tab, "#state", "all is well")
        shown(tab, "#poolfacts", "3 (60.0 % of the calls)")
        # Of the process before nothing is subtracted: no figure is negative.
        assert tab.js("past.readings.every((each) => each.exchanges[0].pool.created === 2)")
        assert "-" not in tab.text("#tiles")

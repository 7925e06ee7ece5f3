"""What a client does in a real kernel: it shows itself, stays live, and can be interrupted."""

from __future__ import annotations

import time

import pytest

from .kernel import Kernel

_TIME = "client.market.get_server_time()"
_COUNT = "import threading; sum(t.name == 'bybit-watch' for t in threading.enumerate())"


def test_a_first_call_takes_two_cells_and_shows_a_table(kernel: Kernel) -> None:
    shown = kernel.run(
        "client.market.get_kline(category='linear', symbol='BTCUSDT', interval='5', limit=3)"
    )

    (table,) = shown.html
    assert "<th>closePrice</th>" in table
    assert "3 rows" in table


def test_a_client_shows_its_pool_and_the_calls_since_its_start(kernel: Kernel) -> None:
    kernel.run(f"for _ in range(5): {_TIME}")

    (card,) = kernel.run("client").html

    assert "0 active" in card
    assert "1 idle" in card
    assert "5 calls" in card
    assert "<polyline" in card
    secret = kernel.run("client.exchange.api_secret").value.strip("'")
    key = kernel.run("client.exchange.api_key").value.strip("'")
    assert secret not in card
    assert key not in card


def test_a_watch_redraws_while_another_cell_runs(kernel: Kernel) -> None:
    first = kernel.run("watch = client.watch(every=0.2)")
    assert "no call yet" in first.html[0]

    work = kernel.run(
        f"import time\nfor _ in range(8):\n    {_TIME}\n    time.sleep(0.15)\nprint('done')"
    )

    assert work.printed == "done\n"
    assert any("live, every 0.2 s" in each and "<polyline" in each for each in work.updates)
    stopped = kernel.run("watch.stop(); watch.is_running")
    assert stopped.value == "False"
    assert "live" not in stopped.updates[-1]


def test_a_cell_that_watches_can_be_run_again_and_again_and_leaves_one_watch(
    kernel: Kernel,
) -> None:
    for _ in range(3):
        assert kernel.run("client.watch()").value == ""

    assert kernel.run(_COUNT).value == "1"
    kernel.run("client.close()")
    assert kernel.run(_COUNT).value == "0"
    closed = kernel.run("client.watch()")
    assert "closed" in closed.html[0]
    assert kernel.run(_COUNT).value == "0"


def test_a_cell_that_makes_a_client_and_watches_it_can_be_run_again(kernel: Kernel) -> None:
    kernel.run("client.close()")
    for _ in range(2):
        kernel.run("client = BybitClient.local()\nclient.watch()")
    kernel.run("import gc; gc.collect()")

    assert kernel.run(_COUNT).value == "1"


def test_closing_says_so_in_the_live_picture(kernel: Kernel) -> None:
    kernel.run(f"{_TIME}\nclient.watch()")

    end = kernel.run("client.close()")

    assert ">closed<" in end.updates[-1]
    assert "0 idle" in end.updates[-1]


def test_an_interrupt_ends_a_long_call_and_gives_its_connection_back(kernel: Kernel) -> None:
    kernel.run(f"{_TIME}\nclient.exchange.faults.stall('/v5/market/time', times=1)\nclient.watch()")

    kernel.start(_TIME)
    time.sleep(1.0)  # until it waits for the answer; an interrupt before that is no long call
    kernel.interrupt()
    cell = kernel.end(within=20)

    assert cell.error.startswith("KeyboardInterrupt")
    assert kernel.run("client.pool_stats().active, client.pool_stats().waiting").value == "(0, 0)"
    assert "'retCode': 0" in kernel.run(_TIME).value


def test_an_interrupt_ends_a_download_with_what_it_has_kept(kernel: Kernel) -> None:
    pytest.importorskip("tqdm")
    kernel.run("client.exchange.faults.late('/v5/market/kline', 0.3, times=None)")

    kernel.start(
        "client.history.klines('BTCUSDT', '1m', '2025-01-01', '2026-01-01', out='kept.csv', "
        "workers=4)"
    )
    time.sleep(2.0)
    kernel.interrupt()
    cell = kernel.end(within=30)

    assert cell.error.startswith("DownloadInterrupted")
    assert "the same download goes on from there" in cell.error
    assert kernel.run("client.pool_stats().active, client.pool_stats().waiting").value == "(0, 0)"


def test_a_bar_without_widgets_warns_of_nothing(kernel: Kernel) -> None:
    pytest.importorskip("tqdm")

    shown = kernel.run(
        "import sys\nsys.modules['ipywidgets'] = None\n"
        "saved = client.history.klines('BTCUSDT', '1h', '2026-01-01', '2026-01-02', out='a.csv')\n"
        "del sys.modules['ipywidgets']"
    )

    assert "Warning" not in shown.warned
    assert "klines" in shown.warned

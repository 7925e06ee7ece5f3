"""`bench` measures the installed client against a local exchange."""

from __future__ import annotations

import json
import threading

import pytest

from .tools import Invoke, terminal


def test_every_run_is_told_with_its_figures(invoke: Invoke) -> None:
    done = invoke("bench", "--threads", "2", "--seconds", "0.3", "--json")
    runs = {(run["way"], run["threads"]): run for run in json.loads(done.out)["runs"]}

    assert done.code == 0
    assert set(runs) == {
        (way, threads) for way in ("a session per request", "pooled") for threads in (1, 2)
    }
    for (way, threads), run in runs.items():
        assert run["calls"] > 0
        assert 0 < run["p50_ms"] <= run["p99_ms"]
        if way == "pooled":
            assert run["connections_opened"] <= threads
        else:
            assert run["connections_opened"] > run["calls"]  # one more, before the measurement


def test_people_get_a_table(invoke: Invoke) -> None:
    done = invoke("bench", "--threads", "1", "--seconds", "0.2")

    assert done.code == 0
    assert "calls/s" in done.out
    assert "pooled" in done.out


def test_ctrl_c_gives_everything_back() -> None:
    with terminal("bench", "--seconds", "60", "--threads", "2") as bench:
        bench.wait_for("1 thread")
        threading.Event().wait(0.3)  # until its threads are at work: main only waits for them
        bench.interrupt()
        assert bench.end() == 1

    assert "interrupted" in bench.shown
    assert "Traceback" not in bench.shown


@pytest.mark.parametrize("arguments", [("--threads", "0"), ("--seconds", "x"), ("more",)])
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], invoke: Invoke) -> None:
    assert invoke("bench", *arguments).code == 2

"""K. Threads, fork, signals, exit: whoever dies, and however, gives back what was held.

Rows 105, 106, 108, 111, 112 and 113 are also in tests/exchange/test_threads.py, tests/net and
tests/stress.
"""

from __future__ import annotations

import ctypes
import gc
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bybit_sync import (
    BybitError,
    ClientClosedError,
    ClockConfig,
    RateLimitConfig,
)
from bybit_sync.call.hooks import Observer
from bybit_sync.call.records import Endpoint
from bybit_sync.net.session import PooledSession
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import ORDER, RESTING, TIME, Seen, connect, eventually, is_at_rest
from tests.net import servers
from tests.net.conftest import MakeSession, Serve
from tests.net.tools import Crew, latest, send
from tests.net.tools import is_at_rest as rests

LIMITER_OFF = RateLimitConfig(mode="off")

# --- 107: exceptions out of nowhere -------------------------------------------------------

STROKES = 2_000
SLOTS = 4


class Stroke(BaseException):
    """What strikes a thread between any two of its steps."""


class Target:
    """A thread that calls, is struck, and goes on."""

    def __init__(self, session: PooledSession, url: str) -> None:
        self.struck = 0
        self.calls = 0
        self.is_calling = False
        self._session, self._url = session, url
        self._over = False
        self.thread = threading.Thread(target=self._run, name="target")

    def strike(self) -> bool:
        """Raise a `Stroke` in the thread if it is in a call, wherever it may be."""
        thread = self.thread.ident
        if not self.is_calling or thread is None:
            return False
        kind = ctypes.py_object(Stroke)
        return bool(ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), kind))

    def end(self) -> None:
        """Let it end after the call that it is in."""
        self._over = True
        self.thread.join(20)
        assert not self.thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                if self._over:
                    return
                self.is_calling = True
                send(self._session, self._url)
                self.is_calling = False
                self.calls += 1
            except Stroke:
                self.struck += 1


@pytest.mark.row(107)
@pytest.mark.stress
def test_two_thousand_exceptions_out_of_nowhere_leave_all_four_slots(
    serve: Serve, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What strikes inside a finalizer is not raised but reported: to be expected here.
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    server = serve(servers.answering(b"x" * 20_000), tls=False)
    session = make_session(limit_per_host=SLOTS, total_timeout=5.0)
    targets = [Target(session, server.url) for _ in range(2 * SLOTS)]
    dice, strokes, pause = random.Random(107), 0, threading.Event()
    for target in targets:
        target.thread.start()
    end = time.monotonic() + 60
    while strokes < STROKES and time.monotonic() < end:
        strokes += dice.choice(targets).strike()
        pause.wait(dice.random() * 0.002)
    for target in targets:
        target.end()
    gc.collect()

    assert strokes == STROKES
    # Several strokes may reach a thread as one, and one may be lost in a finalizer.
    assert sum(target.struck for target in targets) > STROKES // 4
    assert all(target.calls for target in targets)
    eventually(lambda: rests(session))
    stats = session.adapter.stats()
    assert stats.idle <= SLOTS
    eventually(lambda: server.open == stats.idle)
    meet = threading.Barrier(SLOTS)
    with Crew() as crew:  # all four can be had at once
        crew.start(lambda: send(session, server.url, sign=lambda: met(meet)), times=SLOTS)


def met(meet: threading.Barrier) -> dict[str, str]:
    meet.wait(5)
    return {}


# --- 108: a thread that dies in a hook ----------------------------------------------------


class Deadly(Observer):
    """Ends the thread that it hears from."""

    def on_attempt(self, endpoint: Endpoint) -> None:
        raise SystemExit

    def on_done(self, endpoint: Endpoint, outcome: str, seconds: float, waited: float) -> None:
        raise SystemExit


@pytest.mark.row(108)
def test_a_thread_that_dies_in_an_observer_gives_its_slot_back(exchange: LocalExchange) -> None:
    with connect(exchange, pool={"limit_per_host": 1, "limit": 1}) as client:
        deadly = Deadly()
        client.pipeline.hooks.add(deadly)
        with Crew() as crew:
            crew.start(client.market.get_server_time, times=4)
            crew.join()
            assert [type(error) for error in crew.errors] == [SystemExit] * 4
            crew.errors.clear()
        client.pipeline.hooks.remove(deadly)

        assert is_at_rest(client)
        assert client.market.get_server_time()["retCode"] == 0


# --- 110: the end, while calls are under way ----------------------------------------------


@pytest.mark.row(110)
def test_close_during_thirty_calls_lets_them_end_in_time_and_refuses_what_comes_after(
    exchange: LocalExchange,
) -> None:
    exchange.faults.late(TIME, seconds=0.5, times=20)
    exchange.faults.stall(TIME, times=10)
    client = connect(exchange, pool={"total_timeout": 1.0}, rate_limit=LIMITER_OFF)
    outcomes: Counter[str] = Counter()

    def call() -> float:
        started = time.monotonic()
        try:
            client.market.get_server_time()
            outcomes["ok"] += 1
        except BybitError as error:
            outcomes[type(error).__name__] += 1
        return time.monotonic() - started

    with Crew() as crew:
        crew.start(call, times=30)
        eventually(lambda: client.pool_stats().active == 30)
        started = time.monotonic()
        client.close()
        assert time.monotonic() - started <= 1.0 + 0.2

    assert sum(outcomes.values()) == 30
    assert outcomes["ok"] == 20
    assert max(crew.results) <= latest(1.0)
    assert is_at_rest(client)
    for use in (
        client.market.get_server_time,
        lambda: client.trade.place_order(**RESTING),
        lambda: client.request("GET", TIME),
        lambda: client.session.get(f"{exchange.url}{TIME}"),
        lambda: client.warm_up(1),
    ):
        with pytest.raises((ClientClosedError, OSError)) as refused:
            use()
        assert "closed" in str(refused.value)


# --- 111: calls from odd places -----------------------------------------------------------

PROGRAM = """
import atexit, gc, sys, threading, time
from bybit_sync import BybitClient, BybitError, CallOptions, Config, ConnectionPoolConfig, TlsConfig
url, ca_file, how = sys.argv[1:]
pool = ConnectionPoolConfig(limit_per_host=1, total_timeout=5.0)
config = Config(tls=TlsConfig(ca_file=ca_file), connection_pool=pool)
client = BybitClient(base_url=url, config=config)
client.market.get_server_time()

class Caller:
    def __del__(self):
        sys.stdout.write(str(client.market.get_server_time()["retCode"]))

if how == "atexit":
    atexit.register(lambda: sys.stdout.write(str(client.market.get_server_time()["retCode"])))
elif how == "del":
    ring = Caller()
    ring.itself = ring
    del ring
    for _ in range(3):
        client.market.get_server_time()
    gc.collect()
elif how == "dropped":
    client.warm_up(1)
    del client
    gc.collect()
    sys.stdout.write("0")
elif how == "left":
    sys.stdout.write("0")
elif how == "hung":
    def hang():
        try:
            client.market.get_server_time(options=CallOptions(timeout=1.0))
        except BybitError:
            pass
    for _ in range(5):
        threading.Thread(target=hang).start()
    sys.stdout.write(str(time.monotonic()))
"""


def run(exchange: LocalExchange, how: str) -> subprocess.CompletedProcess[str]:
    arguments = [exchange.url, exchange.ca_file or "", how]
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.row(111)
@pytest.mark.parametrize("how", ["atexit", "del"])
def test_a_call_from_an_odd_place_does_not_lock_up(how: str, exchange: LocalExchange) -> None:
    done = run(exchange, how)

    assert (done.returncode, done.stdout, done.stderr) == (0, "0", "")


@pytest.mark.row(112)
@pytest.mark.parametrize("how", ["dropped", "left"])
def test_a_client_that_nobody_closes_draws_no_warning_in_development_mode(
    how: str, exchange: LocalExchange
) -> None:
    before = exchange.connections.open

    done = run(exchange, how)

    assert (done.returncode, done.stdout, done.stderr) == (0, "0", "")
    eventually(lambda: exchange.connections.open == before)


@pytest.mark.row(112)
def test_a_program_whose_calls_hang_is_gone_a_second_after_their_time_at_most(
    exchange: LocalExchange,
) -> None:
    exchange.faults.stall(TIME, times=None, skip=1)

    done = run(exchange, "hung")
    gone = time.monotonic()

    assert (done.returncode, done.stderr) == (0, "")
    assert 0.9 <= gone - float(done.stdout) <= 1.0 + 1.0


# --- 113: everybody at once, at first -----------------------------------------------------


@pytest.mark.row(113)
@pytest.mark.stress
def test_two_hundred_threads_at_first_use_measure_the_clock_once(exchange: LocalExchange) -> None:
    account, seen = exchange.add_account(), Seen(exchange)
    with (
        connect(
            exchange,
            account=account,
            pool={"limit_per_host": 10},
            clock=ClockConfig(mode="active"),
            rate_limit=LIMITER_OFF,
        ) as client,
        Crew() as crew,
    ):
        gate = threading.Barrier(200)

        def first() -> Any:
            gate.wait(20)
            return client.trade.get_open_orders(category="spot")["retCode"]

        crew.start(first, times=200)
        crew.join()

        assert crew.results == [0] * 200
        assert seen.paths().count(TIME) == 1
        assert len(client.pool_stats().hosts) == 1
        assert client.pool_stats().created <= 10
        assert is_at_rest(client)


# --- 106: Ctrl-C in a thread pool's owner -------------------------------------------------


@pytest.mark.row(106)
def test_after_an_interrupt_the_socket_of_the_call_is_closed_and_the_next_call_works(
    exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(exchange, pool={"limit_per_host": 1, "limit": 1}) as client:
        client.market.get_server_time()
        opened = exchange.connections.open

        def interrupt(*args: Any) -> Any:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("bybit_sync.net.wire._some", interrupt)
            with pytest.raises(KeyboardInterrupt):
                client.trade.place_order(**RESTING)

        assert is_at_rest(client)
        eventually(lambda: exchange.connections.open == opened - 1)
        assert client.market.get_server_time()["retCode"] == 0
        assert exchange.requests.count(ORDER) >= 1

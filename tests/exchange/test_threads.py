"""Many threads, interrupts and forks: nobody starves, nothing is lost."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bybit_sync import BybitClient, RateLimitConfig, TransportError
from bybit_sync.simulator import LocalExchange
from tests.net.tools import Crew, latest

from .tools import (
    ORDER,
    RESTING,
    TIME,
    Seen,
    connect,
    eventually,
    is_at_rest,
    new_name,
    orders_named,
)

LIMITER_OFF = RateLimitConfig(mode="off")


def test_a_hundred_threads_share_ten_connections_fairly() -> None:
    calls: Counter[int] = Counter()
    with (
        LocalExchange(latency=0.005, limits=False, ip_limit=None) as exchange,
        connect(exchange, pool={"limit_per_host": 10}, rate_limit=LIMITER_OFF) as client,
        Crew() as crew,
    ):
        client.warm_up(10)
        gate, stop = threading.Barrier(101), threading.Event()

        def work() -> None:
            gate.wait(20)
            while not stop.is_set():
                client.market.get_server_time()
                calls[threading.get_ident()] += 1

        crew.start(work, times=100)
        gate.wait(20)
        time.sleep(2.0)
        counted = dict(calls)
        stop.set()
        crew.join()

        assert exchange.connections.peak == 10
        assert exchange.connections.opened == 10
        assert len(counted) == 100
        assert min(counted.values()) >= 0.8 * max(counted.values())
        assert client.pool_stats().reused == sum(calls.values())
        assert is_at_rest(client)


def test_orders_of_many_threads_are_each_booked_once(exchange: LocalExchange) -> None:
    exchange.faults.close_after_answer(ORDER, times=10, skip=20, announce=True)
    account = exchange.add_account()
    with (
        connect(exchange, account=account, pool={"limit_per_host": 5}, rate_limit=LIMITER_OFF) as c,
        Crew() as crew,
    ):
        for _ in range(60):
            crew.start(lambda: c.trade.place_order(**RESTING).result["orderLinkId"])
        crew.join()

        mine = [order["orderLinkId"] for order in exchange.orders if order["uid"] == account.uid]
        assert len(crew.results) == 60
        assert sorted(mine) == sorted(crew.results)


def test_the_first_use_by_many_threads_makes_one_group_and_one_pool(
    exchange: LocalExchange,
) -> None:
    with connect(exchange, pool={"limit_per_host": 3}) as client, Crew() as crew:
        gate = threading.Barrier(40)
        crew.start(lambda: (gate.wait(10), client.market.get_server_time()), times=40)
        crew.join()

        assert len(client.pool_stats().hosts) == 1
        assert client.pool_stats().created <= 3


# --- Ctrl-C -------------------------------------------------------------------------------


def interrupted(call: Callable[[], Any], when: Callable[[], bool]) -> None:
    """Press Ctrl-C, so to say, as soon as the call has come so far."""

    def press() -> None:
        eventually(when)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        presser.join()


needs_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="needs signals that interrupt a wait"
)


@pytest.mark.row(106)
@needs_signals
def test_ctrl_c_while_an_answer_is_awaited_gives_the_connection_back(
    exchange: LocalExchange,
) -> None:
    exchange.faults.stall(ORDER, after_accept=True)
    name, stalls = new_name(), exchange.faults.count("stall")
    with connect(exchange, pool={"limit_per_host": 1, "limit": 1}) as client:
        interrupted(
            lambda: client.trade.place_order(**RESTING, orderLinkId=name),
            lambda: exchange.faults.count("stall") > stalls,
        )

        assert is_at_rest(client)
        assert client.market.get_server_time()["retCode"] == 0
        assert len(orders_named(exchange, name)) == 1


@needs_signals
def test_ctrl_c_while_the_handshake_stalls_gives_the_slot_back(exchange: LocalExchange) -> None:
    exchange.faults.stall_handshake()
    stalls = exchange.faults.count("stall_handshake")
    with connect(exchange, pool={"limit_per_host": 1, "limit": 1}) as client:
        interrupted(
            client.market.get_server_time,
            lambda: exchange.faults.count("stall_handshake") > stalls,
        )

        assert is_at_rest(client)
        assert client.market.get_server_time()["retCode"] == 0


@needs_signals
def test_ctrl_c_while_queueing_leaves_the_queue(exchange: LocalExchange) -> None:
    exchange.faults.late(TIME, seconds=0.5)
    with connect(exchange, pool={"limit_per_host": 1, "limit": 1}) as client, Crew() as crew:
        crew.start(client.market.get_server_time)
        eventually(lambda: client.pool_stats().active == 1)
        interrupted(client.market.get_server_time, lambda: client.pool_stats().waiting == 1)

        assert client.pool_stats().waiting == 0
        crew.join()
        assert client.market.get_server_time()["retCode"] == 0
        assert is_at_rest(client)


@needs_signals
def test_ctrl_c_while_the_limiter_holds_a_call_back_gives_its_turn_back(
    exchange: LocalExchange,
) -> None:
    slow = RateLimitConfig(ip_limit=2, ip_window=0.6)
    with connect(exchange, rate_limit=slow) as client:
        for _ in range(2):
            client.market.get_server_time()
        started = time.monotonic()
        interrupted(client.market.get_server_time, lambda: time.monotonic() - started > 0.1)

        for _ in range(2):
            client.market.get_server_time()

        # The window that was begun, and not a second one for the turn that nobody took.
        assert time.monotonic() - started < 1.1
        assert is_at_rest(client)


# --- fork, and objects that are dropped ---------------------------------------------------


@pytest.mark.row(105)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork_parent_and_child_both_go_on_calling(exchange: LocalExchange) -> None:
    account = exchange.add_account()
    with connect(exchange, account=account) as client:
        client.warm_up(2)
        client.trade.place_order(**RESTING)
        seen, before = Seen(exchange), exchange.connections.opened

        child = os.fork()
        if child == 0:
            os._exit(_call_in_the_child(client))
        for _ in range(5):
            client.trade.place_order(**RESTING)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        assert client.trade.place_order(**RESTING)["retCode"] == 0
        rows = seen.rows(ORDER)
        assert len(rows) == 5 + 5 + 1
        assert {(row["status"], row["ret_code"]) for row in rows} == {(200, 0)}
        # The child has a connection of its own and leaves the parent's alone.
        assert exchange.connections.opened - before == 1
        assert client.pool_stats().created == 2


def _call_in_the_child(client: BybitClient) -> int:
    """What the forked process does; its exit code."""
    signal.alarm(20)  # a child that hangs must end
    try:
        for _ in range(5):
            client.trade.place_order(**RESTING)
        stats = client.pool_stats()
        client.close()
    except BaseException:
        return 1
    return 0 if (stats.active, stats.idle) == (0, 1) else 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_that_closes_a_local_client_leaves_the_exchange_running() -> None:
    with BybitClient.local() as client:
        client.market.get_server_time()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            client.close()
            os._exit(0)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        assert client.market.get_server_time()["retCode"] == 0


@pytest.mark.row(112)
def test_a_client_that_is_dropped_closes_its_sockets_and_ends_its_threads(
    exchange: LocalExchange,
) -> None:
    threads, before = threading.active_count(), exchange.connections.open
    client = connect(exchange)
    client.warm_up(2)
    del client
    gc.collect()

    eventually(lambda: exchange.connections.open == before)
    eventually(lambda: threading.active_count() <= threads)


@pytest.mark.row(111)
def test_a_call_from_a_log_handler_does_not_lock_up(exchange: LocalExchange) -> None:
    import logging

    class Calling(logging.Handler):
        busy = False
        calls = 0

        def emit(self, record: logging.LogRecord) -> None:
            if not self.busy:
                self.busy = True
                client.market.get_server_time()
                self.calls += 1
                self.busy = False

    handler, logger = Calling(), logging.getLogger("bybit_sync")
    level = logger.level
    with connect(exchange, pool={"limit_per_host": 1, "total_timeout": 5.0}) as client:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            client.market.get_server_time()
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)
        assert handler.calls >= 1
        assert is_at_rest(client)


@pytest.mark.row(108)
def test_a_thread_that_dies_in_the_middle_of_a_call_leaves_no_gap(
    exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(exchange, pool={"limit_per_host": 1, "limit": 1}) as client:
        with monkeypatch.context() as patch, Crew() as crew:

            def die(*args: Any) -> Any:
                raise SystemExit

            patch.setattr("bybit_sync.call.sign.HmacSigner.sign", die)
            crew.start(lambda: client.trade.place_order(**RESTING))
            crew.join()
            assert isinstance(crew.errors.pop(), SystemExit)

        assert is_at_rest(client)
        assert client.trade.place_order(**RESTING)["retCode"] == 0


def test_callers_who_meet_a_dead_exchange_all_hear_of_it_in_time() -> None:
    with LocalExchange(limits=False, ip_limit=None) as exchange:
        client = connect(exchange, pool={"limit_per_host": 4, "total_timeout": 1.0})
        client.warm_up(4)
    with client, Crew() as crew:
        started = time.monotonic()
        crew.start(client.market.get_server_time, times=20)
        crew.join()
        assert time.monotonic() - started <= latest(1.0)
        assert len(crew.errors) == 20
        assert all(isinstance(error, TransportError) for error in crew.errors)
        assert not any(error.effect_unknown for error in crew.errors)  # type: ignore[attr-defined]
        crew.errors.clear()
        assert is_at_rest(client)

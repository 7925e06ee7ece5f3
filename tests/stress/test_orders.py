"""Ten thousand orders while everything breaks: none doubled, none lost track of.

One half goes to an exchange that keeps names, the other to one that forgets them.

What every caller was told is held against what the exchange has booked. Some of the orders come
from programs that are killed again and again, and whose journal has to tell the rest.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bybit_sync import (
    ApiError,
    BybitClient,
    BybitError,
    OrderNotPlacedError,
    OrdersConfig,
    OrderUnknownError,
    RateLimitConfig,
    RetryConfig,
    TransportError,
)
from bybit_sync.simulator import LocalAccount, LocalExchange
from tests.exchange.tools import ORDER, RESTING, connect

THREADS, ACCOUNTS = 60, 10
IN_THREADS, IN_PROGRAMS = 4_500, 500
"""Twice: where the exchange keeps names, and where it does not."""
WINDOW_MS, LAG = 400, 0.2
PATIENCE = 0.25
"""Seconds that the client waits for an answer: less than its orders may take to arrive."""
FAULTY = 0.7
"""The share of orders before which something is set to go wrong."""
BATCH = "/v5/order/create-batch"
QUERIES = "/v5/order/[rh]*"
WISH = {**RESTING, "timeInForce": "IOC"}  # accepted, and closed at once
ITEM = {name: value for name, value in WISH.items() if name != "category"}

BREAKAGES = [
    ("drop_before_accept", {}),
    ("drop_after_accept", {}),
    ("reset_before", {}),
    ("reset_after", {}),
    ("stall", {}),
    ("stall", {"after_accept": True}),
    ("late", {"seconds": 0.3}),  # the client has left, and the order is booked
    ("late", {"seconds": 0.3}),
    ("late", {"seconds": 0.6}),  # it is refused, for its window is over
    ("late", {"seconds": 0.4, "after_accept": True}),
    ("cut_body", {}),
    ("cut_body", {"reset": True}),
    ("html", {"after_accept": True}),
    ("garbage", {"after_accept": True}),
    ("http_status", {"status": 500, "after_accept": True}),
    ("http_status", {"status": 502}),
    ("http_status", {"status": 503, "after_accept": True}),
    ("http_status", {"status": 504}),
    ("ret_code", {"code": 10000}),
    ("ret_code", {"code": 10000, "after_accept": True}),
    ("ret_code", {"code": 10016}),
    ("ret_code", {"code": 10016, "after_accept": True}),
    ("ret_code", {"code": 170141, "after_accept": True}),  # handed on twice on the way
    ("ret_code", {"code": 10001}),
    ("rate_limit", {"reset_in": 0.01}),
    ("close_after_answer", {}),
]
OF_QUERIES = [("reset_after", {}), ("http_status", {"status": 503}), ("html", {}), ("stall", {})]


def trade(exchange: Any, account: LocalAccount, journal: str = "") -> BybitClient:
    """A client that decides within a second, and gives up within five."""
    return connect(
        exchange,
        account=account,
        orders=OrdersConfig(recv_window_ms=WINDOW_MS, query_lag=LAG, journal=journal),
        rate_limit=RateLimitConfig(mode="off"),
        retry=RetryConfig(base_delay=0.005, max_delay=0.02, budget=0),
        pool={"sock_read_timeout": PATIENCE, "total_timeout": 5.0},
    )


class Told:
    """What the callers were told. The lock guards it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.placed: list[str] = []
        self.absent: list[str] = []
        self.endings: Counter[str] = Counter()

    def note(self, fate: Any) -> None:
        """One order more."""
        with self._lock:
            if isinstance(fate, dict):
                self.placed.append(fate["orderLinkId"])
                self.endings["recovered" if fate["recovered"] else "acknowledged"] += 1
                return
            assert not fate.effect_unknown, fate
            if isinstance(fate, OrderNotPlacedError):
                self.absent.append(fate.orderLinkId)
            self.endings[type(fate).__name__] += 1


class Trader:
    """Places orders and lets things go wrong, as the dice fall."""

    def __init__(self, exchange: LocalExchange, told: Told, seed: str) -> None:
        self._faults = exchange.faults
        self._told = told
        self._dice = random.Random(seed)

    def work(self, client: BybitClient, orders: int) -> None:
        """Place so many orders, one by one and in batches."""
        while orders > 0:
            size = min(orders, self._dice.choice([1, 1, 1, 1, 5]))
            self._break(ORDER if size == 1 else BATCH)
            resend = self._dice.random() < 0.5
            if size == 1:
                self._told.note(self._place(client, resend))
            else:
                for fate in client.orders.place_batch("spot", [ITEM] * size, resend=resend):
                    self._told.note(self._ended(fate))
            orders -= size

    def _place(self, client: BybitClient, resend: bool) -> Any:
        try:
            return client.orders.place(**WISH, resend=resend)
        except OrderUnknownError as error:
            return self._ended(error)
        except (OrderNotPlacedError, ApiError, TransportError) as error:
            return error

    def _ended(self, fate: Any) -> Any:
        """An order that is not known yet is asked for until it is."""
        for _ in range(5):
            if not isinstance(fate, OrderUnknownError):
                return fate
            try:
                fate = fate.resolve()
            except BybitError as error:
                fate = error
        return fate

    def _break(self, path: str) -> None:
        if self._dice.random() < FAULTY:
            kind, details = self._dice.choice(BREAKAGES)
            getattr(self._faults, kind)(path, **details)
        if self._dice.random() < FAULTY / 5:
            kind, details = self._dice.choice(OF_QUERIES)
            getattr(self._faults, kind)(QUERIES, **details)


def program(url: str, ca_file: str, key: str, secret: str, journal: str, seed: str) -> None:
    """A program that trades, telling its orders' names first and their fates after."""

    class There:
        pass

    exchange: Any = There()
    exchange.url, exchange.ca_file = url, ca_file
    client = trade(exchange, LocalAccount(key, secret, ""), journal)

    def work(thread: int) -> None:
        for number in range(10_000):
            name = f"{seed}-{thread}-{number}"
            os.write(1, f"begun {name}\n".encode())
            try:
                client.orders.place(**WISH, orderLinkId=name)
            except BybitError as error:
                os.write(1, f"{type(error).__name__} {name}\n".encode())
            else:
                os.write(1, f"placed {name}\n".encode())

    for thread in range(8):
        threading.Thread(target=work, args=(thread,)).start()


class Programs:
    """Runs programs, kills them, and recovers what they left."""

    def __init__(self, exchange: LocalExchange, journal: Path, seed: int) -> None:
        self._exchange = exchange
        self._account = exchange.add_account()
        self._journal = str(journal)
        self._seed = seed
        self._dice = random.Random(seed)
        self.lines: list[list[str]] = []
        self.settled: list[Any] = []
        self.kills = 0

    def run(self, orders: int) -> None:
        """Until so many orders have begun."""
        while sum(line[0] == "begun" for line in self.lines) < orders:
            self._run_once()
            with trade(self._exchange, self._account, self._journal) as client:
                try:
                    self.settled += client.orders.recover()
                except OrderUnknownError as error:
                    self.settled += error.resolve(20)

    def states(self) -> dict[str, str]:
        """What the journal says of each order."""
        with contextlib.closing(sqlite3.connect(self._journal)) as journal:
            return dict(journal.execute("SELECT orderLinkId, state FROM orders"))

    def _run_once(self) -> None:
        account = self._account
        where = [self._exchange.url, self._exchange.ca_file, account.api_key, account.api_secret]
        name = f"k{self._seed}-{self.kills}"
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from tests.stress.test_orders import program; program(*sys.argv[1:])",
                *map(str, where),
                self._journal,
                name,
            ],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        killer = threading.Timer(self._dice.uniform(0.5, 1.5), child.send_signal, [signal.SIGKILL])
        killer.start()
        lines += child.stdout.readlines()
        killer.join()
        child.stdout.close()
        child.wait()
        self.kills += 1
        self.lines += [line.split() for line in lines if line.endswith("\n")]


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.parametrize("forgets", [False, True], ids=["names kept", "names forgotten"])
def test_of_thousands_of_orders_none_is_doubled_and_none_is_lost_track_of(
    forgets: bool, tmp_path: Path
) -> None:
    # Where the exchange forgets names, an order that is sent twice is there twice.
    seed = int(os.environ.get("STRESS_SEED", random.randrange(10**6)))
    print(f"STRESS_SEED={seed}")  # noqa: T201  # whoever meets a failure has to repeat it
    told, began = Told(), time.monotonic()
    with LocalExchange(limits=False, ip_limit=None, seed=seed) as exchange:
        exchange.faults.hide_new_orders(LAG)
        if forgets:
            exchange.faults.forget_names()
        programs = Programs(exchange, tmp_path / "orders.sqlite", seed)
        clients = [trade(exchange, exchange.add_account()) for _ in range(ACCOUNTS)]
        with ThreadPoolExecutor(THREADS + 1) as crew:
            jobs = [
                crew.submit(
                    Trader(exchange, told, f"{seed}-{thread}").work,
                    clients[thread % ACCOUNTS],
                    IN_THREADS // THREADS,
                )
                for thread in range(THREADS)
            ]
            jobs.append(crew.submit(programs.run, IN_PROGRAMS))
            for job in jobs:
                job.result()
        faults = exchange.faults.count() - exchange.faults.count("hide_new_orders")
        exchange.faults.clear()
        for client in clients:
            assert client.pool_stats().active == 0
            assert client.orders.recover() == []
            client.close()
        booked = Counter(row["orderLinkId"] for row in exchange.orders)
        assert not exchange.errors

    check_threads(told, booked)
    check_programs(programs, booked)
    assert faults >= IN_THREADS * FAULTY * 0.5
    begun = sum(line[0] == "begun" for line in programs.lines)
    print(  # noqa: T201
        f"{IN_THREADS} orders in threads: {dict(told.endings)}; {begun} in {programs.kills} killed "
        f"programs, {len(programs.settled)} of them recovered; {faults} faults; "
        f"{time.monotonic() - began:.0f} s"
    )


def check_threads(told: Told, booked: Counter[str]) -> None:
    """What every caller in a thread was told is what the exchange has."""
    assert sum(told.endings.values()) == IN_THREADS
    assert told.endings["OrderUnknownError"] == 0
    theirs = {name: count for name, count in booked.items() if not name.startswith("k")}
    assert set(theirs.values()) == {1}, "doubled"
    assert sorted(told.placed) == sorted(theirs)
    assert not booked.keys() & set(told.absent)


def check_programs(programs: Programs, booked: Counter[str]) -> None:
    """What the killed programs began has ended, by their own word or by the journal's."""
    begun = {name for what, name in programs.lines if what == "begun"}
    fates = {name: what for what, name in programs.lines if what != "begun"}
    settled = {one.orderLinkId: one for one in programs.settled}
    states = programs.states()
    assert len(begun) >= IN_PROGRAMS
    assert len(settled) == len(programs.settled), "settled twice"
    for name in begun:
        count = booked[name]
        assert count <= 1, f"{name} is doubled"
        if name in settled:
            assert settled[name].placed == bool(count), name
        elif fates.get(name) == "placed" or (name not in fates and states.get(name) == "placed"):
            assert count == 1, name  # the latter: killed before it could say what it had noted
        else:  # refused, provably absent, or killed before it was journalled
            assert fates.get(name) != "OrderUnknownError", name
            assert count == 0, f"{name}: {fates.get(name)}, but it is booked"

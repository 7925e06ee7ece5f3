"""Slots handed over and given up in the same moment, over and over: none lost, none doubled."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import pytest

from bybit_sync.clock import SYSTEM_CLOCK, Deadline
from bybit_sync.config import ConnectionPoolConfig
from bybit_sync.exceptions import ClientClosedError, PoolTimeoutError
from bybit_sync.net.host import Host
from bybit_sync.net.slots import Slots
from tests.net.tools import Crew

pytestmark = pytest.mark.stress

SLOTS = 2
ROUNDS = 6250
THREADS = 16


class Connection:
    """A connection that notices two owners at once."""

    host_name = "a:1"

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.last_lease: Any = None
        self.owners = 0
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True
        self.last_lease = None


class Pool:
    def __init__(self, slots: Slots, name: str = "a:1") -> None:
        self.idle: list[Any] = []
        self.is_closed = False
        self.slot_host: Host = slots.register(self, name)  # type: ignore[arg-type]


class Ledger:
    """Who holds a slot at this moment, counted beside the slots' own books."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._most = most
        self.held = 0
        self.taken = 0
        self.given_up = 0

    def take(self) -> None:
        with self._lock:
            self.held += 1
            self.taken += 1
            assert self.held <= self._most, "a slot was handed out twice"

    def give(self) -> None:
        with self._lock:
            self.held -= 1

    def give_up(self) -> None:
        with self._lock:
            self.given_up += 1


def use_once(slots: Slots, pool: Any, ledger: Ledger, patience: float, choice: float) -> None:
    """Take a slot, if it can be had in time, and give it back in one of the ways there are."""
    try:
        lease, conn = slots.acquire(pool, Deadline.after(patience))
    except PoolTimeoutError:
        ledger.give_up()
        return
    ledger.take()
    conn = conn or Connection()  # type: ignore[assignment]
    owned: Any = conn
    owned.owners += 1
    assert owned.owners == 1, "a connection was handed out twice"
    assert not owned.is_closed
    if choice < 0.5:
        time.sleep(0)
    owned.owners -= 1
    ledger.give()
    owned.last_lease = lease  # as a call does: the next one takes it up
    if choice < 0.7:
        slots.release(lease, conn)
    elif choice < 0.9:
        owned.close()
        slots.release(lease, None, "error")
    else:
        owned.close()
        del lease  # forgotten: it comes back by itself


@pytest.mark.row(32)
def test_callers_that_give_up_as_they_are_served_cost_no_slot() -> None:
    slots = Slots(ConnectionPoolConfig(limit_per_host=SLOTS), SYSTEM_CLOCK, lambda: None)
    pool: Any = Pool(slots)
    ledger = Ledger(SLOTS)

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(ROUNDS):
            use_once(slots, pool, ledger, dice.choice((0.0, 1e-5, 1e-4, 1e-3)), dice.random())

    with Crew() as crew:
        for seed in range(THREADS):
            crew.start(lambda seed=seed: work(seed))

    host = slots.snapshot()[0]["a:1"]
    assert (host.active, host.waiting) == (0, 0)
    assert host.idle <= SLOTS
    assert ledger.taken + ledger.given_up == THREADS * ROUNDS
    assert ledger.taken > 100
    assert ledger.given_up > 100
    for _ in range(SLOTS):  # every slot is there
        use_once(slots, pool, ledger, 0.0, 0.8)


def test_callers_of_many_hosts_share_the_limit_and_lose_nothing() -> None:
    config = ConnectionPoolConfig(limit=3, limit_per_host=2)
    slots = Slots(config, SYSTEM_CLOCK, lambda: None)
    pools: list[Any] = [Pool(slots, f"host:{number}") for number in range(5)]
    ledger = Ledger(3)

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(ROUNDS // 2):
            pool = dice.choice(pools)
            use_once(slots, pool, ledger, dice.choice((1e-4, 1e-3, 0.05)), dice.random())

    def sweep() -> None:
        for _ in range(ROUNDS):
            slots.drop_idle(lambda conn: "idle" if random.random() < 0.3 else "")
            time.sleep(0.0002)

    with Crew() as crew:
        crew.start(sweep)
        for seed in range(THREADS):
            crew.start(lambda seed=seed: work(seed))

    hosts = slots.snapshot()[0].values()
    assert sum(host.active for host in hosts) == sum(host.waiting for host in hosts) == 0
    assert sum(host.idle for host in hosts) <= 3
    assert ledger.taken + ledger.given_up == THREADS * (ROUNDS // 2)


def test_closing_among_waiting_callers_leaves_nobody_waiting() -> None:
    for _ in range(20):
        slots = Slots(ConnectionPoolConfig(limit_per_host=SLOTS), SYSTEM_CLOCK, lambda: None)
        pool: Any = Pool(slots)
        ledger = Ledger(SLOTS)

        def work(slots: Slots = slots, pool: Any = pool, ledger: Ledger = ledger) -> None:
            with pytest.raises(ClientClosedError):
                while True:
                    use_once(slots, pool, ledger, 5.0, 0.6)

        with Crew() as crew:
            crew.start(work, times=8)
            while ledger.taken < 50:
                time.sleep(0.0005)
            slots.close()

        host = slots.snapshot()[0]["a:1"]
        assert (host.active, host.idle, host.waiting) == (0, 0, 0)

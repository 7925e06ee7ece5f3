"""Who may hold a connection: order, hand-over, and what is left when somebody vanishes."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bybit_sync.clock import Deadline
from bybit_sync.config import ConnectionPoolConfig
from bybit_sync.exceptions import ClientClosedError, PoolFullError, PoolTimeoutError
from bybit_sync.net.host import Host, Lease
from bybit_sync.net.slots import Slots
from tests.conftest import FakeClock


class FakeConnection:
    """All that the slots see of a connection."""

    def __init__(self, name: str = "", host_name: str = "a:1") -> None:
        self.name = name
        self.host_name = host_name
        self.idle_since = 0.0
        self.last_lease: Lease | None = None
        self.is_closed = False
        self.when_closed: Callable[[], None] = lambda: None

    def close(self) -> None:
        self.is_closed = True
        self.when_closed()

    def __repr__(self) -> str:
        return f"<{self.name}>"


class FakePool:
    """All that the slots see of a pool."""

    def __init__(self, slots: Slots, name: str) -> None:
        self.idle: list[Any] = []
        self.is_closed = False
        self.slot_host: Host = slots.register(self, name)  # type: ignore[arg-type]


class House:
    """Slots with pools for the hosts that a test names."""

    def __init__(self, clock: FakeClock, **config: Any) -> None:
        self.clock = clock
        self.woken = 0
        self.slots = Slots(ConnectionPoolConfig(**config), clock, self._wake)
        self.pools: dict[str, Any] = {}
        self._numbers = itertools.count(1)

    def _wake(self) -> None:
        self.woken += 1

    def pool(self, name: str = "a:1") -> Any:
        if name not in self.pools:
            self.pools[name] = FakePool(self.slots, name)
        return self.pools[name]

    def acquire(self, name: str = "a:1", timeout: float = 5.0) -> tuple[Lease, Any]:
        lease, conn = self.slots.acquire(self.pool(name), Deadline.after(timeout, self.clock))
        return lease, conn

    def use(self, name: str = "a:1") -> Any:
        """Take a slot and give it back with a connection, a new one where none is idle."""
        lease, conn = self.acquire(name)
        conn = conn or FakeConnection(f"{name}-{next(self._numbers)}", name)
        self.clock.advance(1.0)
        self.slots.release(lease, conn)
        return conn

    def counts(self, name: str = "a:1") -> tuple[int, int, int]:
        host = self.slots.snapshot()[0][name]
        return host.active, host.idle, host.waiting

    def closed(self, name: str = "a:1") -> dict[str, int]:
        return dict(self.slots.snapshot()[0][name].closed)


class InTheQueue(FakeClock):
    """A clock whose waits run what a test wants to happen while a caller queues."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    def acquire(self, lock: threading.Lock, timeout: float) -> bool:
        self.meanwhile()
        return super().acquire(lock, timeout)


@pytest.fixture
def queue_clock() -> InTheQueue:
    return InTheQueue()


def test_the_first_caller_gets_a_slot_and_no_connection(clock: FakeClock) -> None:
    house = House(clock)

    lease, conn = house.acquire()

    assert conn is None
    assert house.counts() == (1, 0, 0)
    house.slots.release(lease, None, "")
    assert house.counts() == (0, 0, 0)
    assert house.closed() == {}


def test_the_connection_given_back_last_is_handed_out_first(clock: FakeClock) -> None:
    house = House(clock)
    leases = [house.acquire()[0] for _ in range(3)]
    conns = [FakeConnection(str(number)) for number in range(3)]
    for lease, conn in zip(leases, conns, strict=True):
        house.slots.release(lease, conn)  # type: ignore[arg-type]

    held = [house.acquire() for _ in range(3)]

    assert [conn for _, conn in held] == conns[::-1]
    assert house.slots.snapshot()[0]["a:1"].reused == 3
    assert house.woken == 1  # once awake, the keeper stays awake


def test_a_slot_given_back_twice_is_given_back_once(clock: FakeClock) -> None:
    house = House(clock, limit_per_host=2)
    first, second = house.acquire()[0], house.acquire()[0]

    house.slots.release(first, None, "error")
    house.slots.release(first, None, "error")

    assert house.counts() == (1, 0, 0)
    assert house.closed() == {"error": 1}
    house.slots.release(second, None)


def test_at_the_cap_a_caller_waits_for_as_long_as_it_may(clock: FakeClock) -> None:
    house = House(clock, limit_per_host=1)
    held = house.acquire()

    with pytest.raises(PoolTimeoutError, match=r"all 1 connections to a:1 stayed busy for 2\.5"):
        house.acquire(timeout=2.5)

    assert clock.slept == [2.5]
    assert house.counts() == (1, 0, 0)
    assert house.slots.snapshot()[0]["a:1"].wait_seconds_max == 2.5
    assert house.slots.snapshot()[1].count == 1
    del held


def test_what_is_given_back_goes_to_the_caller_who_waits(queue_clock: InTheQueue) -> None:
    house = House(queue_clock, limit_per_host=1)
    lease, _ = house.acquire()
    conn = FakeConnection("handed")
    queue_clock.meanwhile = lambda: house.slots.release(lease, conn)  # type: ignore[arg-type]

    mine, got = house.acquire()

    assert got is conn
    assert queue_clock.slept == []
    assert house.counts() == (1, 0, 0)
    house.slots.release(mine, got)


def test_a_slot_without_a_connection_is_handed_over_too(queue_clock: InTheQueue) -> None:
    house = House(queue_clock, limit_per_host=1)
    lease, _ = house.acquire()
    queue_clock.meanwhile = lambda: house.slots.release(lease, None, "error")

    _mine, got = house.acquire()

    assert got is None
    assert house.counts() == (1, 0, 0)


def test_nobody_overtakes_the_queue(queue_clock: InTheQueue) -> None:
    """A newcomer that finds a slot free while another waits would otherwise take it."""
    house = House(queue_clock, limit_per_host=1)
    lease, _ = house.acquire()
    order: list[str] = []

    def newcomer() -> None:
        queue_clock.meanwhile = lambda: house.slots.release(lease, None, "")
        with pytest.raises(PoolTimeoutError):
            house.acquire(timeout=0.0)
        order.append("newcomer turned away")

    queue_clock.meanwhile = newcomer
    mine, _ = house.acquire()
    order.append("first served")

    assert order == ["newcomer turned away", "first served"]
    assert house.counts() == (1, 0, 0)
    house.slots.release(mine, None, "")


@pytest.mark.parametrize("with_connection", [True, False])
def test_a_giver_learns_that_the_caller_has_left(
    with_connection: bool, queue_clock: InTheQueue
) -> None:
    """The hand-over and Ctrl-C in the same moment: what was handed over is not lost."""
    house = House(queue_clock, limit_per_host=1)
    lease, _ = house.acquire()
    conn: Any = FakeConnection("kept") if with_connection else None

    def hand_over_and_interrupt() -> None:
        house.slots.release(lease, conn, "")
        raise KeyboardInterrupt

    queue_clock.meanwhile = hand_over_and_interrupt
    with pytest.raises(KeyboardInterrupt):
        house.acquire()

    assert house.counts() == (0, int(with_connection), 0)
    queue_clock.meanwhile = lambda: None
    assert house.acquire()[1] is conn


def test_an_interrupted_caller_leaves_the_queue(queue_clock: InTheQueue) -> None:
    house = House(queue_clock, limit_per_host=1)
    held = house.acquire()

    def interrupt() -> None:
        assert house.counts() == (1, 0, 1)
        raise KeyboardInterrupt

    queue_clock.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        house.acquire()

    assert house.counts() == (1, 0, 0)
    house.slots.release(held[0], None, "")
    assert house.counts() == (0, 0, 0)


def test_an_interrupt_between_joining_the_queue_and_waiting_leaves_no_ghost_in_it(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(clock, limit_per_host=1)
    held = house.acquire()

    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(house.slots, "_wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            house.acquire()

    assert house.counts() == (1, 0, 0)
    house.slots.release(held[0], None, "")


def test_an_interrupt_right_after_the_wait_leaves_no_ghost_in_the_queue(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(clock, limit_per_host=1)
    held = house.acquire()
    ticks = iter([None])

    def monotonic() -> float:
        if next(ticks, "over") == "over":
            raise KeyboardInterrupt
        return 1000.0

    deadline = Deadline.after(5.0, clock)
    monkeypatch.setattr(clock, "monotonic", monotonic)
    with pytest.raises(KeyboardInterrupt):
        house.slots.acquire(house.pool(), deadline)
    monkeypatch.undo()

    assert house.counts() == (1, 0, 0)
    house.slots.release(held[0], None, "")


def test_an_interrupt_between_connection_and_slot_takes_no_slot_from_the_next_caller(
    clock: FakeClock,
) -> None:
    """The connection brings the lease of its last call along: only its new owner may give it up."""
    house = House(clock, limit_per_host=1)
    lease, conn = house.acquire()
    conn = FakeConnection()
    conn.last_lease = lease
    house.slots.release(lease, conn)  # type: ignore[arg-type]
    host = house.pool().slot_host

    class Interrupting(set[object]):
        def add(self, token: object) -> None:
            host.active = set(self)
            raise KeyboardInterrupt

    host.active = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        house.acquire()

    assert house.counts() == (0, 0, 0)  # the connection went with the call that had it
    following, nothing = house.acquire()
    assert nothing is None
    assert following is not lease
    assert house.counts() == (1, 0, 0)
    house.slots.release(following, None, "")


def test_more_waiting_callers_than_allowed_are_turned_away_unqueued(
    queue_clock: InTheQueue,
) -> None:
    house = House(queue_clock, limit_per_host=1, max_waiting=1)
    held = house.acquire()
    refused: list[PoolFullError] = []

    def one_more() -> None:
        with pytest.raises(PoolFullError) as caught:
            house.acquire()
        refused.append(caught.value)

    queue_clock.meanwhile = one_more
    with pytest.raises(PoolTimeoutError):
        house.acquire(timeout=1.0)

    assert refused[0].phase == "pool"
    assert house.counts() == (1, 0, 0)
    del held


# --- the cap over all hosts ---------------------------------------------------------------


def test_at_the_limit_the_idlest_connection_goes(clock: FakeClock) -> None:
    house = House(clock, limit=3, limit_per_host=3)
    old, middle, young = house.use("a:1"), house.use("b:1"), house.use("c:1")

    held = house.acquire("d:1")

    assert [old.is_closed, middle.is_closed, young.is_closed] == [True, False, False]
    assert house.closed("a:1") == {"evicted": 1}
    assert house.counts("d:1") == (1, 0, 0)
    del held


def test_at_the_limit_with_nothing_idle_a_caller_waits(clock: FakeClock) -> None:
    house = House(clock, limit=2, limit_per_host=2)
    held = [house.acquire("a:1"), house.acquire("b:1")]

    with pytest.raises(PoolTimeoutError):
        house.acquire("c:1", timeout=1.0)

    assert clock.slept == [1.0]
    del held


def test_room_that_one_host_gives_back_goes_to_the_caller_of_another(
    queue_clock: InTheQueue,
) -> None:
    house = House(queue_clock, limit=1, limit_per_host=1)
    lease, _ = house.acquire("a:1")
    given_back = FakeConnection("a", "a:1")
    queue_clock.meanwhile = lambda: house.slots.release(lease, given_back)  # type: ignore[arg-type]

    _mine, got = house.acquire("b:1")

    assert got is None
    assert given_back.is_closed
    assert (house.counts("a:1"), house.counts("b:1")) == ((0, 0, 0), (1, 0, 0))


def test_what_has_to_go_is_closed_before_its_slot_is_used(queue_clock: InTheQueue) -> None:
    """Else there were, for a moment, one socket too many."""
    house = House(queue_clock, limit=1, limit_per_host=1)
    lease, _ = house.acquire("a:1")
    given_back = FakeConnection("a", "a:1")
    seen: list[tuple[int, int, int]] = []
    given_back.when_closed = lambda: seen.append(house.counts("b:1"))
    queue_clock.meanwhile = lambda: house.slots.release(lease, given_back)  # type: ignore[arg-type]

    house.acquire("b:1")

    assert seen == [(1, 0, 0)]  # in b's own slot, not after it


def test_what_is_swept_counts_until_it_is_closed(clock: FakeClock) -> None:
    house = House(clock, limit=1, limit_per_host=1)
    conn = house.use("a:1")
    outcome: list[Any] = []

    def take_its_room() -> None:
        outcome.append(house.slots.try_acquire(house.pool("b:1")))

    conn.when_closed = take_its_room
    assert house.slots.drop_idle(lambda conn: "idle") == 1

    assert outcome == [None]
    assert house.slots.try_acquire(house.pool("b:1")) is not None


def test_the_limit_of_one_host_is_kept_over_its_pools(clock: FakeClock) -> None:
    """Pools of one host differ by trust; its connections are counted together."""
    house = House(clock, limit_per_host=1)
    conn = house.use("a:1")
    other: Any = FakePool(house.slots, "a:1")

    _lease, got = house.slots.acquire(other, Deadline.after(1.0, clock))

    assert got is None
    assert conn.is_closed
    assert house.counts() == (1, 0, 0)


# --- owners that vanish -------------------------------------------------------------------


def test_a_lease_that_is_lost_gives_its_slot_back(clock: FakeClock) -> None:
    house = House(clock, limit_per_host=1)

    lease, _ = house.acquire()
    del lease
    gc.collect()

    assert house.counts() == (0, 0, 0)
    assert house.closed() == {"abandoned": 1}


def test_a_lost_lease_serves_who_waits(queue_clock: InTheQueue) -> None:
    house = House(queue_clock, limit_per_host=1)
    held = [house.acquire()]
    queue_clock.meanwhile = held.clear

    assert house.acquire()[1] is None
    assert queue_clock.slept == []


def test_a_lease_lost_while_the_lock_is_taken_is_found_by_whoever_lets_go(
    queue_clock: InTheQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector may run inside the locked part of the very caller that then waits."""
    house = House(queue_clock, limit_per_host=1)
    held = [house.acquire()]
    join = house.slots._join_queue

    def collecting(*args: Any) -> Any:
        held.clear()  # what the collector does, in the middle of it
        return join(*args)

    monkeypatch.setattr(house.slots, "_join_queue", collecting)

    mine, got = house.acquire()

    assert got is None
    assert queue_clock.slept == []
    assert house.closed() == {"abandoned": 1}
    house.slots.release(mine, None, "")


def test_a_lease_lost_while_another_looks_at_the_stats_serves_who_waits(
    queue_clock: InTheQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(queue_clock, limit_per_host=1)
    held = [house.acquire()]
    stats = Host.stats

    def collecting(self: Host, limit: int) -> Any:
        held.clear()
        return stats(self, limit)

    monkeypatch.setattr(Host, "stats", collecting)
    queue_clock.meanwhile = lambda: house.slots.snapshot() and None

    assert house.acquire()[1] is None
    assert queue_clock.slept == []


def test_a_lease_that_was_never_finished_vanishes_in_silence() -> None:
    lease = Lease.__new__(Lease)  # Ctrl-C in the first line of its making

    lease.__del__()


# --- sweeping and closing -----------------------------------------------------------------


def test_what_the_verdict_names_is_closed_and_counted(clock: FakeClock) -> None:
    house = House(clock)
    kept, dropped = house.use("a:1"), house.use("b:1")

    dropped_count = house.slots.drop_idle(lambda c: "idle" if c is dropped else "")

    assert dropped_count == 1
    assert (kept.is_closed, dropped.is_closed) == (False, True)
    assert house.closed("b:1") == {"idle": 1}
    assert house.slots.idle_connections() == [kept]


def test_condemning_spares_what_was_used_later_and_other_hosts(clock: FakeClock) -> None:
    house = House(clock)
    leases = [house.acquire()[0] for _ in range(3)]
    conns = [FakeConnection(str(number)) for number in range(3)]
    for lease, conn in zip(leases, conns, strict=True):
        clock.advance(1.0)
        house.slots.release(lease, conn)  # type: ignore[arg-type]
    other = FakeConnection("other", "b:1")
    lease, _ = house.acquire("b:1")
    house.slots.release(lease, other)  # type: ignore[arg-type]

    house.slots.condemn(house.pool().slot_host, conns[1].idle_since)

    assert [conn.is_closed for conn in conns] == [True, True, False]
    assert not other.is_closed
    assert house.closed() == {"condemned": 2}


def test_a_connection_of_a_pool_that_was_closed_is_closed_when_it_comes_back(
    clock: FakeClock,
) -> None:
    house = House(clock)
    lease, _ = house.acquire()
    house.pool().is_closed = True
    house.slots.forget_pool(house.pool())
    conn = FakeConnection()
    seen: list[int] = []
    conn.when_closed = lambda: seen.append(house.counts()[0])

    house.slots.release(lease, conn)  # type: ignore[arg-type]

    assert conn.is_closed
    assert seen == [1]  # its slot was free only afterwards
    assert house.counts() == (0, 0, 0)
    assert house.closed() == {"shutdown": 1}


def test_after_close_nobody_gets_a_slot_and_who_waits_is_told(queue_clock: InTheQueue) -> None:
    house = House(queue_clock, limit_per_host=1)
    idle = house.use("b:1")
    lease, _ = house.acquire()
    queue_clock.meanwhile = house.slots.close

    with pytest.raises(ClientClosedError, match="while this call waited"):
        house.acquire()
    with pytest.raises(ClientClosedError):
        house.acquire("b:1")
    with pytest.raises(ClientClosedError):
        house.slots.try_acquire(house.pool("b:1"))

    assert idle.is_closed
    assert house.slots.is_closed
    late = FakeConnection()
    house.slots.release(lease, late)  # type: ignore[arg-type]
    assert late.is_closed
    assert house.counts() == (0, 0, 0)


def test_a_child_process_starts_with_empty_hands(clock: FakeClock) -> None:
    house = House(clock, limit_per_host=2)
    idle, held = house.use(), house.acquire("b:1")

    house.slots.reset_after_fork()

    assert idle.is_closed
    assert house.counts() == (0, 0, 0)
    assert house.counts("b:1") == (0, 0, 0)
    late = FakeConnection()
    house.slots.release(held[0], late)  # type: ignore[arg-type]
    assert house.slots.idle_connections() == []


def test_callers_of_many_hosts_are_served_as_they_came(queue_clock: InTheQueue) -> None:
    """One slot over all hosts: each caller queues inside the wait of the one before it, and the
    slot that comes back in the innermost is handed from the first to the last."""
    house = House(queue_clock, limit=1, limit_per_host=1)
    lease, _ = house.acquire("a:1")
    names = ["b:1", "c:1", "a:1", "b:1", "c:1"]
    served: list[str] = []

    def queue_up(rest: list[str]) -> None:
        if not rest:
            house.slots.release(lease, None, "")
            return
        queue_clock.meanwhile = lambda: queue_up(rest[1:])
        try:
            mine, _ = house.acquire(rest[0], timeout=0.0)
        except PoolTimeoutError:
            served.append(f"{rest[0]} not yet")
        else:
            served.append(rest[0])
            house.slots.release(mine, None, "")

    queue_up(names)

    # The innermost give up one by one, for the slot was handed to the first, who holds it.
    assert served == ["c:1 not yet", "b:1 not yet", "a:1 not yet", "c:1 not yet", "b:1"]

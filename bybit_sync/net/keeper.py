"""Background care of idle connections: expiry, clean-up of closed ones, and warming up."""

from __future__ import annotations

import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bybit_sync.clock import Clock, Deadline
from bybit_sync.config import ConnectionPoolConfig
from bybit_sync.exceptions import BybitError

from . import sockets
from .budget import Budget
from .connection import PooledConnection
from .host import Lease
from .leaks import LeakWatch
from .slots import Slots

if TYPE_CHECKING:
    from .pool import SlotPool

log = logging.getLogger("bybit_sync.net")

_SWEEP_SECONDS = 1.0
_SHORTEST_SWEEP_SECONDS = 0.05
_WARM_UP_THREADS = 32
_JOIN_SECONDS = 2.0


class Keeper:
    """Sweeps the idle connections of one adapter, and warns of those that callers forget, in one
    daemon thread that starts with the first of them and ends with `close`, or when the slots are
    collected.

    ``_lock`` guards the start of the thread.
    """

    def __init__(
        self, slots: Slots, leaks: LeakWatch, config: ConnectionPoolConfig, clock: Clock
    ) -> None:
        self._slots = weakref.ref(slots)
        self._leaks = leaks
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is a connection to look after."""
        if self._thread is None and not self._stop.is_set():
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._stop.is_set():
                return
            thread = threading.Thread(
                target=_run,
                args=(self._slots, self._leaks, self._config, self._clock, self._stop),
                name="bybit_sync-keeper",
                daemon=True,
            )
            weakref.finalize(self, self._stop.set)
            thread.start()
            self._thread = thread

    def close(self) -> None:
        """Stop the thread and wait for it."""
        with self._lock:  # a thread that is just being started is ended too
            self._stop.set()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)

    def reset_after_fork(self) -> None:
        """The thread did not come along into the child."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = None


def _run(
    slots_ref: weakref.ref[Slots],
    leaks: LeakWatch,
    config: ConnectionPoolConfig,
    clock: Clock,
    stop: threading.Event,
) -> None:
    # Ends when `stop` is set; holds the slots only while it sweeps, so that they can be collected.
    period = sweep_period(config)
    while not clock.wait(stop, period):
        slots = slots_ref()
        if slots is None:
            return
        try:
            sweep(slots, config, clock)
            leaks.look()
        except Exception:  # the top of a thread: a sweep that fails must not end all sweeping
            log.exception("sweep of idle connections failed")
        del slots


def sweep_period(config: ConnectionPoolConfig) -> float:
    """Seconds between two sweeps: a fraction of the shortest life that they have to end."""
    lives = [life for life in (config.keepalive_timeout, config.max_age) if life > 0]
    return max(_SHORTEST_SWEEP_SECONDS, min([_SWEEP_SECONDS, *[life / 4 for life in lives]]))


def sweep(slots: Slots, config: ConnectionPoolConfig, clock: Clock) -> int:
    """Close what has idled or lived too long, or was closed by its server; returns how many."""
    now = clock.monotonic()
    closed_by_server = _closed_by_server(slots) if config.enable_cleanup_closed else set()

    def verdict(conn: PooledConnection) -> str:
        if now - conn.idle_since >= config.keepalive_timeout:
            return "idle"
        if now >= conn.retire_at:
            return "age"
        # Under the lock nobody else owns it, so it may be read from: a session ticket stays.
        return conn.unquiet() if id(conn) in closed_by_server else ""

    return slots.drop_idle(verdict)


def _closed_by_server(slots: Slots) -> set[int]:
    """The idle connections on which the kernel has something to tell.

    A hint, for meanwhile a call may have taken one: reads nothing, and leaves alone the poll
    objects of the connections, which bear only one thread at a time.
    """
    conns = slots.idle_connections()
    ready = sockets.readable([fd for conn in conns if (fd := conn.fileno()) >= 0])
    return {id(conn) for conn in conns if conn.fileno() in ready}


def warm_up(
    pool: SlotPool, slots: Slots, wanted: int, config: ConnectionPoolConfig, clock: Clock
) -> int:
    """Open connections until `wanted` are ready, in parallel; returns how many are.

    Takes only slots that nobody waits for. Session tickets that follow a TLS 1.3 handshake are
    drained when a connection is taken, so they do not make it look closed.

    Raises:
        BybitError: not one connection could be made.
    """
    if config.force_close:
        return 0
    taken: list[tuple[Lease, PooledConnection | None]] = []
    try:
        for _ in range(min(wanted, config.limit_per_host, config.limit)):
            slot = slots.try_acquire(pool)
            if slot is None:
                break
            taken.append(slot)
        deadline = Deadline.after(config.total_timeout, clock)
        with ThreadPoolExecutor(
            min(_WARM_UP_THREADS, max(1, len(taken))), thread_name_prefix="bybit_sync-warm-up"
        ) as workers:
            opened = list(
                workers.map(lambda slot: _open_one(pool, slot[0], slot[1], config, deadline), taken)
            )
    except BaseException:
        for lease, conn in taken:
            if conn is not None:
                conn.close()
            slots.release(lease, None, "error" if conn is not None else "")
        raise
    return _put_back(pool, slots, taken, opened)


def _open_one(
    pool: SlotPool,
    lease: Lease,
    conn: PooledConnection | None,
    config: ConnectionPoolConfig,
    deadline: Deadline,
) -> PooledConnection | BybitError:
    if conn is not None and not conn.unfit(pool.now()):
        return conn
    if conn is not None:
        conn.close()
    budget = Budget(deadline, connect=config.connect_timeout, read=config.sock_read_timeout)
    try:
        return pool.open(lease, budget)
    except BybitError as error:
        return error


def _put_back(
    pool: SlotPool,
    slots: Slots,
    taken: list[tuple[Lease, PooledConnection | None]],
    opened: list[PooledConnection | BybitError],
) -> int:
    ready, fault = 0, None
    for (lease, old), result in zip(taken, opened, strict=True):
        if isinstance(result, PooledConnection):
            if old is not None and result is not old:
                slots.count_closed(lease.host, "server")
            pool.checkin(lease, result)
            ready += 1
        else:
            slots.release(lease, None, "server" if old is not None else "")
            fault = result
    if fault is not None and not ready:
        raise fault
    return ready

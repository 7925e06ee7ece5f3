"""Keeps idle connections warm: each gets a small request before its silence grows long.

What it is for: a load balancer drops a silent connection after a time that it does not tell, and
the kernel forgets how fast the path was. An order then pays for a handshake or a slow start.
"""

from __future__ import annotations

import logging
import threading
import weakref

from bybit_sync.clock import Clock, Deadline
from bybit_sync.config import ConnectionPoolConfig
from bybit_sync.exceptions import FailedRequestError

from . import wire
from .budget import AnswerFaultError, Budget
from .connection import PooledConnection
from .host import Lease
from .pool import SlotPool
from .slots import Slots

log = logging.getLogger("bybit_sync.net")

_LOOKS_PER_INTERVAL = 4
_JOIN_SECONDS = 2.0


class Pinger:
    """Sends `head`, a whole GET, over every connection of a pool that has been idle for
    ``ping_interval`` seconds; in one daemon thread that ends with `close`."""

    def __init__(
        self, pool: SlotPool, slots: Slots, head: bytes, config: ConnectionPoolConfig, clock: Clock
    ) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=_run,
            args=(weakref.ref(pool), weakref.ref(slots), head, config, clock, self._stop),
            name="bybit_sync-pinger",
            daemon=True,
        )
        weakref.finalize(self, self._stop.set)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread; a ping that is under way ends within its own time."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_SECONDS)


def _run(
    pool_ref: weakref.ref[SlotPool],
    slots_ref: weakref.ref[Slots],
    head: bytes,
    config: ConnectionPoolConfig,
    clock: Clock,
    stop: threading.Event,
) -> None:
    # Holds pool and slots only while it looks, so that they can be collected.
    while not clock.wait(stop, config.ping_interval / _LOOKS_PER_INTERVAL):
        pool, slots = pool_ref(), slots_ref()
        if pool is None or slots is None:
            return
        try:
            ping_idle(pool, slots, head, config, clock)
        except Exception:  # the top of a thread: one bad round must not end all of them
            log.exception("pinging the idle connections to %s failed", pool.host_name)
        del pool, slots


def ping_idle(
    pool: SlotPool, slots: Slots, head: bytes, config: ConnectionPoolConfig, clock: Clock
) -> int:
    """Ping each connection that has been idle for long enough, one after another; returns how
    many answered. A caller never waits for more than one ping."""
    before, answered = clock.monotonic() - config.ping_interval, 0
    while (taken := slots.take_idle(pool, before)) is not None:
        answered += _ping(pool, *taken, head, config, clock)
    return answered


def _ping(
    pool: SlotPool,
    lease: Lease,
    conn: PooledConnection,
    head: bytes,
    config: ConnectionPoolConfig,
    clock: Clock,
) -> bool:
    seconds = min(config.connect_timeout, config.sock_read_timeout)
    budget = Budget(Deadline.after(seconds, clock), connect=seconds, read=seconds)
    why = conn.unfit(clock.monotonic())
    try:
        if not why:
            why = "error"
            conn.lend(budget)
            answer = wire.exchange(conn, wire.sealed(head, b"", budget), budget)
            why = "" if answer.keep_alive else "answer"
    except (OSError, AnswerFaultError, FailedRequestError) as error:
        log.debug("a ping to %s was not answered: %s", pool.host_name, error)
    finally:
        pool.checkin(lease, conn, why)
    return not why

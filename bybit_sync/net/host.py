"""What one host holds of the pool, and who holds it or waits for it: the records of `Slots`."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import TYPE_CHECKING

from .stats import HostStats

if TYPE_CHECKING:
    from .connection import PooledConnection
    from .pool import SlotPool
    from .slots import Slots

Closing = tuple["Host", "PooledConnection"]
"""A connection to be closed outside the lock, and whose it was."""


class Host:
    """What one host holds and who queues for it. Guarded by the lock of `Slots`."""

    __slots__ = (
        "active",
        "closed",
        "closing",
        "connect_seconds",
        "created",
        "name",
        "pools",
        "reused",
        "tls_handshakes",
        "wait_seconds_max",
        "waiting",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.active: set[object] = set()
        self.closing = 0
        """Connections that have been taken out of the pools and are being closed: their sockets
        still count."""
        self.waiting: deque[Waiter] = deque()
        self.pools: list[SlotPool] = []
        self.created = 0
        self.reused = 0
        self.closed: Counter[str] = Counter()
        self.tls_handshakes = 0
        self.connect_seconds = 0.0
        self.wait_seconds_max = 0.0

    @property
    def idle(self) -> int:
        return sum(len(pool.idle) for pool in self.pools)

    @property
    def open(self) -> int:
        return len(self.active) + self.idle + self.closing

    def stats(self, limit: int) -> HostStats:
        return HostStats(
            limit=limit,
            active=len(self.active),
            idle=self.idle,
            waiting=len(self.waiting),
            created=self.created,
            reused=self.reused,
            closed=dict(self.closed),
            tls_handshakes=self.tls_handshakes,
            connect_seconds=self.connect_seconds,
            wait_seconds_max=self.wait_seconds_max,
        )


class Lease:
    """The right to one connection, while a call holds it.

    A lease that is lost (a response dropped unread, an exception between two lines) gives its
    slot back when it is collected.
    """

    __slots__ = ("__weakref__", "_slots", "host", "pool", "token")

    def __init__(self, slots: Slots, host: Host, pool: SlotPool) -> None:
        self._slots = slots
        self.host = host
        self.pool = pool
        self.token = object()

    def __del__(self) -> None:
        token = getattr(self, "token", None)  # None after an interrupt inside __init__
        if token is not None and token in self.host.active:
            self._slots.abandon(self)


class Waiter:
    """A caller in the queue, and what was handed to it."""

    __slots__ = ("conn", "gate", "granted", "lease", "refused", "turn", "victims")

    def __init__(self, lease: Lease, turn: int) -> None:
        self.lease = lease
        self.turn = turn
        self.victims: list[Closing] = []
        """What had to go for its slot: closed by this caller before it opens a connection."""
        self.gate = threading.Lock()
        self.gate.acquire()
        self.granted = False
        self.refused = False
        self.conn: PooledConnection | None = None

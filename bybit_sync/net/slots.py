"""Who may hold a connection: the caps, the queue, and the hand-over from caller to caller.

A slot is the right to one open connection. It is counted from what exists: the leases that calls
hold and the connections that lie idle in urllib3's pools. There is no counter that could drift.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bybit_sync.clock import Clock, Deadline
from bybit_sync.config import ConnectionPoolConfig
from bybit_sync.exceptions import ClientClosedError, PoolFullError, PoolTimeoutError

from .host import Closing, Host, Lease, Waiter
from .stats import Histogram, HistogramSnapshot, HostStats

if TYPE_CHECKING:
    from .connection import PooledConnection
    from .pool import SlotPool


class Slots:
    """Shares out connections, first come, first served, within ``limit`` and ``limit_per_host``.

    The lock guards the hosts, their pools' idle connections and the queue. Nothing blocks under
    it: connections that have to go are returned to the caller, who closes them outside.
    """

    def __init__(
        self, config: ConnectionPoolConfig, clock: Clock, on_idle: Callable[[], None]
    ) -> None:
        self._config = config
        self._clock = clock
        self._on_idle = on_idle
        self._is_kept = False
        """True once somebody looks after the idle connections, and goes on doing so."""
        self._lock = threading.Lock()
        self._hosts: dict[str, Host] = {}
        self._queued: dict[Host, None] = {}
        self._turns = 0
        self._waits = Histogram()
        self._lost: deque[tuple[Host, object]] = deque()
        self._closed = False

    # --- taking ---------------------------------------------------------------------------

    def register(self, pool: SlotPool, name: str) -> Host:
        """The host that this pool's connections are counted under."""
        with self._lock:
            host = self._hosts.setdefault(name, Host(name))
            host.pools.append(pool)
            return host

    def acquire(self, pool: SlotPool, deadline: Deadline) -> tuple[Lease, PooledConnection | None]:
        """A slot, with the pool's newest idle connection if there is one.

        Raises:
            PoolFullError: ``max_waiting`` callers queue already.
            PoolTimeoutError: no slot came free before the deadline.
            ClientClosedError: the pool was closed.
        """
        host = pool.slot_host
        lease: Lease | None = None
        waiter: Waiter | None = None
        conn: PooledConnection | None = None
        victims: list[Closing] = []
        try:
            with self._lock:
                if self._lost or self._closed:
                    self._check_open()
                    self._bury_the_lost()
                idle = pool.idle
                if idle and not host.waiting:  # the usual case
                    # Out of the stack first: from then on nobody else can take the lease up, and an
                    # interrupt between any two of these lines withdraws what is ours alone.
                    conn = idle.pop()
                    lease = conn.last_lease or Lease(self, host, pool)
                    host.active.add(lease.token)
                    host.reused += 1
                else:
                    lease = Lease(self, host, pool)
                    if host.waiting or not self._take(lease, victims):
                        waiter = self._join_queue(host, lease)
            if waiter is not None:
                conn, victims = self._wait(waiter, deadline)
            if victims:  # before the caller opens one in its place, or there were one too many
                close_all(victims)
        except BaseException:
            if lease is not None:
                self._withdraw(lease, waiter.conn if waiter is not None else conn)
            raise
        return lease, conn

    def try_acquire(self, pool: SlotPool) -> tuple[Lease, PooledConnection | None] | None:
        """As `acquire`, or None where a caller would have to queue."""
        host = pool.slot_host
        lease = Lease(self, host, pool)
        victims: list[Closing] = []
        with self._lock:
            self._check_open()
            taken = not host.waiting and self._take(lease, victims)
            conn = self._pop_idle(pool) if taken else None
        self._settle()
        close_all(victims)
        return (lease, conn) if taken else None

    def take_idle(self, pool: SlotPool, before: float) -> tuple[Lease, PooledConnection] | None:
        """The pool's connection that has been idle for longest, since `before` at least, with its
        slot; None where there is none, or callers wait for one."""
        host = pool.slot_host
        lease = Lease(self, host, pool)
        with self._lock:
            if self._closed or host.waiting or not pool.idle or pool.idle[0].idle_since > before:
                return None
            host.active.add(lease.token)
            return lease, pool.idle.pop(0)

    def next_idle(self, lease: Lease) -> PooledConnection | None:
        """Another idle connection for this lease, in place of one that was found unfit."""
        with self._lock:
            return self._pop_idle(lease.pool)

    def _take(self, lease: Lease, victims: list[Closing]) -> bool:
        """Claim a slot for this lease if that breaks no cap; may name a connection to close."""
        host, pool = lease.host, lease.pool
        if pool.idle:
            host.active.add(lease.token)  # its idle connection is popped under the same lock
            return True
        if host.open >= self._config.limit_per_host:
            victim = self._idlest(host.pools)
        elif self._open() >= self._config.limit:
            victim = self._idlest(p for h in self._hosts.values() for p in h.pools)
        else:
            host.active.add(lease.token)
            return True
        if victim is None:
            return False
        victims.append((host, victim))
        host.active.add(lease.token)
        return True

    def _idlest(self, pools: Iterator[SlotPool] | list[SlotPool]) -> PooledConnection | None:
        """The connection that has been idle for longest in any of these pools, taken out."""
        candidates = [pool for pool in pools if pool.idle]
        if not candidates:
            return None
        pool = min(candidates, key=lambda p: p.idle[0].idle_since)
        pool.slot_host.closed["evicted"] += 1
        return pool.idle.pop(0)

    def _pop_idle(self, pool: SlotPool) -> PooledConnection | None:
        return pool.idle.pop() if pool.idle else None

    def _open(self) -> int:
        return sum(host.open for host in self._hosts.values())

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("the connection pool is closed")

    # --- the queue ------------------------------------------------------------------------

    def _join_queue(self, host: Host, lease: Lease) -> Waiter:
        bound = self._config.max_waiting
        if bound and len(host.waiting) >= bound:
            raise PoolFullError(
                f"{bound} callers are waiting for a connection to {host.name} already", phase="pool"
            )
        self._turns += 1
        waiter = Waiter(lease, self._turns)
        host.waiting.append(waiter)
        self._queued[host] = None
        return waiter

    def _wait(
        self, waiter: Waiter, deadline: Deadline
    ) -> tuple[PooledConnection | None, list[Closing]]:
        """What was handed over, and what must be closed for it."""
        self._settle()
        started = self._clock.monotonic()
        self._clock.acquire(waiter.gate, deadline.remaining())
        waited = self._clock.monotonic() - started
        host = waiter.lease.host
        with self._lock:
            self._waits.observe(waited)
            host.wait_seconds_max = max(host.wait_seconds_max, waited)
            if waiter.granted:
                host.reused += waiter.conn is not None
                return waiter.conn, waiter.victims
        if waiter.refused:
            raise ClientClosedError("the connection pool was closed while this call waited")
        raise PoolTimeoutError(
            f"all {self._config.limit_per_host} connections to {host.name} stayed busy "
            f"for {waited:.3f} s",
            phase="pool",
        )

    def _withdraw(self, lease: Lease, conn: PooledConnection | None) -> None:
        """Leave, wherever the caller stands; what was handed over in the same moment goes to
        the next one."""
        host = lease.host
        with self._lock:
            for waiter in [w for w in host.waiting if w.lease is lease]:
                self._forget(waiter)
        self.release(lease, conn, "")

    def _forget(self, waiter: Waiter) -> None:
        host = waiter.lease.host
        if waiter in host.waiting:
            host.waiting.remove(waiter)
        if not host.waiting:
            self._queued.pop(host, None)

    def _serve(self) -> None:
        """Hand what is free to the callers who have waited longest and can use it."""
        while self._queued:
            for host in sorted(self._queued, key=lambda h: h.waiting[0].turn):
                waiter = host.waiting[0]
                if self._take(waiter.lease, waiter.victims):
                    waiter.conn = self._pop_idle(waiter.lease.pool)
                    waiter.granted = True
                    self._forget(waiter)
                    waiter.gate.release()
                    break
            else:
                return

    # --- giving back ----------------------------------------------------------------------

    def release(self, lease: Lease, conn: PooledConnection | None, why: str = "error") -> None:
        """Give the slot back: with a connection that is fit for another call, or without one.

        Without one, `why` says for what reason the connection was closed; "" where none was open.
        """
        host = lease.host
        with self._lock:
            if lease.token not in host.active:
                return
            is_doomed = conn is not None and (self._closed or lease.pool.is_closed)
            if not is_doomed:
                host.active.discard(lease.token)
                if conn is not None:
                    conn.idle_since = self._clock.monotonic()
                    lease.pool.idle.append(conn)
                elif why:
                    host.closed[why] += 1
                if self._queued:
                    self._serve()
        if self._lost:
            self._settle()
        if is_doomed and conn is not None:
            conn.close()
            self.release(lease, None, "shutdown")
        elif conn is not None and not self._is_kept:
            self._on_idle()
            self._is_kept = True

    def abandon(self, lease: Lease) -> None:
        """Take back a slot whose owner has vanished; runs inside the collector."""
        self._lost.append((lease.host, lease.token))
        self._settle()

    def _settle(self) -> None:
        """Bury the lost, unless the lock is taken, perhaps by this very thread, into which the
        collector has come: then whoever holds it does so when he lets go."""
        while self._lost and self._lock.acquire(blocking=False):
            try:
                self._bury_the_lost()
            finally:
                self._lock.release()

    def _bury_the_lost(self) -> None:
        while self._lost:
            host, token = self._lost.popleft()
            if token in host.active:
                host.active.discard(token)
                host.closed["abandoned"] += 1
        self._serve()

    # --- sweeping -------------------------------------------------------------------------

    def idle_connections(self) -> list[PooledConnection]:
        """The connections that are idle at this moment."""
        with self._lock:
            return [conn for host in self._hosts.values() for p in host.pools for conn in p.idle]

    def drop_idle(self, verdict: Callable[[PooledConnection], str]) -> int:
        """Close every idle connection for which `verdict` gives a reason; returns how many."""
        victims: list[Closing] = []
        with self._lock:
            self._bury_the_lost()
            for host in self._hosts.values():
                for pool in host.pools:
                    victims += self._sort_out(host, pool, verdict)
        self._close_apart(victims)
        return len(victims)

    def _close_apart(self, victims: list[Closing]) -> None:
        """Close what was sorted out; its room is free only when its sockets are closed."""
        try:
            close_all(victims)
        finally:
            with self._lock:
                for host, _ in victims:
                    host.closing -= 1
                self._serve()
            self._settle()

    def _sort_out(
        self, host: Host, pool: SlotPool, verdict: Callable[[PooledConnection], str]
    ) -> list[Closing]:
        found = [(conn, why) for conn in pool.idle if (why := verdict(conn))]
        for conn, why in found:
            pool.idle.remove(conn)
            host.closed[why] += 1
            host.closing += 1
        return [(host, conn) for conn, _ in found]

    def condemn(self, host: Host, idle_since: float) -> None:
        """Close the connections to a host that have been idle for as long as one found dead."""

        def verdict(conn: PooledConnection) -> str:
            return (
                "condemned" if conn.host_name == host.name and conn.idle_since <= idle_since else ""
            )

        self.drop_idle(verdict)

    def count_closed(self, host: Host, why: str) -> None:
        """Note that a call closed its connection and goes on in the same slot."""
        with self._lock:
            host.closed[why] += 1

    def count_created(self, host: Host, *, tls: bool, seconds: float) -> None:
        """Note that a connection was opened, and how long that took."""
        with self._lock:
            host.created += 1
            host.tls_handshakes += tls
            host.connect_seconds += seconds

    def count_stillborn(self, host: Host, *, seconds: float) -> None:
        """Note that a connection was opened and had to be closed before it could carry a call."""
        with self._lock:
            host.created += 1
            host.closed["handshake"] += 1
            host.connect_seconds += seconds

    def count_reuse_undone(self, host: Host) -> None:
        """The idle connection that was handed out turned out to be unfit."""
        with self._lock:
            host.reused -= 1

    # --- the whole ------------------------------------------------------------------------

    def snapshot(self) -> tuple[dict[str, HostStats], HistogramSnapshot]:
        """Every host's share and the waits, all of one moment."""
        limit = self._config.limit_per_host
        with self._lock:
            hosts = {name: host.stats(limit) for name, host in self._hosts.items()}
            waits = self._waits.snapshot()
        self._settle()
        return hosts, waits

    def forget_pool(self, pool: SlotPool) -> None:
        """Close a pool's idle connections and stop counting it."""
        with self._lock:
            host = pool.slot_host
            victims = self._sort_out(host, pool, lambda conn: "shutdown")
            if pool in host.pools:
                host.pools.remove(pool)
        self._close_apart(victims)

    def close(self) -> None:
        """Refuse new callers, turn away the waiting ones, close what is idle."""
        with self._lock:
            self._closed = True
            for host in list(self._queued):
                for waiter in list(host.waiting):
                    waiter.refused = True
                    self._forget(waiter)
                    waiter.gate.release()
        self.drop_idle(lambda conn: "shutdown")

    @property
    def is_closed(self) -> bool:
        """True once `close` was called."""
        return self._closed

    def reset_after_fork(self) -> None:
        """In a child: what the parent's threads held is not ours, its sockets are let go."""
        self._lock = threading.Lock()
        self._is_kept = False
        self._lost.clear()
        self._queued.clear()
        for host in self._hosts.values():
            host.active.clear()
            host.waiting.clear()
            host.closing = 0
            for pool in host.pools:
                pool.is_closed = True
                while pool.idle:
                    pool.idle.pop().close()
            host.pools.clear()


def close_all(victims: list[Closing]) -> None:
    """Close these connections, outside every lock."""
    for _, conn in victims:
        conn.close()

"""One connection: opened inside the deadline, and able to say whether it is fit for a call."""

from __future__ import annotations

import random
import select
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3.connection
import urllib3.exceptions
from urllib3.util.ssltransport import SSLTransport

from bybit_sync.clock import Clock
from bybit_sync.config import ConnectionPoolConfig

from . import sockets
from .budget import Budget
from .dns import Resolver
from .leaks import LeakWatch
from .pace import Pace

if TYPE_CHECKING:
    from .host import Lease

_AGE_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class Dialer:
    """What every connection of one adapter needs to be opened."""

    config: ConnectionPoolConfig
    resolver: Resolver
    options: list[sockets.SocketOption]
    clock: Clock
    pace: Pace
    leaks: LeakWatch


class PooledConnection:
    """What our plain and TLS connections share. At any time one thread owns it."""

    dialer: Dialer
    sock: Any
    host_name: str = ""
    """``host:port`` under which its slot is counted."""
    has_connected = False
    """True once TCP has; a handshake may follow."""
    lease: Lease | None = None
    """The slot, while a call holds this connection through a response."""
    last_lease: Lease | None = None
    """The slot of the call that has returned it: the next one takes it up, for to make one and to
    collect it again costs as much as to look for it."""
    budget: Budget | None = None
    idle_since = 0.0
    retire_at = float("inf")
    take: Callable[[int], bytes]
    """Reads at most so many bytes; like `put`, there while the connection is open."""
    take_into: Callable[[memoryview], int]
    put: Callable[[bytes | memoryview], int]
    """Writes, and says how much."""
    _poll: Callable[[int], Any] | None = None
    _pending: Callable[[], int] | None = None
    needs_budget = False
    """True where the socket waits by itself, out of our sight."""
    has_new_session = False
    """True until the TLS session of a new connection is kept."""
    _known: Any = None
    _timed: sockets.TimedSocket | sockets.TimedSSLSocket | None = None
    """The part of ``_known``, the socket, that asks the budget before it waits."""

    # --- opening --------------------------------------------------------------------------

    def _new_conn(self) -> socket.socket:
        """A connected TCP socket: the hook that urllib3 calls first in ``connect()``."""
        budget = self.budget
        assert budget is not None
        deadline = budget.start_connecting()
        name, port = self._dns_host, self.port  # type: ignore[attr-defined]
        resolver = self.dialer.resolver
        addresses = resolver.resolve(name, port, deadline)
        budget.phase = "connect"
        self.dialer.pace.take_turn(self.host_name, deadline)
        try:
            source = self.dialer.config.source_address
            result = sockets.connect(addresses, deadline, self.dialer.options, source)
        except (sockets.AllAddressesFailedError, sockets.AllAddressesSilentError) as error:
            resolver.report(name, port, error.failed, connected=False)
            raise
        resolver.report(name, port, result.failed, connected=True)
        self.dialer.pace.note_success(self.host_name)
        sys.audit("http.client.connect", self, name, port)
        self.has_connected = True
        sock = result.sock
        sock.budget = budget
        try:
            # The handshake takes the socket's timeout as one deadline for all of its steps.
            sock.settimeout(budget.patience())
        except BaseException:  # the last moment has passed, and nobody else has the socket yet
            sock.close()
            raise
        budget.phase = "tls" if isinstance(self, PooledHTTPSConnection) else "connect"
        return sock

    def doubt_name(self) -> None:
        """Let the host's name be looked up before the next connect."""
        self.dialer.resolver.doubt(self._dns_host, self.port)  # type: ignore[attr-defined]

    def lend(self, budget: Budget | None) -> None:
        """Lend the connection to one request, or to none when that is over."""
        self.budget = budget
        sock = self.sock
        if sock is not self._known:
            self._known, self._timed = sock, _timed_part(sock)
        if self._timed is not None:
            self._timed.budget = budget

    def note_opened(self) -> None:
        """Set the age clock; called once the handshake is done."""
        sock = self.sock
        self._poll = _poll_of(sock)
        if isinstance(sock, ssl.SSLSocket):
            # What `read` and `write` of the socket do, less two calls each: CPython's own object.
            tls: Any = getattr(sock, "_sslobj", None) or sock
            self.take, self.put, self._pending = tls.read, tls.write, tls.pending
            self.take_into = lambda view: tls.read(len(view), view)
            self.has_new_session = True
        else:
            self.take, self.take_into, self.put = sock.recv, sock.recv_into, sock.send
            self.needs_budget = isinstance(sock, SSLTransport)
        max_age = self.dialer.config.max_age
        if max_age:
            spread = 1.0 + random.uniform(-_AGE_SPREAD, _AGE_SPREAD)
            self.retire_at = self.dialer.clock.monotonic() + max_age * spread

    def keep_session(self) -> None:
        """Let later connections to the host take up this one's TLS session."""
        self.has_new_session = False
        if isinstance(self.sock.context, sockets.TrustContext):
            self.sock.context.remember(self.sock)

    # --- fitness --------------------------------------------------------------------------

    def unfit(self, now: float) -> str:
        """Why this idle connection may not carry another request, or ""."""
        if self.sock is None:
            return "server"
        if now - self.idle_since >= self.dialer.config.keepalive_timeout:
            return "idle"
        if now >= self.retire_at:
            return "age"
        pending, poll = self._pending, self._poll
        if pending is not None and poll is not None and not pending() and not poll(0):
            return ""  # the usual case
        return self.unquiet()

    def unquiet(self) -> str:
        """``server`` or ``unread`` where the connection was closed or holds bytes, or ""."""
        pending = self._pending
        if (pending() > 0) if pending is not None else sockets.holds_unread(self.sock):
            return "unread"
        if self._poll is not None and not self._poll(0):
            return ""
        return "" if sockets.is_quiet(self.sock) else "server"

    def fileno(self) -> int:
        """The socket's descriptor, or -1 where it is closed; any thread may ask."""
        sock = self.sock
        return -1 if sock is None else int(sock.fileno())

    def close(self) -> None:
        """Close the socket at once.

        Where the server has announced that an answer is its last, ``http.client`` closes here
        and reads the body afterwards: so the socket keeps its budget.
        """
        self.has_new_session = False
        self._poll = self._pending = self.budget = self._known = self._timed = None
        self.last_lease = None
        for held in ("take", "take_into", "put"):  # they hold the socket
            self.__dict__.pop(held, None)
        super().close()  # type: ignore[misc]

    def __del__(self) -> None:
        # Reached with an open socket only when a response was dropped unread.
        if getattr(self, "sock", None) is not None:
            self.close()


class PooledHTTPConnection(PooledConnection, urllib3.connection.HTTPConnection):
    """A plain connection."""

    def __init__(self, *args: Any, dialer: Dialer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dialer = dialer


class PooledHTTPSConnection(PooledConnection, urllib3.connection.HTTPSConnection):
    """A TLS connection."""

    def __init__(self, *args: Any, dialer: Dialer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dialer = dialer

    def _tunnel(self) -> None:
        # The proxy's answer to CONNECT comes before TLS with the host; what goes wrong in it
        # has nothing to do with trust.
        assert self.budget is not None
        self.lend(self.budget)
        self.budget.phase = "connect"
        super()._tunnel()
        self.budget.phase = "tls"
        self.sock.settimeout(self.budget.patience())
        if isinstance(self.sock, sockets.TimedSSLSocket):
            self.sock.carries_tls = True


def _timed_part(sock: Any) -> Any:
    if isinstance(sock, SSLTransport):  # TLS in a tunnel through a TLS proxy
        sock = sock.socket
    return sock if isinstance(sock, (sockets.TimedSocket, sockets.TimedSSLSocket)) else None


def _poll_of(sock: Any) -> Callable[[int], Any] | None:
    """Asks the kernel whether one socket has something to read, where the platform has poll."""
    if not hasattr(select, "poll"):
        return None
    poller = select.poll()
    poller.register(sock.fileno(), select.POLLIN | select.POLLPRI)
    return poller.poll

"""One connection: opened inside the deadline, and able to say whether it is fit for a call."""

from __future__ import annotations

import random
import select
import socket
import sys
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

if TYPE_CHECKING:
    from .slots import Lease

_AGE_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class Dialer:
    """What every connection of one adapter needs to be opened."""

    config: ConnectionPoolConfig
    resolver: Resolver
    options: list[sockets.SocketOption]
    clock: Clock


class PooledConnection:
    """What our plain and TLS connections share. At any time one thread owns it."""

    dialer: Dialer
    sock: Any
    host_name: str = ""
    """``host:port`` under which its slot is counted."""
    lease: Lease | None = None
    """The slot, while a call holds this connection through a response."""
    budget: Budget | None = None
    idle_since = 0.0
    retire_at = float("inf")
    _poller: Any = None

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
        try:
            result = sockets.connect(addresses, deadline, self.dialer.options)
        except (sockets.AllAddressesFailedError, sockets.AllAddressesSilentError) as error:
            resolver.report(name, port, error.failed, connected=False)
            raise
        resolver.report(name, port, result.failed, connected=True)
        sys.audit("http.client.connect", self, name, port)
        sock = result.sock
        sock.budget = budget
        # The handshake takes the socket's timeout as one deadline for all of its steps.
        sock.settimeout(budget.patience())
        budget.phase = "tls" if isinstance(self, PooledHTTPSConnection) else "connect"
        return sock

    def attach(self, budget: Budget) -> None:
        """Lend the connection to one request."""
        self._lend(budget)

    def detach(self) -> None:
        """Forget the request that is over."""
        self._lend(None)

    def _lend(self, budget: Budget | None) -> None:
        self.budget = budget
        sock = self.sock
        if isinstance(sock, SSLTransport):  # TLS in a tunnel through a TLS proxy
            sock = sock.socket
        if isinstance(sock, sockets.TimedSocket | sockets.TimedSSLSocket):
            sock.budget = budget

    def note_opened(self) -> None:
        """Set the age clock; called once the handshake is done."""
        self._poller = _poller_for(self.sock)
        max_age = self.dialer.config.max_age
        if max_age:
            spread = 1.0 + random.uniform(-_AGE_SPREAD, _AGE_SPREAD)
            self.retire_at = self.dialer.clock.monotonic() + max_age * spread

    # --- fitness --------------------------------------------------------------------------

    def unfit(self, now: float) -> str:
        """Why this idle connection may not carry another request, or ""."""
        if self.sock is None:
            return "server"
        if now - self.idle_since >= self.dialer.config.keepalive_timeout:
            return "idle"
        if now >= self.retire_at:
            return "age"
        return self.unquiet()

    def unquiet(self) -> str:
        """``server`` or ``unread`` where the connection was closed or holds bytes, or ""."""
        sock = self.sock
        if sockets.holds_unread(sock):
            return "unread"
        if self._poller is not None and not self._poller.poll(0):
            return ""
        return "" if sockets.is_quiet(sock) else "server"

    def fileno(self) -> int:
        """The socket's descriptor, or -1 where it is closed; any thread may ask."""
        sock = self.sock
        return -1 if sock is None else int(sock.fileno())

    def close(self) -> None:
        """Close the socket at once.

        Where the server has announced that an answer is its last, ``http.client`` closes here
        and reads the body afterwards: so the socket keeps its budget.
        """
        self._poller = None
        self.budget = None
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
        self.attach(self.budget)
        self.budget.phase = "connect"
        super()._tunnel()
        self.budget.phase = "tls"
        self.sock.settimeout(self.budget.patience())
        if isinstance(self.sock, sockets.TimedSSLSocket):
            self.sock.carries_tls = True


def _poller_for(sock: Any) -> Any:
    """A poll object that watches one socket, where the platform has poll."""
    if not hasattr(select, "poll") or sock is None:
        return None
    poller = select.poll()
    poller.register(sock.fileno(), select.POLLIN | select.POLLPRI)
    return poller

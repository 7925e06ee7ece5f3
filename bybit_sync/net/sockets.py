"""TCP sockets that know how long their caller can wait, connected over all addresses of a host."""

from __future__ import annotations

import contextlib
import errno
import select
import selectors
import socket
import ssl
import sys
from collections.abc import Sequence
from typing import Any

from urllib3.util.ssltransport import SSLTransport

from bybit_sync.clock import SYSTEM_CLOCK, Deadline
from bybit_sync.config import TcpKeepaliveConfig

from .budget import Budget
from .dns import Address

SocketOption = tuple[int, int, int]
Place = tuple[str, int]
"""A host's name and port."""


_STAGGER_SECONDS = 0.25
"""How long one address is waited for before the next is tried beside it (RFC 8305)."""
_DARWIN_KEEPIDLE = 0x10
_MOST_SESSIONS = 256
_LOOK_EVERY_SECONDS = 60.0
_VERIFIED_FOR_SECONDS = 600.0
"""How long after its certificate was checked a host's sessions are taken up without another check:
as long as a connection lives by default. A certificate may run out, or be replaced."""


class TimedSocket(socket.socket):
    """A socket that never waits past its call's deadline, whoever reads from it.

    ``http.client`` reads through ``recv_into`` and writes through ``sendall``: both ask the
    budget first, so that dripped headers and bodies end in time on every path.
    """

    budget: Budget | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.budget is not None:
            self.budget.limit(self)
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        if self.budget is not None:
            self.budget.limit(self)
            self.budget.note_write()
        super().sendall(*args, **kwargs)


class TrustContext(ssl.SSLContext):
    """A context that remembers, for each host, how to take a TLS session up again.

    That spares both sides the check of certificates, for some minutes. A host's session is offered
    to that host alone; where the server has forgotten it, the handshake is a whole one.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        self.sslsocket_class = TimedSSLSocket
        # By host, with when its certificate was checked; one store or look-up at a time.
        self._sessions: dict[Place, tuple[ssl.SSLSession | None, float]] = {}

    def resume(self, sock: TimedSSLSocket) -> None:
        """Offer the host's last session in the handshake that follows."""
        sock.place = (sock.server_hostname or "", sock.getpeername()[1])
        session, checked_at = self._sessions.get(sock.place, (None, 0.0))
        if session is None:
            return
        if SYSTEM_CLOCK.monotonic() - checked_at < _VERIFIED_FOR_SECONDS:
            sock.session = session

    def remember(self, sock: TimedSSLSocket) -> None:
        """Keep the session of a connection over which an answer has come: with TLS 1.3 there is
        none before that.

        One that was taken up stays for the next. Sessions are looked at seldom: CPython leaks a
        copy, 7 kB, each time that ``SSLSocket.session`` is read (seen in 3.11).
        """
        place, now = sock.place, SYSTEM_CLOCK.monotonic()
        if place is None or sock.session_reused:
            return
        known = self._sessions.get(place)
        if known is None and len(self._sessions) >= _MOST_SESSIONS:
            self._sessions.clear()
        elif known is not None and now - known[1] < _LOOK_EVERY_SECONDS:
            return
        session = sock.session
        has_ticket = session is not None and session.has_ticket
        self._sessions[place] = session if has_ticket else None, now


class TimedSSLSocket(ssl.SSLSocket):
    """The same, inside TLS."""

    budget: Budget | None = None
    place: Place | None = None
    """Whose sessions it may take up."""
    carries_tls = False
    """True on the way to a TLS proxy once a tunnel leads through it: urllib3's TLS inside the
    tunnel knows no time-outs, and reads through ``recv``."""

    def do_handshake(self, block: bool = False) -> None:
        if isinstance(self.context, TrustContext):
            self.context.resume(self)
        # A stream that ends without TLS's own farewell was cut, by whomsoever: not the end of an
        # answer that has no length.
        self.suppress_ragged_eofs = False
        try:
            super().do_handshake(block)
        except BaseException:  # `ssl` itself closes after errors, but not after Ctrl-C
            self.close()
            raise

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        if self.carries_tls and self.budget is not None:
            self.budget.limit(self)
        return super().recv(*args, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.budget is not None:
            self.budget.limit(self)
        try:
            return super().recv_into(*args, **kwargs)
        except ssl.SSLEOFError as error:  # which urllib3 would take for a fault of the handshake
            raise ConnectionResetError("TLS ended inside the answer") from error

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        if self.budget is not None:
            self.budget.limit(self)
            self.budget.note_write()
        super().sendall(*args, **kwargs)


def socket_options(keepalive: TcpKeepaliveConfig) -> list[SocketOption]:
    """TCP_NODELAY, and the keep-alive options that this machine knows."""
    wanted: list[SocketOption] = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    if keepalive.enabled:
        wanted.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
        wanted += _keepalive_options(keepalive)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as scratch:
        return [option for option in wanted if _is_accepted(scratch, option)]


def _keepalive_options(keepalive: TcpKeepaliveConfig) -> list[SocketOption]:
    options: list[tuple[str, float]] = [
        ("TCP_KEEPIDLE", keepalive.idle),
        ("TCP_KEEPINTVL", keepalive.interval),
        ("TCP_KEEPCNT", keepalive.count),
    ]
    found = [
        (socket.IPPROTO_TCP, getattr(socket, name), int(value))
        for name, value in options
        if hasattr(socket, name)
    ]
    if sys.platform == "darwin" and not hasattr(socket, "TCP_KEEPIDLE"):
        found.append((socket.IPPROTO_TCP, _DARWIN_KEEPIDLE, int(keepalive.idle)))
    if hasattr(socket, "TCP_USER_TIMEOUT") and keepalive.user_timeout:
        found.append(
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(keepalive.user_timeout * 1000))
        )
    return found


def _is_accepted(scratch: socket.socket, option: SocketOption) -> bool:
    try:
        scratch.setsockopt(*option)
    except OSError:
        return False
    return True


class ConnectResult:
    """A connected socket, and the addresses that were tried in vain before it."""

    __slots__ = ("failed", "sock")

    def __init__(self, sock: TimedSocket, failed: list[Address]) -> None:
        self.sock = sock
        self.failed = failed


class AllAddressesFailedError(OSError):
    """No address took the connection; ``failed`` lists them."""

    def __init__(self, message: str, failed: list[Address]) -> None:
        super().__init__(message)
        self.failed = failed


class AllAddressesSilentError(TimeoutError):
    """The time was up before an address answered; ``failed`` lists the ones tried."""

    def __init__(self, message: str, failed: list[Address]) -> None:
        super().__init__(message)
        self.failed = failed


def connect(
    addresses: Sequence[Address],
    deadline: Deadline,
    options: Sequence[SocketOption],
    source: str = "",
) -> ConnectResult:
    """A socket to the first address that answers, each tried a moment after the one before.

    `source` is the IP address of this machine to go out from; empty lets the kernel choose.

    Raises:
        AllAddressesSilentError: the deadline passed.
        AllAddressesFailedError: every address refused; the message tells each one's reason.
    """
    race = _Race(addresses, deadline, options, source)
    try:
        return race.run()
    finally:
        race.close()


class _Race:
    """Sockets that are connecting side by side; closes all but the winner."""

    def __init__(
        self,
        addresses: Sequence[Address],
        deadline: Deadline,
        options: Sequence[SocketOption],
        source: str,
    ) -> None:
        self._source = source
        self._waiting = list(addresses)
        self._tried: list[Address] = []
        self._deadline = deadline
        self._options = options
        self._selector = selectors.DefaultSelector()
        self._errors: list[str] = []
        self._winner: TimedSocket | None = None
        self._sockets: list[TimedSocket] = []

    def run(self) -> ConnectResult:
        while True:
            if self._waiting:
                address = self._waiting.pop(0)
                self._tried.append(address)
                if self._start(address):
                    return self._result(address)
            address_or_none = self._wait()
            if address_or_none is not None:
                return self._result(address_or_none)
            if not self._waiting and not self._selector.get_map():
                raise AllAddressesFailedError("; ".join(self._errors), self._tried)

    def close(self) -> None:
        self._selector.close()
        for sock in self._sockets:
            if sock is not self._winner:
                sock.close()

    def _result(self, address: Address) -> ConnectResult:
        assert self._winner is not None
        return ConnectResult(self._winner, [a for a in self._tried if a is not address])

    def _start(self, address: Address) -> bool:
        """Begin to connect; True if that succeeded on the spot."""
        try:
            sock = TimedSocket(address.family, address.kind, address.proto)
            self._sockets.append(sock)
            for option in self._options:
                sock.setsockopt(*option)
            if self._source:
                sock.bind((self._source, 0))
            sock.setblocking(False)
            code = sock.connect_ex(address.sockaddr)
        except OSError as error:
            way = f" from {self._source}" if self._source else ""
            self._errors.append(f"{_show(address)}{way}: {error.strerror or error}")
            return False
        if code == 0:
            self._winner = sock
            return True
        if code not in (errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", -1)):
            self._errors.append(f"{_show(address)}: {_reason(code)}")
            sock.close()
            return False
        self._selector.register(sock, selectors.EVENT_WRITE, address)
        return False

    def _wait(self) -> Address | None:
        """The address that has connected, or None when it is time for the next one."""
        left = self._deadline.remaining()
        if left <= 0.0:
            raise AllAddressesSilentError("no address answered in time", self._tried)
        if not self._selector.get_map():
            return None
        for key, _ in self._selector.select(min(left, _STAGGER_SECONDS) if self._waiting else left):
            sock, address = key.fileobj, key.data
            assert isinstance(sock, TimedSocket)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._selector.unregister(sock)
            if code == 0:
                self._winner = sock
                return address  # type: ignore[no-any-return]
            self._errors.append(f"{_show(address)}: {_reason(code)}")
            sock.close()
        return None


def _show(address: Address) -> str:
    return f"{address.sockaddr[0]}:{address.sockaddr[1]}"


def _reason(code: int) -> str:
    return f"{errno.errorcode.get(code, code)}"


def readable(fds: Sequence[int]) -> set[int]:
    """Those of these descriptors on which the kernel has something to read, an end included."""
    if not hasattr(select, "poll"):
        return set(fds)  # Windows: each has to be looked at
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN | select.POLLPRI)
    return {fd for fd, _ in poller.poll(0)}


def holds_unread(sock: Any) -> bool:
    """True where decrypted bytes lie inside the TLS object, of which the kernel knows nothing."""
    if isinstance(sock, ssl.SSLSocket):
        return sock.pending() > 0
    if isinstance(sock, SSLTransport):
        return sock.sslobj.pending() > 0 or sock.incoming.pending > 0 or holds_unread(sock.socket)
    return False


def is_quiet(sock: Any) -> bool:
    """True for an idle connection that is open and holds no unread byte, kernel's or TLS's.

    TLS 1.3 session tickets lie unread behind every handshake: they are drained here, or a warmed
    connection would look like one that the server has closed.
    """
    if holds_unread(sock) or not isinstance(sock, socket.socket):
        return False  # TLS inside TLS cannot be asked without waiting
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.setblocking(False)
            return _has_nothing_to_read(sock)
        sock.setblocking(False)
        return _has_nothing_to_read(sock, socket.MSG_PEEK)
    except (OSError, ValueError):
        return False


def _has_nothing_to_read(sock: socket.socket, flags: int = 0) -> bool:
    with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
        sock.recv(1, flags)
        return False  # a byte nobody asked for, or the end of the stream
    return True

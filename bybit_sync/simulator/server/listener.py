"""The door: accepts connections, lets them wait for the round trips that they cost, starts TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

from .connection import Connection
from .faults import Rule
from .hub import Hub
from .rudeness import drip_handshake, ignore, refuse_tls

if TYPE_CHECKING:
    from .certificates import Certificates

BACKLOG = 4096
_HANDSHAKE_PATIENCE = 60.0
_NO_DESCRIPTORS_PAUSE = 0.05


def listen(port: int) -> socket.socket:
    """A socket that listens on the loopback."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


class Listener:
    """Accepts on one socket until it is cancelled."""

    def __init__(self, hub: Hub, sock: socket.socket, certificates: Certificates | None) -> None:
        self._hub = hub
        self._socket = sock
        self._certificates = certificates
        # TCP costs a client one round trip, TLS another; the loopback would charge nothing.
        self._entry_delay = hub.latency * (1 if certificates is None else 2)
        self._guests: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Accept for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(self._socket)
            except OSError as error:
                # Out of descriptors, or the client left while it queued.
                self._hub.report(error)
                await asyncio.sleep(_NO_DESCRIPTORS_PAUSE)
                continue
            task = loop.create_task(self._welcome(sock, address[0]))
            self._guests.add(task)
            task.add_done_callback(self._guests.discard)

    async def _welcome(self, sock: socket.socket, address: str) -> None:
        number = self._hub.connections.start()
        rule = self._hub.faults.for_connection()
        served = False
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._entry_delay:
                await asyncio.sleep(self._entry_delay)
            if rule is None or rule.kind in ("silent", "bad_certificate"):
                served = await self._serve(sock, number, address, rule)
            else:
                await self._be_rude(sock, rule)
        except (OSError, ssl.SSLError, asyncio.TimeoutError):
            # The client has left, or does not trust us: its own affair.
            return
        except Exception as error:  # noqa: BLE001 - the top of a task: booked
            self._hub.report(error)
        finally:
            if not served:
                self._hub.connections.end()
                sock.close()

    async def _serve(
        self, sock: socket.socket, number: int, address: str, rule: Rule | None
    ) -> bool:
        context = self._context(rule)
        connection = Connection(
            self._hub, number, address, mute=rule is not None and rule.kind == "silent"
        )
        if rule is not None:
            self._hub.faults.happened(rule.kind)
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: connection,
            sock,
            ssl=context,
            ssl_handshake_timeout=None if context is None else _HANDSHAKE_PATIENCE,
        )
        return True

    def _context(self, rule: Rule | None) -> ssl.SSLContext | None:
        if self._certificates is None:
            return None
        if rule is not None and rule.kind == "bad_certificate":
            return self._certificates.bad(str(rule.details["reason"]))
        return self._certificates.good

    async def _be_rude(self, sock: socket.socket, rule: Rule) -> None:
        self._hub.faults.happened(rule.kind)
        with contextlib.suppress(ConnectionError):
            if rule.kind == "refuse_tls":
                await refuse_tls(sock)
            elif rule.kind == "drip_handshake" and self._certificates is not None:
                await drip_handshake(sock, self._certificates.good, float(rule.details["interval"]))
            else:
                await ignore(sock)

"""The exporter's HTTP server: a thread per reader, so that a slow one keeps nobody waiting."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import selectors
import socket
import socketserver
import threading
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from bybit_sync.clock import SYSTEM_CLOCK, Clock

log = logging.getLogger("bybit_sync.metrics")

PATIENCE = 10.0
"""Seconds that a reader may take over each step of asking and of taking the answer."""
MOST_READERS = 32
"""Connections that may be open; where more come, the oldest, which are stuck, are cut off."""
_BREATH = 0.1


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """Serves a WSGI application from its own threads until it is closed.

    The lock guards the connections that are open, oldest first.

    Raises:
        OSError: the address cannot be had.
    """

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = os.name == "posix"  # elsewhere it would share a port that is in use
    allow_reuse_port = False

    def __init__(
        self,
        address: tuple[str, int],
        application: Callable[..., Any],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self.address_family, where = _place(*address)
        self._lock = threading.Lock()
        self._readers: dict[Any, None] = {}
        super().__init__(where, _Handler)
        self.socket.setblocking(False)  # a reader that is gone before it is accepted holds nobody
        self.set_app(application)
        self._awake, self._wake = socket.socketpair()
        self._thread = threading.Thread(
            target=self._serve, name=f"bybit-metrics-{address[1]}", daemon=True
        )
        self._thread.start()

    def server_bind(self) -> None:
        """Bind, without the look-up of this machine's name that the base class makes."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def _serve(self) -> None:
        # Not serve_forever(), which looks every half second whether it shall end.
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            selector.register(self._awake, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._awake in ready:
                    return
                self.handle_request()

    # --- the readers ----------------------------------------------------------------------

    def get_request(self) -> Any:
        """The next reader's connection."""
        try:
            return super().get_request()
        except OSError:
            # Out of descriptors: the connection stays in the queue, and a loop that asks for it
            # again at once would take the processor from the calls.
            self._clock.sleep(_BREATH)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of the reader's own."""
        with self._lock:
            self._readers[request] = None
            stuck = next(iter(self._readers)) if len(self._readers) > MOST_READERS else None
            if stuck is not None:
                del self._readers[stuck]
        if stuck is not None:
            _cut(stuck)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The reader has been served, or is gone."""
        with self._lock:
            self._readers.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that went away, or dawdled, is no news."""
        log.debug("a reader of the metrics is gone: %s", client_address, exc_info=True)

    # --- the end --------------------------------------------------------------------------

    def close(self) -> None:
        """Stop serving, cut off who still reads, and wait for the thread."""
        self._wake.send(b"x")
        self._thread.join()
        self.close_sockets()
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            _cut(reader)

    def close_sockets(self) -> None:
        """Let the port go; all that a fork, which has no thread, has to do."""
        self.server_close()
        self._awake.close()
        self._wake.close()


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's name)
        """Nothing: a scrape is no event."""

    def get_stderr(self) -> io.TextIOBase:
        """Where wsgiref writes the traceback of a reader that went away."""
        return _Complaints()


class _Complaints(io.TextIOBase):
    def write(self, text: str) -> int:
        log.debug("%s", text.rstrip())
        return len(text)


def _place(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, place = found[0]
    return family, (str(place[0]), port)


def _cut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)

"""A long path to the server: whatever goes through takes half a round trip, either way, and with
a `rate` no more bytes pass than it and TCP's slow start let through (`link` says when).

TCP's own handshake on loopback takes no time, so it is charged afterwards: the first bytes of a
connection leave one round trip after it was opened, as they would on a real path.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable

from .link import Link

_CHUNK_BYTES = 65_536
Parcel = tuple[float, bytes]


class FarPath:
    """Accepts connections and carries their bytes to `target`, late. Daemon threads, two for
    each direction: `time.sleep` is exact to a tenth of a millisecond, a selector's time-out is
    not. `rate` is bytes a second either way for each connection, 0 for no bound."""

    def __init__(self, target: tuple[str, int], round_trip: float, rate: float = 0.0) -> None:
        self._target = target
        self._round_trip = round_trip
        self._rate = rate
        self._listener = socket.create_server((target[0], 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        _spawn(self._accept)

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            far = socket.create_connection(self._target)
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened = time.monotonic()
            self._carry(near, far, opened + self._round_trip)
            self._carry(far, near, opened)

    def _carry(self, source: socket.socket, sink: socket.socket, not_before: float) -> None:
        way: queue.SimpleQueue[Parcel] = queue.SimpleQueue()
        link = Link(self._round_trip, self._rate)

        def take() -> None:
            data = b"-"
            while data:
                data = _received(source)
                for due, piece in _pieces(data, link, max(time.monotonic(), not_before)):
                    way.put((due, piece))

        def give() -> None:
            with contextlib.suppress(OSError):  # the other end is gone: nobody waits for this
                while True:
                    due, data = way.get()
                    time.sleep(max(0.0, due - time.monotonic()))
                    if not data:
                        break
                    sink.sendall(data)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)
            sink.close()

        _spawn(take)
        _spawn(give)


def _pieces(data: bytes, link: Link, now: float) -> list[Parcel]:
    """What was received, in the parcels in which it arrives; its end is one without bytes."""
    parcels, start = [], 0
    for due, size in link.arrivals(now, max(len(data), 1)):
        parcels.append((due, data[start : start + size]))
        start += size
    return parcels


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(_CHUNK_BYTES)
    except OSError:
        return b""


def _spawn(run: Callable[[], None]) -> None:
    threading.Thread(target=run, daemon=True).start()

"""A relay in front of an exchange that breaks connections at random bytes, below TLS."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
from collections import Counter
from typing import Literal

Way = Literal["close", "reset", "stall", "flip"]
WAYS: tuple[Way, ...] = ("close", "close", "reset", "reset", "reset", "flip", "stall")
_PATIENCE = 0.05
_MOST_BYTES = 12_000
"""A handshake takes some 4,000 in both directions together, a call 1,500: so breaks fall on
handshakes, on the first call of a connection and on later ones."""


class BreakingProxy:
    """Relays bytes to one place; each connection is broken after a random number of them.

    The lock guards the dice, the counts and the table of connections.
    """

    def __init__(self, target: tuple[str, int], seed: int) -> None:
        self.broken: Counter[Way] = Counter()
        self.is_breaking = True
        self._target = target
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="breaking-proxy")
        self._acceptor.start()

    def close(self) -> None:
        """Break what is open and join every thread."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._relay, args=(client,), name="breaking-relay")
            self._threads.append(thread)
            thread.start()

    def _fate(self) -> tuple[int, Way]:
        with self._lock:
            return self._dice.randrange(1, _MOST_BYTES), self._dice.choice(WAYS)

    def _relay(self, client: socket.socket) -> None:
        left, way = self._fate()
        with client, socket.create_connection(self._target) as server:
            pairs = {client: server, server: client}
            with contextlib.suppress(OSError):
                while not self._stopping.is_set():
                    ready, _, _ = select.select(list(pairs), [], [], _PATIENCE)
                    for side in ready:
                        data = side.recv(16_384)
                        if not data:
                            return
                        if self.is_breaking and len(data) >= left:
                            self._break(side, pairs[side], data, left, way)
                            return
                        left -= len(data)
                        pairs[side].sendall(data)

    def _break(
        self, side: socket.socket, other: socket.socket, data: bytes, left: int, way: Way
    ) -> None:
        """Let `left` bytes more pass, and then no more; or turn the next one over."""
        with self._lock:
            self.broken[way] += 1
        if way == "flip":
            at = left - 1
            other.sendall(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
            self._drain(side, other)
            return
        other.sendall(data[:left])
        if way == "stall":
            self._stopping.wait(3)
        elif way == "reset":
            for each in (side, other):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _drain(self, side: socket.socket, other: socket.socket) -> None:
        """Relay on until a side has had enough of what it was sent."""
        pairs = {side: other, other: side}
        while not self._stopping.is_set():
            ready, _, _ = select.select(list(pairs), [], [], _PATIENCE)
            for each in ready:
                data = each.recv(16_384)
                if not data:
                    return
                pairs[each].sendall(data)

"""One thread, one selector: reads requests off TLS connections and answers them at once.

asyncio would take longer for a request than the bare contender does, and hide the differences
between the fast ones.
"""

from __future__ import annotations

import re
import selectors
import socket
import ssl

from .answers import Choose

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_MOST_REQUEST_BYTES = 65_536


class Responder:
    """Serves until `stop` turns up readable. It does not check signatures: that would be work
    of the server's in every contender's time."""

    def __init__(self, listener: socket.socket, context: ssl.SSLContext, choose: Choose) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._context = context
        self._choose = choose
        self._selector = selectors.DefaultSelector()

    def run(self, stop: int) -> None:
        """Serve until the descriptor `stop` has something to read, its end included."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(stop, selectors.EVENT_READ)
        while True:
            for key, events in self._selector.select():
                if key.fd == stop:
                    return
                if key.data is None:
                    self._accept()
                else:
                    self._serve(key.data, events)

    def _accept(self) -> None:
        try:
            raw, _ = self._listener.accept()
        except OSError:  # gone again before it was accepted
            return
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock = self._context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        self._selector.register(sock, selectors.EVENT_READ, _Connection(sock, self._choose))

    def _serve(self, conn: _Connection, events: int) -> None:
        try:
            conn.move()
            is_over = conn.is_over
        except ssl.SSLWantReadError:
            is_over = False
        except ssl.SSLWantWriteError:
            is_over = False
        except OSError:  # the client is gone
            is_over = True
        if is_over:
            self._selector.unregister(conn.sock)
            conn.sock.close()
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if conn.unsent else 0)
        if wanted != conn.watched:
            conn.watched = wanted
            self._selector.modify(conn.sock, wanted, conn)


class _Connection:
    """One client's connection and how far it has come."""

    __slots__ = ("_choose", "_inbox", "_is_last", "_ready", "is_over", "sock", "unsent", "watched")

    def __init__(self, sock: ssl.SSLSocket, choose: Choose) -> None:
        self.sock = sock
        self.unsent = memoryview(b"")
        self.watched = selectors.EVENT_READ
        self.is_over = False
        self._choose = choose
        self._inbox = b""
        self._ready = False
        self._is_last = False

    def move(self) -> None:
        """Go on as far as possible; raises SSLWantReadError or SSLWantWriteError to wait."""
        if not self._ready:
            self.sock.do_handshake()
            self._ready = True
        self._flush()
        while not self.is_over:
            data = self.sock.recv(_MOST_REQUEST_BYTES)
            if not data:
                self.is_over = True
                return
            self._inbox += data
            self._answer_all()
            if not self.sock.pending():
                return

    def _answer_all(self) -> None:
        while (end := self._inbox.find(b"\r\n\r\n")) >= 0:
            head = self._inbox[:end]
            length = _LENGTH.search(head) if head.startswith(b"POST") else None
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self._inbox) < stop:
                break
            body, self._inbox = self._inbox[end + 4 : stop], self._inbox[stop:]
            self._is_last = b"connection: close" in head.lower()
            self.unsent = memoryview(self._answer(head, body))
            self._flush()
        if len(self._inbox) > _MOST_REQUEST_BYTES:
            self.is_over = True

    def _answer(self, head: bytes, body: bytes) -> bytes:
        build = self._choose(head)
        return build(body, not self._is_last) if build else _NOT_FOUND

    def _flush(self) -> None:
        while self.unsent:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        self.is_over = self._is_last

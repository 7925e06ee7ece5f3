"""Scripted TCP and TLS servers: each connection is played by a function, everything is counted.

A script takes a `Peer`, which is one accepted connection, and plays it to its end; the connection
is closed when the script returns. The TLS handshake takes place when the script first reads or
writes, so a script that never does stalls before it.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

OK = b"HTTP/1.1 200 OK\r\n"


@dataclass
class Request:
    """What one client asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """Which accepted connection it came on, counted from 0."""


class ServerStoppedError(Exception):
    """The server is closing: the script ends here."""


class Peer:
    """One accepted connection, in the hands of a script."""

    def __init__(self, server: Server, sock: socket.socket, index: int) -> None:
        self.server = server
        self.index = index
        self.raw = sock
        self.sock: Any = sock
        self._buffer = b""
        self._is_shaken = server.tls is None

    def handshake(self) -> None:
        """Do the TLS handshake, once."""
        if self._is_shaken:
            return
        self._is_shaken = True
        assert self.server.tls is not None
        self.sock = self.server.tls.wrap_socket(
            self.raw, server_side=True, do_handshake_on_connect=False
        )
        self.server._know(self.index, self.sock)
        self.sock.do_handshake()
        self.server._count("handshakes")

    def read_request(self) -> Request | None:
        """The next request, or None once the client has closed."""
        self.handshake()
        if not self._fill_until(b"\r\n\r\n"):
            return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        headers = {}
        for one in fields:
            name, _, value = one.partition(":")
            headers[name.strip().lower()] = value.strip()
        request = Request(method, target, headers, self._read_body(headers), self.index)
        self.server._note(request)
        return request

    def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(self._chunks())
        return self._take(int(headers.get("content-length", "0")))

    def _chunks(self) -> Iterator[bytes]:
        while True:
            if not self._fill_until(b"\r\n"):
                return
            size, _, self._buffer = self._buffer.partition(b"\r\n")
            chunk = self._take(int(size, 16))
            self._take(2)
            if not chunk:
                return
            yield chunk

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._receive():
                break
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _fill_until(self, mark: bytes) -> bool:
        while mark not in self._buffer:
            if not self._receive():
                return False
        return True

    def _receive(self) -> bool:
        data = self.sock.recv(65_536)
        self._buffer += data
        return bool(data)

    def send(self, data: bytes) -> None:
        """Send bytes in one go: one TLS record, as long as they fit into one."""
        self.handshake()
        self.sock.sendall(data)

    def answer(
        self, body: bytes = b"{}", *, status: str = "200 OK", headers: str = "", extra: bytes = b""
    ) -> None:
        """Send a whole answer; `extra` bytes follow it in the same TLS record."""
        self.send(plain_answer(body, status=status, headers=headers) + extra)

    def drip(self, data: bytes, every: float = 0.02) -> None:
        """Send byte after byte."""
        for index in range(len(data)):
            self.send(data[index : index + 1])
            self.pause(every)

    def drip_raw(self, data: bytes, every: float = 0.02) -> None:
        """Send byte after byte below TLS."""
        for index in range(len(data)):
            self.raw.sendall(data[index : index + 1])
            self.pause(every)

    def pause(self, seconds: float) -> None:
        """Wait; ends the script when the server closes."""
        if self.server._stopping.wait(seconds):
            raise ServerStoppedError

    def hang(self) -> None:
        """Keep the connection open in silence until the server closes."""
        self.pause(120)

    def farewell(self) -> None:
        """Say that the stream ends here, as TLS wants it; then closing is not cutting."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock = self.sock.unwrap()

    def wait_for_close(self) -> None:
        """Return once the client has closed."""
        with contextlib.suppress(OSError):
            while self.sock.recv(65_536):
                pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Close with FIN; unread bytes are read first, for they would turn it into RST."""
        with contextlib.suppress(OSError):
            self.raw.setblocking(False)
            while self.raw.recv(65_536):
                pass
        self.sock.close()


Script = Callable[[Peer], None]


@dataclass
class Server:
    """Accepts connections and plays a script on each, in a thread of its own.

    ``_lock`` guards the counters and the table of open sockets.
    """

    script: Script
    tls: ssl.SSLContext | None = None
    backlog: int = 256
    host: str = "127.0.0.1"
    port: int = 0
    accepted: int = 0
    handshakes: int = 0
    peak: int = 0
    requests: list[Request] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)
    """What scripts raised besides the end of their connection."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sockets: dict[int, Any] = {}
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((self.host, self.port), backlog=self.backlog)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name=f"server-{self.port}")
        self._acceptor.start()

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def named_url(self) -> str:
        """The same under a name, so that it has to be resolved."""
        return f"{self.scheme}://localhost:{self.port}"

    @property
    def open(self) -> int:
        """Connections that scripts are playing at this moment."""
        with self._lock:
            return len(self._sockets)

    def targets(self) -> list[str]:
        """What was asked for, in order."""
        with self._lock:
            return [request.target for request in self.requests]

    def close(self) -> None:
        """Stop accepting, cut every connection, join every thread; twice is fine."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        self._listener.close()
        with self._lock:
            sockets, threads = list(self._sockets.values()), list(self._threads)
        for sock in sockets:
            with contextlib.suppress(OSError, ValueError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open go on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                index = self.accepted
                self.accepted += 1
                self._sockets[index] = sock
                self.peak = max(self.peak, len(self._sockets))
                peer = Peer(self, sock, index)
                thread = threading.Thread(target=self._play, args=(peer,), name=f"peer-{index}")
                self._threads.append(thread)
            thread.start()

    def _play(self, peer: Peer) -> None:
        try:
            self.script(peer)
        except (OSError, ServerStoppedError):
            pass  # the client has gone, or the server is closing: both end a script
        except BaseException as error:
            self.faults.append(error)
        finally:
            peer.close()
            with self._lock:
                self._sockets.pop(peer.index, None)

    def _know(self, index: int, sock: Any) -> None:
        with self._lock:
            self._sockets[index] = sock

    def _note(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def _count(self, name: str) -> None:
        with self._lock:
            setattr(self, name, getattr(self, name) + 1)


def plain_answer(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> bytes:
    """An answer with a Content-Length; `headers` are whole lines."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode("latin-1")
        + body
    )


# --- scripts ------------------------------------------------------------------------------


def answering(body: bytes = b"{}", *, headers: str = "", after: float = 0.0) -> Script:
    """Answers every request, for as long as the client keeps the connection."""

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            if after:
                peer.pause(after)
            peer.answer(body, headers=headers)

    return script


def sending(*parts: bytes, then: str = "close") -> Script:
    """Sends these bytes after each request; then closes, says farewell and closes, resets, keeps
    on or hangs."""

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            for part in parts:
                peer.send(part)
            if then == "hang":
                peer.hang()
            elif then == "reset":
                peer.reset()
            elif then == "farewell":
                peer.farewell()
            if then != "keep":
                break

    return script


def dripping(head: bytes, drops: bytes, every: float = 0.02) -> Script:
    """Sends `head` at once after a request and `drops` byte by byte."""

    def script(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.send(head) if head else None
            peer.drip(drops, every)

    return script


def in_turn(*scripts: Script) -> Script:
    """The first connection plays the first script, and so on; the last one goes on for ever."""

    def script(peer: Peer) -> None:
        scripts[min(peer.index, len(scripts) - 1)](peer)

    return script


def silent(peer: Peer) -> None:
    """Reads requests and never answers."""
    peer.read_request()
    peer.hang()


def stalling(peer: Peer) -> None:
    """Accepts and never says a word, not even the handshake's first."""
    peer.hang()


def dripping_handshake(peer: Peer) -> None:
    """Announces a long handshake record and sends it byte by byte."""
    peer.drip_raw(b"\x16\x03\x03\x20\x00" + b"\x02" * 4000)


def closing_at_accept(peer: Peer) -> None:
    """Closes each connection as soon as it is accepted."""


def closing_when_asked(peer: Peer) -> None:
    """Reads a request and closes."""
    peer.read_request()


def resetting_when_asked(peer: Peer) -> None:
    """Reads a request and resets."""
    peer.read_request()
    peer.reset()


def answering_then(then: Script, *, answers: int = 1) -> Script:
    """Answers some requests, then plays something else on the same connection."""

    def script(peer: Peer) -> None:
        for _ in range(answers):
            if peer.read_request() is None:
                return
            peer.answer()
        then(peer)

    return script


def closing_after(idle: float) -> Script:
    """Answers one request and closes the connection once it has been idle for so long."""

    def script(peer: Peer) -> None:
        if peer.read_request() is not None:
            peer.answer()
            peer.pause(idle)

    return script


def relaying(peer: Peer) -> None:
    """An HTTP proxy: tunnels CONNECT, forwards absolute URLs."""
    request = peer.read_request()
    while request is not None:
        if request.method == "CONNECT":
            host, _, port = request.target.rpartition(":")
            return _tunnel(peer, host, int(port))
        _forward(peer, request)
        request = peer.read_request()
    return None


def _tunnel(peer: Peer, host: str, port: int) -> None:
    with socket.create_connection((host, port)) as there:
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ways = {peer.sock: there, there: peer.sock}
        while not peer.server._stopping.is_set():
            for sock in select.select(list(ways), [], [], 0.05)[0]:
                data = sock.recv(65_536)
                if not data:
                    return
                ways[sock].sendall(data)


def _forward(peer: Peer, request: Request) -> None:
    url = urlsplit(request.target)
    there = http.client.HTTPConnection(url.hostname or "", url.port or 80)
    try:
        path = url.path + (f"?{url.query}" if url.query else "")
        there.request(request.method, path, request.body, {"Host": request.headers["host"]})
        peer.answer(there.getresponse().read())
    finally:
        there.close()


# --- addresses that do not answer ---------------------------------------------------------


class SilentAddress:
    """A port whose accept queue is full: the kernel drops every further SYN."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind((host, 0))
        self._listener.listen(0)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self._held: list[socket.socket] = []
        for _ in range(3):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.connect_ex((host, self.port))
            self._held.append(sock)

    def close(self) -> None:
        """Let go of everything."""
        for sock in self._held:
            sock.close()
        self._listener.close()


def refused_url(scheme: str = "http") -> str:
    """The URL of a port on which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"


def connections_in_kernel(port: int) -> int:
    """Established connections to a local port, as the kernel lists them on the server's side."""
    wanted, established = f":{port:04X}", "01"
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[1].endswith(wanted) and row[3] == established for row in rows)

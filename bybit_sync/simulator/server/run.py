"""Builds a server from its settings and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from bybit_sync.simulator.ready import Ready
from bybit_sync.simulator.settings import Settings

from .admin import Admin, AdminConnection
from .clock import ServerClock
from .faults import FaultPlan
from .gateway import Gateway
from .hub import Hub
from .journal import Journal
from .listener import Listener, listen
from .venue import Venue

if TYPE_CHECKING:
    from .certificates import Certificates

_TICK = 0.5
_SAVE_AT_LEAST_EVERY = 1.0
_SAVE_SHARE = 20
"""Saving may take one part in so many of the server's time."""
_PARENT_CHECK = 1.0


class Server:
    """All parts of one local exchange."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._has_state = settings.state is not None
        self._socket = listen(settings.port)
        clock, faults = ServerClock(), FaultPlan()
        self._venue = Venue.open(settings.world, settings.seed, settings.state)
        self._certificates = _certificates() if settings.tls else None
        self._ca_file = directory / "ca.pem"
        self._hub = Hub(
            gateway=Gateway(settings, self._venue, clock, faults),
            clock=clock,
            faults=faults,
            journal=Journal(),
            latency=settings.latency,
            idle_timeout=settings.idle_timeout,
        )
        self._saved_at = (-1, -1)

    async def run(self, ready: Callable[[Ready], None], stop: asyncio.Event) -> None:
        """Serve until `stop` is set; `ready` is called once connections are accepted."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._report)
        if self._certificates is not None:
            self._ca_file.write_bytes(self._certificates.authority_pem)
        admin_socket = listen(0)
        where = self._where(admin_socket)
        save = self._venue.save if self._has_state else None
        admin = Admin(self._hub, self._venue, where, save)
        admin_server = await loop.create_server(lambda: AdminConnection(admin), sock=admin_socket)
        listener = Listener(self._hub, self._socket, self._certificates)
        tasks = [loop.create_task(listener.run()), loop.create_task(self._live())]
        ready(where)
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            admin_server.close()
            self._socket.close()
            for connection in list(self._hub.live):
                connection.hang_up()
            self._venue.close()

    def _where(self, admin_socket: socket.socket) -> Ready:
        scheme = "http" if self._certificates is None else "https"
        key = self._venue.first_key
        return Ready(
            url=f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}",
            admin_url=f"http://127.0.0.1:{admin_socket.getsockname()[1]}",
            api_key=key.api_key,
            api_secret=key.api_secret,
            uid=key.uid,
            ca_file=None if self._certificates is None else str(self._ca_file),
            pid=os.getpid(),
        )

    async def _live(self) -> None:
        """Let the market's time pass, and keep the state file up to date."""
        pause = _SAVE_AT_LEAST_EVERY
        while True:
            await asyncio.sleep(_TICK)
            try:
                self._venue.tick()
                pause -= _TICK
                if pause <= 0:
                    pause = max(_SAVE_AT_LEAST_EVERY, self._save_if_used() * _SAVE_SHARE)
            except Exception as error:  # noqa: BLE001 - the top of a task: booked
                self._hub.report(error)

    def _save_if_used(self) -> float:
        """Write the state if anybody has called since; returns the seconds that it took.

        What the market alone has done since is done again after loading: its path is fixed. What
        clients have done since is in the diary.
        """
        used = (self._hub.journal.total, len(self._venue.keyring.keys()))
        if used == self._saved_at:
            return 0.0
        self._saved_at = used
        return self._venue.save()

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError):
            return  # a client that went away
        known = error if isinstance(error, BaseException) else RuntimeError(context.get("message"))
        self._hub.report(known)


def _certificates() -> Certificates:
    from .certificates import Certificates  # slow to import, and not wanted without TLS

    return Certificates()


def run(
    settings: Settings, directory: Path, ready: Callable[[Ready], None], *, child: bool
) -> None:
    """Serve until SIGTERM or Ctrl-C; a `child` also stops when its standard input ends."""
    _raise_descriptor_limit()
    server = Server(settings, directory)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        with _signals(lambda: loop.call_soon_threadsafe(stop.set), child=child):
            if child:
                _watch_parent(lambda: loop.call_soon_threadsafe(stop.set))
            await server.run(ready, stop)

    asyncio.run(main())


@contextlib.contextmanager
def _signals(stop: Callable[[], object], *, child: bool) -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, handle)}
    # Ctrl-C in the parent's terminal is the parent's to act on.
    wanted = signal.SIG_IGN if child else handle
    before[signal.SIGINT] = signal.signal(signal.SIGINT, wanted)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch_parent(stop: Callable[[], object]) -> None:
    """Stop when the parent is gone: its end of the pipe is closed, or we have another parent."""

    def read_to_the_end() -> None:
        while os.read(0, 4096):
            pass
        end()

    def ask() -> None:
        # A process that the parent has forked holds the pipe open too.
        while os.getppid() == parent:
            timer.wait(_PARENT_CHECK)
        end()

    def end() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped already
            stop()

    parent, timer = os.getppid(), threading.Event()
    threading.Thread(target=read_to_the_end, name="parent-pipe", daemon=True).start()
    if sys.platform != "win32":
        threading.Thread(target=ask, name="parent-pid", daemon=True).start()


def _raise_descriptor_limit() -> None:
    """As many connections as the system allows."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

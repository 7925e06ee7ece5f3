"""One client's connection: requests in, answers or misdeeds out."""

from __future__ import annotations

import asyncio
from typing import Any

from bybit_sync.simulator.refusal import Refusal

from .http import HttpProtocol, Request, Response
from .hub import Hub
from .journal import Arrival
from .misdeeds import misbehave


class Connection(HttpProtocol):
    """Serves one request after the other, each in its own time."""

    def __init__(self, hub: Hub, number: int, address: str, *, mute: bool = False) -> None:
        super().__init__(number, address)
        self._hub = hub
        self._mute = mute
        self._task: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._last_used = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the idle watch, if there is one."""
        super().connection_made(transport)
        self._hub.live.add(self)
        if transport.get_extra_info("ssl_object") is not None:
            self._hub.connections.tls_handshakes += 1
        self._last_used = asyncio.get_running_loop().time()
        self.watch()

    def data_received(self, data: bytes) -> None:
        """Hear the request, unless this connection is struck dumb."""
        if not self._mute:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; what it has asked for is still done."""
        super().connection_lost(exc)
        self._hub.live.discard(self)
        self._hub.connections.end()
        if self._watch is not None:
            self._watch.cancel()

    def serve(self) -> None:
        """Answer at once what can be answered at once, the rest in a task."""
        hub = self._hub
        if self._task is not None:
            return
        while self.waiting and not self.is_closing:
            if hub.latency or hub.faults.threatens_requests:
                self._task = asyncio.get_running_loop().create_task(self._serve_slowly())
                return
            request = self.waiting.popleft()
            arrival = hub.journal.record(request, hub.clock.now_ms())
            self.send(request, self.answer(request, arrival))

    async def _serve_slowly(self) -> None:
        hub = self._hub
        half_trip = hub.latency / 2
        try:
            while self.waiting:
                request = self.waiting.popleft()
                await asyncio.sleep(half_trip)
                arrival = hub.journal.record(request, hub.clock.now_ms())
                rule = hub.faults.for_request(request.path)
                if rule is None:
                    response = self.answer(request, arrival)
                    await asyncio.sleep(half_trip)
                    self.send(request, response)
                else:
                    arrival.fault = rule.kind
                    await misbehave(self, request, arrival, rule, half_trip)
        except Exception as error:  # noqa: BLE001 - the top of a task: booked, and the client told
            hub.report(error)
            self.transport.abort()
        finally:
            self._task = None

    def answer(self, request: Request, arrival: Arrival) -> Response:
        """The true answer; a fault of our own is told as Bybit tells its own."""
        try:
            return self._hub.gateway.answer(request, arrival)
        except Exception as error:  # noqa: BLE001 - booked by report; the next request must be served
            self._hub.report(error)
            return self.refusal(request, Refusal(10016, "Internal server error"))

    def refusal(self, request: Request, refusal: Refusal, limit: Any = None) -> Response:
        """An answer that says no, whatever was asked."""
        return self._hub.gateway.refusal(request, refusal, limit)

    def limit_headers(self, path: str, reset: str) -> Any:
        """The headers that go with 10006."""
        return self._hub.gateway.limit_headers(path, reset)

    def now_ms(self) -> int:
        """The exchange's time."""
        return self._hub.clock.now_ms()

    def happened(self, kind: str, path: str) -> None:
        """Count a misdeed."""
        self._hub.faults.happened(kind, path)

    def send(self, request: Request, response: Response) -> None:
        """Write an answer, and close if the client wants that."""
        if self.is_closing:
            return
        self._last_used = asyncio.get_running_loop().time()
        self.transport.write(response.encode(keep_alive=request.keep_alive))
        if not request.keep_alive:
            self.hang_up()

    # --- idle time-out ---

    def watch(self) -> None:
        """Look again when the connection may have been unused for too long."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        patience = self._hub.patience
        if patience is None or self.closed.done():
            return
        seconds, is_fault = patience
        loop = asyncio.get_running_loop()
        due = self._last_used + seconds
        if self._task is None and due <= loop.time():
            if is_fault:
                self._hub.faults.happened("close_idle")
            self.hang_up()
            return
        # A busy connection is looked at again one time-out later.
        when = due if self._task is None else loop.time() + seconds
        self._watch = loop.call_at(when, self.watch)

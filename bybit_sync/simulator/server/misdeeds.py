"""How each fault of a request is carried out on its connection.

Each one is counted when it has come true, after what makes it true was done to the socket. What is
written before a close is sent; a reset throws away what the client has not read.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from bybit_sync.simulator.refusal import Refusal

from .faults import Rule
from .http import HTML, JSON, HttpProtocol, Request, Response
from .journal import Arrival

if TYPE_CHECKING:
    from .connection import Connection

MAINTENANCE = Refusal(10016, "The service is under maintenance.")
GATEWAY_PAGE = (
    "<html><head><title>502 Bad Gateway</title></head>"
    "<body><center><h1>502 Bad Gateway</h1></center><hr></body></html>"
)
_ENDLESS_CHUNK = b" " * 65536


class Scene:
    """A request that meets a fault, with all that the fault needs."""

    def __init__(
        self,
        connection: Connection,
        request: Request,
        arrival: Arrival,
        rule: Rule,
        half_trip: float,
    ) -> None:
        self.connection = connection
        self.request = request
        self.details = rule.details
        self._arrival = arrival
        self._kind = rule.kind
        self._half_trip = half_trip

    def act(self) -> Response:
        """Let the exchange do what was asked; the answer is in hand, not sent."""
        return self.connection.answer(self.request, self._arrival)

    def act_if_accepted(self) -> None:
        """The same where the fault comes after it."""
        if self.details["after_accept"]:
            self.act()

    async def way_back(self) -> None:
        """The time that an answer takes to the client."""
        await asyncio.sleep(self._half_trip)

    async def reply(self, response: Response) -> None:
        """Send a whole answer."""
        await self.way_back()
        self._arrival.status = response.status
        self._arrival.ret_code = response.ret_code
        self.connection.send(self.request, response)
        self.happened()

    def happened(self) -> None:
        """Count it."""
        self.connection.happened(self._kind, self.request.path)


async def misbehave(
    connection: Connection, request: Request, arrival: Arrival, rule: Rule, half_trip: float
) -> None:
    """Do to this request what the rule says."""
    await _DEEDS[rule.kind](Scene(connection, request, arrival, rule, half_trip))


async def _drop_before(scene: Scene) -> None:
    await scene.way_back()
    scene.connection.hang_up()
    scene.happened()


async def _drop_after(scene: Scene) -> None:
    scene.act()
    await _drop_before(scene)


async def _reset_before(scene: Scene) -> None:
    await scene.way_back()
    reset(scene.connection)
    scene.happened()


async def _reset_after(scene: Scene) -> None:
    scene.act()
    await _reset_before(scene)


async def _stall(scene: Scene) -> None:
    scene.act_if_accepted()
    scene.happened()
    await scene.connection.closed


async def _late(scene: Scene) -> None:
    seconds = float(scene.details["seconds"])
    if scene.details["after_accept"]:
        response = scene.act()
        await asyncio.sleep(seconds)
    else:
        # The client may have given up and gone; the request is acted on all the same.
        await asyncio.sleep(seconds)
        response = scene.act()
    await scene.reply(response)


async def _drip_headers(scene: Scene) -> None:
    response = scene.act()
    await scene.way_back()
    scene.happened()
    await _drip(scene, response.encode(keep_alive=True))


async def _drip_body(scene: Scene) -> None:
    response = scene.act()
    await scene.way_back()
    scene.connection.transport.write(response.head(keep_alive=True))
    scene.happened()
    await _drip(scene, response.body)


async def _drip(scene: Scene, data: bytes) -> None:
    for index in range(len(data)):
        if scene.connection.is_closing:
            return
        scene.connection.transport.write(data[index : index + 1])
        await asyncio.sleep(float(scene.details["interval"]))


async def _cut_body(scene: Scene) -> None:
    response = scene.act()
    await scene.way_back()
    half = response.body[: len(response.body) // 2]
    head = response.head(keep_alive=True, length=len(response.body))
    scene.connection.transport.write(head + half)
    if scene.details["reset"]:
        reset(scene.connection)
    else:
        scene.connection.hang_up()
    scene.happened()


async def _endless_body(scene: Scene) -> None:
    scene.act()
    await scene.way_back()
    connection = scene.connection
    connection.transport.write(Response(200, b"").head(keep_alive=True, length=1 << 40))
    scene.happened()
    while not connection.is_closing:
        connection.transport.write(_ENDLESS_CHUNK)
        while not connection.is_closing and connection.unsent_bytes:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)


async def _stray_bytes(scene: Scene) -> None:
    response = scene.act()
    await scene.way_back()
    # In one piece: so that they lie decrypted inside the client's TLS object.
    answer = response.encode(keep_alive=True) + scene.details["data"].encode()
    scene.connection.transport.write(answer)
    scene.happened()


async def _http_status(scene: Scene) -> None:
    scene.act_if_accepted()
    body = str(scene.details["body"])
    content_type = JSON if body.startswith(("{", "[")) else HTML
    headers = [(str(k), str(v)) for k, v in scene.details["headers"].items()]
    await scene.reply(Response(int(scene.details["status"]), body.encode(), content_type, headers))


async def _html(scene: Scene) -> None:
    scene.act_if_accepted()
    await scene.reply(Response(200, GATEWAY_PAGE.encode(), HTML))


async def _ret_code(scene: Scene) -> None:
    scene.act_if_accepted()
    refusal = Refusal(int(scene.details["code"]), str(scene.details["msg"]))
    await scene.reply(scene.connection.refusal(scene.request, refusal))


async def _rate_limit(scene: Scene) -> None:
    reset_header = scene.details["reset_header"]
    if reset_header is None:
        reset_in_ms = int(float(scene.details["reset_in"]) * 1000)
        reset_header = scene.connection.now_ms() + reset_in_ms
    headers = scene.connection.limit_headers(scene.request.path, str(reset_header))
    refusal = Refusal(10006, "Too many visits!")
    await scene.reply(scene.connection.refusal(scene.request, refusal, headers))


async def _maintenance(scene: Scene) -> None:
    await scene.reply(scene.connection.refusal(scene.request, MAINTENANCE))


async def _close_after_answer(scene: Scene) -> None:
    response = scene.act()
    await scene.way_back()
    announced = bool(scene.details["announce"])
    scene.connection.transport.write(response.encode(keep_alive=not announced))
    scene.connection.hang_up()
    scene.happened()


async def _garbage(scene: Scene) -> None:
    scene.act_if_accepted()
    await scene.way_back()
    scene.connection.transport.write(scene.details["data"].encode("latin-1", "replace"))
    if scene.details["close"]:
        scene.connection.hang_up()
    scene.happened()


def reset(connection: HttpProtocol) -> None:
    """Close with a TCP reset."""
    connection.waiting.clear()
    transport: Any = connection.transport
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


_DEEDS: Mapping[str, Callable[[Scene], Awaitable[None]]] = {
    "drop_before_accept": _drop_before,
    "drop_after_accept": _drop_after,
    "reset_before": _reset_before,
    "reset_after": _reset_after,
    "stall": _stall,
    "late": _late,
    "drip_headers": _drip_headers,
    "drip_body": _drip_body,
    "cut_body": _cut_body,
    "endless_body": _endless_body,
    "stray_bytes": _stray_bytes,
    "http_status": _http_status,
    "html": _html,
    "ret_code": _ret_code,
    "rate_limit": _rate_limit,
    "maintenance": _maintenance,
    "close_after_answer": _close_after_answer,
    "garbage": _garbage,
}

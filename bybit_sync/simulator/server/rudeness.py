"""What a connection may meet in place of a TLS handshake."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

_HANDSHAKE_FAILURE = bytes.fromhex("15 03 03 00 02 02 28")
_HELLO_PATIENCE = 10.0


async def ignore(sock: socket.socket) -> None:
    """Say nothing until the client has left."""
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(sock, 65536):
        pass


async def refuse_tls(sock: socket.socket) -> None:
    """Answer the client's hello with an alert."""
    loop = asyncio.get_running_loop()
    await asyncio.wait_for(loop.sock_recv(sock, 65536), _HELLO_PATIENCE)
    await loop.sock_sendall(sock, _HANDSHAKE_FAILURE)


async def drip_handshake(sock: socket.socket, context: ssl.SSLContext, interval: float) -> None:
    """Answer the client's hello one byte at a time."""
    loop = asyncio.get_running_loop()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        received = await loop.sock_recv(sock, 65536)
        if not received:
            return
        incoming.write(received)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        for byte in outgoing.read():
            await loop.sock_sendall(sock, bytes([byte]))
            await asyncio.sleep(interval)

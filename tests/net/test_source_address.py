"""Connections go out from the address of this machine that the pool names."""

from __future__ import annotations

import sys

import pytest

from bybit_sync.exceptions import ConnectError

from . import servers
from .conftest import MakeSession, Serve
from .servers import Peer
from .tools import failure, is_at_rest, send

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has all of 127.0.0.0/8"
)


@pytest.mark.parametrize("tls", [False, True])
def test_a_pool_goes_out_from_its_own_address(
    tls: bool, serve: Serve, make_session: MakeSession
) -> None:
    seen: list[str] = []

    def script(peer: Peer) -> None:
        seen.append(peer.raw.getpeername()[0])
        servers.answering()(peer)

    server = serve(script, tls=tls)
    for source in ("", "127.0.0.2", "127.0.0.3"):
        session = make_session(source_address=source)
        send(session, server.url)
        send(session, server.url)

    assert seen == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


def test_an_address_that_is_not_this_machines_is_told(
    serve: Serve, make_session: MakeSession
) -> None:
    server = serve(servers.answering())
    session = make_session(source_address="192.0.2.1")

    error = failure(session, server.url)

    assert isinstance(error, ConnectError)
    assert "from 192.0.2.1" in error.message
    assert not error.effect_unknown
    assert is_at_rest(session)

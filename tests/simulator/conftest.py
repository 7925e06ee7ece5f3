"""One running server for the tests that only talk to it; others start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bybit_sync.simulator import LocalExchange

from .wire import Trader

FAKE_WORLD = "tests.simulator.fake_world:FakeWorld"


@pytest.fixture(scope="session")
def shared_server() -> Iterator[LocalExchange]:
    with LocalExchange(limits=False, ip_limit=None, world=FAKE_WORLD) as server:
        yield server


@pytest.fixture
def server(shared_server: LocalExchange) -> Iterator[LocalExchange]:
    """A server without limits before the least of worlds; nothing is left that shall go wrong."""
    yield shared_server
    shared_server.faults.clear()


@pytest.fixture
def trader(server: LocalExchange) -> Iterator[Trader]:
    with Trader(server) as trader:
        yield trader

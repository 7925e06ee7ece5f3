"""A round trip costs what it is told to, for a request and for each step of a new connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bybit_sync.simulator import LocalExchange

from .conftest import FAKE_WORLD
from .wire import Trader

TRIP = 0.1
TIME = "/v5/market/time"


@pytest.fixture(scope="module", params=[True, False], ids=["https", "http"])
def distant(request: pytest.FixtureRequest) -> Iterator[LocalExchange]:
    with LocalExchange(
        latency=TRIP, tls=request.param, limits=False, ip_limit=None, world=FAKE_WORLD
    ) as server:
        yield server


def trips(started: float) -> int:
    """Whole round trips since then: what a test may say about time on a busy machine."""
    return int((time.monotonic() - started) / TRIP)


def test_a_new_connection_costs_its_trips_and_a_warm_one_only_the_requests(
    distant: LocalExchange,
) -> None:
    with Trader(distant) as trader:
        started = time.monotonic()
        trader.get(TIME)
        cold = trips(started)
        started = time.monotonic()
        trader.get(TIME)
        warm = trips(started)

    assert cold >= (3 if distant.ca_file else 2)
    assert warm >= 1
    assert warm < cold


def test_connections_wait_side_by_side(distant: LocalExchange) -> None:
    def cold(_: int) -> int:
        with Trader(distant) as trader:
            return trader.get(TIME).status

    started = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(cold, range(10)))

    assert statuses == [200] * 10
    assert trips(started) < 10  # one after the other they would take 20 or 30


def test_the_order_is_booked_half_way(distant: LocalExchange) -> None:
    before = len(distant.orders)
    with Trader(distant, timeout=TRIP * 0.8) as trader, pytest.raises(TimeoutError):
        trader.http.timeout = 5
        trader.get(TIME)
        trader.http.sock.settimeout(TRIP * 0.8)
        trader.place()

    assert len(distant.orders) == before + 1


def test_faults_wait_their_half_way_too(distant: LocalExchange) -> None:
    with Trader(distant) as trader:
        trader.get(TIME)
        distant.faults.ret_code(TIME, 10016)
        started = time.monotonic()

        assert trader.get(TIME).code == 10016
        assert trips(started) >= 1

"""What the tests of the client against the exchange share."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, BybitError, Config, ConnectionPoolConfig, TlsConfig
from bybit_sync.simulator import LocalExchange
from tests.net.tools import latest

TIME = "/v5/market/time"
ORDER = "/v5/order/create"
RESTING: dict[str, Any] = {
    "category": "spot",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.001",
    "price": "10000",
}
"""An order far below the market: it is accepted and stays open."""


def connect(
    exchange: LocalExchange,
    *,
    keys: bool = True,
    account: Any = None,
    registry: CollectorRegistry | None = None,
    pool: dict[str, Any] | None = None,
    **tables: Any,
) -> BybitClient:
    """A client on the exchange; `pool` and `tables` are settings that differ from the defaults."""
    owner = account or exchange
    config = Config(
        tls=TlsConfig(ca_file=exchange.ca_file or ""),
        connection_pool=ConnectionPoolConfig(**(pool or {})),
        **tables,
    )
    return BybitClient(
        owner.api_key if keys else None,
        owner.api_secret if keys else None,
        base_url=exchange.url,
        config=config,
        registry=registry or CollectorRegistry(),
    )


def failure(call: Callable[[], Any]) -> BybitError:
    """The error that a call ends with; it must be one of ours."""
    with pytest.raises(BybitError) as caught:
        call()
    return caught.value


class Seen:
    """What has arrived at the exchange since this was made."""

    def __init__(self, exchange: LocalExchange) -> None:
        self._exchange = exchange
        self._before = exchange.requests.count()

    def count(self) -> int:
        """How many requests."""
        return self._exchange.requests.count() - self._before

    def rows(self, path: str | None = None) -> list[dict[str, Any]]:
        """The requests, oldest first."""
        every = [row for row in self._exchange.requests if row["number"] >= self._before]
        return [row for row in every if path in (None, row["path"])]

    def paths(self) -> list[str]:
        """Where they went, oldest first."""
        return [row["path"] for row in self.rows()]


def orders_named(exchange: LocalExchange, orderLinkId: str) -> list[dict[str, Any]]:
    """Every order that was ever accepted under this name, whoever placed it."""
    return [order for order in exchange.orders if order["orderLinkId"] == orderLinkId]


def new_name() -> str:
    """An orderLinkId that no test has used."""
    return f"test-{uuid.uuid4().hex[:24]}"


def is_at_rest(client: BybitClient) -> bool:
    """No connection is held and nobody waits for one."""
    stats = client.pool_stats()
    return stats.active == 0 and stats.waiting == 0


@contextlib.contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """The block takes no longer than a call with this ``total_timeout`` may."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started <= latest(seconds)


def eventually(holds: Callable[[], Any], within: float = 5.0) -> None:
    """Wait until something holds that another thread or process brings about."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.003)

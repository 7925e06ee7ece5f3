"""An exchange of one order for tests of `bybit_sync.orders`, and orders that go to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bybit_sync import (
    BybitError,
    ConnectionLostError,
    OrdersConfig,
    RateLimitConfig,
    RetryConfig,
)
from bybit_sync.net.answer import Answer
from bybit_sync.orders import Orders
from bybit_sync.orders.inquiry import CLOCK_MARGIN
from tests.conftest import FakeClock

from .call_fakes import ORDER, FakeTransport, Sent, answer, envelope, pipeline

NAME = "mine-1"
WANTED = {**ORDER, "orderLinkId": NAME}
WINDOW, LAG, TIMEOUT = 2.0, 5.0, 60.0
PROOF = WINDOW + LAG + CLOCK_MARGIN
LOST = ConnectionLostError("gone", phase="read", effect_unknown=True)


class Bybit:
    """An exchange of one order, which answers as a test says."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.sent: list[Sent] = []
        self.on_post: list[Any] = []
        """Answers, errors or functions for the POSTs, in turn; then acknowledgements."""
        self.on_get: Any = None
        """An error for every query."""
        self.rows: list[dict[str, Any]] = []
        self.ahead_ms = 0

    def serve(self, sent: Sent) -> Answer:
        self.sent.append(sent)
        self.clock.advance(0.001)
        if sent.method == "GET":
            return self._list() if self.on_get is None else _act(self.on_get, sent)
        if self.on_post:
            return _act(self.on_post.pop(0), sent)
        return self.acknowledge(sent)

    def acknowledge(self, sent: Sent) -> Answer:
        name = sent.json.get("orderLinkId", "")
        return self.says({"orderId": "id-1", "orderLinkId": name})

    def says(self, result: Any, code: int = 0, **more: Any) -> Answer:
        now_ms = int(self.clock.wall() * 1000) + self.ahead_ms
        return answer(envelope(result, retCode=code, time=now_ms, **more), elapsed=0.001)

    def shows(self, **changes: Any) -> None:
        now_ms = int(self.clock.wall() * 1000)
        row = {**WANTED, "orderId": "id-1", "orderStatus": "New", "createdTime": str(now_ms)}
        self.rows = [{**row, **changes}]

    def _list(self) -> Answer:
        return self.says({"list": self.rows})

    def posts(self) -> list[str]:
        return [sent.target for sent in self.sent if sent.method == "POST"]

    def queries(self) -> int:
        return sum(sent.method == "GET" for sent in self.sent)


def _act(act: Any, sent: Sent) -> Answer:
    if isinstance(act, BaseException):
        raise act
    return act(sent) if callable(act) else act


def orders_at(bybit: Bybit) -> Orders:
    """Orders that go to this exchange, over a transport that needs no time."""
    transport = FakeTransport(bybit.clock, [bybit.serve])
    config = OrdersConfig(recv_window_ms=int(WINDOW * 1000), query_lag=LAG)
    calls = pipeline(
        transport,
        retry=RetryConfig(base_delay=0.01),
        rate_limit=RateLimitConfig(mode="off"),
        orders=config,
    )
    return Orders(calls, config, TIMEOUT)


def failure(call: Callable[[], Any]) -> BybitError:
    with pytest.raises(BybitError) as caught:
        call()
    return caught.value

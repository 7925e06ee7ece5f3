"""The requests that are measured, each as every contender can make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import orjson

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Work:
    """One request: its wire form, and what the client libraries call it."""

    name: str
    method: str
    path: str
    params: Mapping[str, str | int]
    """In the order of their names, as pybit sorts them: the same bytes for everybody."""
    function: str
    """pybit's method, and ours in `group`."""
    group: str
    ccxt: str
    is_signed: bool = True
    query: str = field(init=False)
    body: bytes = field(init=False)

    def __post_init__(self) -> None:
        is_get = self.method == "GET"
        object.__setattr__(self, "query", urlencode(self.params) if is_get else "")
        object.__setattr__(self, "body", b"" if is_get else orjson.dumps(dict(self.params)))

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


SMALL = Work(
    "small GET",
    "GET",
    "/v5/order/realtime",
    {"category": "linear", "symbol": "BTCUSDT"},
    "get_open_orders",
    "trade",
    "privateGetV5OrderRealtime",
)
MIDDLE = Work(
    "17 kB GET",
    "GET",
    "/v5/order/history",
    {"category": "linear", "limit": 50},
    "get_order_history",
    "trade",
    "privateGetV5OrderHistory",
)
LARGE = Work(
    "310 kB GET",
    "GET",
    "/v5/market/tickers",
    {"category": "linear"},
    "get_tickers",
    "market",
    "publicGetV5MarketTickers",
    is_signed=False,
)
ORDER = Work(
    "order POST",
    "POST",
    "/v5/order/create",
    {
        "category": "linear",
        "orderLinkId": "bench-0000000000000001",
        "orderType": "Limit",
        "price": "64000",
        "qty": "0.01",
        "side": "Buy",
        "symbol": "BTCUSDT",
    },
    "place_order",
    "trade",
    "privatePostV5OrderCreate",
)
ALL = (SMALL, MIDDLE, LARGE, ORDER)

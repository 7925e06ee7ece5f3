"""A client whose connection answers at once, from memory: what is left is our own code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, Config, ConnectionPoolConfig, RateLimitConfig
from bybit_sync.net.connection import PooledHTTPConnection

_PATH = "/v5/order/realtime"
_BODY = (
    b'{"retCode":0,"retMsg":"OK","result":{"list":[{"orderId":"1","symbol":"BTCUSDT","qty":"1"}],'
    b'"nextPageCursor":"","category":"linear"},"retExtInfo":{},"time":1764000000000}'
)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: openresty\r\nDate: Tue, 24 Nov 2026 16:00:00 GMT\r\n"
    b"Content-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"
    b"Connection: keep-alive\r\nRet_code: 0\r\nTraceid: 5d3c6c5f7a6e4f0a\r\n"
    b"Timenow: 1764000000000\r\nX-Bapi-Limit: 100000\r\nX-Bapi-Limit-Status: 99999\r\n"
    b"X-Bapi-Limit-Reset-Timestamp: 1764000000000\r\n"
    b"X-Cache: Miss from cloudfront\r\nVia: 1.1 a.cloudfront.net (CloudFront)\r\n\r\n%b"
) % (len(_BODY), _BODY)


class Canned(PooledHTTPConnection):
    """Takes every request and has the same answer to each."""

    def answer_at_once(self) -> None:
        """Put memory in the socket's place."""
        self.sock = _NoSocket()
        self.put = len
        self.take = lambda size: _ANSWER
        self._pending = lambda: 0
        self._poll = lambda timeout: []


class _NoSocket:
    def gettimeout(self) -> float:
        return 30.0

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def canned_call() -> Iterator[Callable[[], Any]]:
    """One signed GET through a whole client, everything on."""
    config = Config(
        connection_pool=ConnectionPoolConfig(
            keepalive_timeout=3600.0, max_age=0.0, enable_cleanup_closed=False
        ),
        rate_limit=RateLimitConfig(
            ip_limit=100_000, ip_window=0.1, endpoint_limits={_PATH: 100_000}
        ),
    )
    with BybitClient(
        "key",
        "secret",
        base_url="http://127.0.0.1:9",
        config=config,
        registry=CollectorRegistry(),
    ) as client:
        pool = client.adapter.pool_for(client.base_url)
        connection = Canned(host="127.0.0.1", port=9, dialer=client.adapter._dialer)
        connection.answer_at_once()
        connection.host_name = pool.host_name
        connection.idle_since = client.clock.monotonic()
        pool.idle.append(connection)
        yield lambda: client.trade.get_open_orders(category="linear", symbol="BTCUSDT")

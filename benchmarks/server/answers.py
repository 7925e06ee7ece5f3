"""What the server says: Bybit's envelope in three sizes, with the headers that Bybit sends."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: %d\r\n"
    b"Connection: %s\r\n"
    b"Server: Openresty\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b"Traceid: 7b2bd5f1e0c24c1f9d2e3a4b5c6d7e8f\r\n"
    b"Timenow: %d\r\n"
    b"Ret_code: 0\r\n"
    # More than anybody calls here: the limiter learns from it and never has to hold a call back.
    b"X-Bapi-Limit: 100000\r\n"
    b"X-Bapi-Limit-Status: 99999\r\n"
    b"X-Bapi-Limit-Reset-Timestamp: %d\r\n"
    b"Cache-Control: no-cache, no-store, must-revalidate\r\n"
    b"X-Cache: Miss from cloudfront\r\n"
    b"Via: 1.1 0123456789abcdef0123456789abcdef.cloudfront.net (CloudFront)\r\n"
    b"X-Amz-Cf-Pop: SIN2-P1\r\n"
    b"X-Amz-Cf-Id: nV0m3yJ1Qk8c5XwT2rB7uPzL4hGsD9aE6fKoIiCxWqYvRtMnUjHbZg==\r\n"
    b"\r\n"
)
_LINK_ID = re.compile(rb'"orderLinkId":\s*"([A-Za-z0-9_-]{1,36})"')
_SMALL_PATH = "/v5/order/realtime"
_ORDER_ID = "c6f055d9-7f21-4079-913d-e6523a9cfffa"

ORDER = {
    "orderId": _ORDER_ID,
    "orderLinkId": "bench-0000000000000001",
    "symbol": "BTCUSDT",
    "price": "64021.50",
    "qty": "0.010",
    "side": "Buy",
    "positionIdx": 0,
    "orderStatus": "Filled",
    "cancelType": "UNKNOWN",
    "rejectReason": "EC_NoError",
    "avgPrice": "64021.40",
    "leavesQty": "0.000",
    "leavesValue": "0",
    "cumExecQty": "0.010",
    "cumExecValue": "640.2140",
    "cumExecFee": "0.35211770",
    "timeInForce": "GTC",
    "orderType": "Limit",
    "stopOrderType": "",
    "reduceOnly": False,
    "closeOnTrigger": False,
    "createdTime": "1767225600000",
    "updatedTime": "1767225600123",
}
TICKER = {
    "symbol": "BENCHUSDT",
    "lastPrice": "16597.00",
    "indexPrice": "16598.54",
    "markPrice": "16596.00",
    "prevPrice24h": "16464.50",
    "price24hPcnt": "0.008047",
    "highPrice24h": "30912.50",
    "lowPrice24h": "15700.00",
    "prevPrice1h": "16595.50",
    "openInterest": "373504107",
    "openInterestValue": "22505.67",
    "turnover24h": "2352.94950046",
    "volume24h": "49337318",
    "fundingRate": "-0.001034",
    "nextFundingTime": "1672387200000",
    "ask1Size": "1",
    "bid1Price": "16596.00",
    "ask1Price": "16597.50",
    "bid1Size": "1",
    "fundingIntervalHour": "8",
}
FEW = {"nextPageCursor": f"{_ORDER_ID}%3A1767225600000", "category": "linear", "list": []}

Build = Callable[[bytes, bool], bytes]
"""(the request's body, whether the connection stays open) -> the answer."""

Choose = Callable[[bytes], Build | None]
"""(a request's head) -> what answers it, if anything does."""


def path_of(head: bytes) -> bytes:
    """The path that a request asks for."""
    return head.split(b" ", 2)[1].partition(b"?")[0]


def by_path() -> Choose:
    """Every path has one answer, whatever else a request says; an unknown one has none."""
    known = _answers()
    return lambda head: known.get(path_of(head))


def small_path_and_start() -> tuple[str, str]:
    """Where the small answer is, and its text up to the time at its end."""
    return _SMALL_PATH, envelope(FEW).decode("ascii")


def _answers() -> dict[bytes, Build]:
    ack = envelope({"orderId": _ORDER_ID, "orderLinkId": "@"}).split(b"@")
    return {
        _SMALL_PATH.encode(): fixed(envelope(FEW)),
        b"/v5/order/history": fixed(_rows(ORDER, 17_000)),
        b"/v5/market/tickers": fixed(_rows(TICKER, 310_000)),
        b"/v5/order/create": _acknowledged(*ack),
    }


def envelope(result: dict[str, Any]) -> bytes:
    """An envelope up to its time, which is said when it is sent."""
    whole = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 0}
    return json.dumps(whole, separators=(",", ":")).encode("ascii")[:-2]


def _rows(row: dict[str, Any], size: int) -> bytes:
    """An envelope of about `size` bytes, made of rows that differ."""
    step = len(json.dumps(row, separators=(",", ":"))) + 1
    rows = [{**row, "symbol": f"B{n:04d}USDT"} for n in range(size // step)]
    return envelope({"category": "linear", "list": rows})


def fixed(start: bytes) -> Build:
    """The same answer to everybody, but for its time."""

    def build(body: bytes, stays_open: bool) -> bytes:
        return _answer(start, stays_open)

    return build


def _acknowledged(before: bytes, after: bytes) -> Build:
    def build(body: bytes, stays_open: bool) -> bytes:
        found = _LINK_ID.search(body)
        return _answer(before + (found[1] if found else b"") + after, stays_open)

    return build


def _answer(start: bytes, stays_open: bool) -> bytes:
    # The client learns the exchange's clock from this, so it is the true time: 13 digits.
    now = int(time.time() * 1000)
    kept = b"keep-alive" if stays_open else b"close"
    return (HEAD % (len(start) + 14, kept, now, now)) + start + b"%d}" % now

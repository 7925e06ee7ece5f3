"""Endpoints, answers and a transport for tests of one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from bybit_sync.call.pipeline import Pipeline
from bybit_sync.call.records import Endpoint, Limit, Param
from bybit_sync.call.sign import HmacSigner
from bybit_sync.clock import Deadline
from bybit_sync.config import Config
from bybit_sync.net.answer import Answer, HeaderBlock, Headers
from tests.conftest import FakeClock

BASE = "https://api.bybit.com"
API_KEY = "kEyOfTheTests0001"
SECRET = "sEcReTofTheTestsNobodyMaySee"

GET_TICKERS = Endpoint(
    group="market",
    name="get_tickers",
    method="GET",
    path="/v5/market/tickers",
    auth="none",
    repeat="always",
    limit=Limit(600, 5.0, scope="ip"),
    params=(
        Param("category", "string", required=True, allowed=("spot", "linear", "inverse", "option")),
        Param("symbol", "string"),
        Param("limit", "integer"),
        Param("startTime", "time_ms"),
        Param("price", "decimal"),
        Param("reduceOnly", "boolean"),
        Param("cursor", "string"),
    ),
)
GET_ORDERS = Endpoint(
    group="trade",
    name="get_open_orders",
    method="GET",
    path="/v5/order/realtime",
    repeat="always",
    limit=Limit(50),
    params=(Param("category", "string", required=True), Param("symbol", "string")),
)
ORDER_FIELDS = (
    Param("symbol", "string", required=True),
    Param("side", "string", required=True, allowed=("Buy", "Sell")),
    Param("orderType", "string", required=True, allowed=("Market", "Limit")),
    Param("qty", "decimal", required=True),
    Param("price", "decimal"),
    Param("positionIdx", "integer", allowed=(0, 1, 2)),
    Param("reduceOnly", "boolean"),
    Param("ratio", "number"),
    Param("orderLinkId", "string"),
)
PLACE_ORDER = Endpoint(
    group="trade",
    name="place_order",
    method="POST",
    path="/v5/order/create",
    limit=Limit(10, by_category={"linear": 10, "inverse": 10, "option": 10, "spot": 20}),
    params=(Param("category", "string", required=True), *ORDER_FIELDS),
    idempotency="orderLinkId",
)
PLACE_BATCH = Endpoint(
    group="trade",
    name="place_batch_order",
    method="POST",
    path="/v5/order/create-batch",
    limit=Limit(10, by_category={"linear": 10, "inverse": 10, "option": 10, "spot": 20}),
    params=(
        Param("category", "string", required=True),
        Param("request", "array", required=True, fields=ORDER_FIELDS),
    ),
    idempotency="request[].orderLinkId",
)
UPLOAD = Endpoint(
    group="p2p",
    name="upload_chat_file",
    method="POST",
    path="/v5/p2p/oss/upload_file",
    params=(Param("upload_file", "file", required=True),),
    envelope="p2p",
)
ORDER = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.001",
    "price": "30000",
}


def envelope(result: Any = None, **fields: Any) -> bytes:
    """A v5 envelope that says yes, unless `fields` say otherwise."""
    body = {"retCode": 0, "retMsg": "OK", "result": {} if result is None else result}
    return orjson.dumps({**body, "retExtInfo": {}, **fields})


def answer(
    body: bytes = b"",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    elapsed: float = 0.01,
) -> Answer:
    """An HTTP answer; a yes where no body is given."""
    return Answer(status, Headers.of(headers or {}), body or envelope(), elapsed)


@dataclass
class Sent:
    """One request as it reached the transport."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    signed: dict[str, str]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


Act = Answer | BaseException | Callable[[Sent], Answer]


@dataclass
class FakeTransport:
    """Answers from a script; the last act repeats. Time passes as `seconds` says."""

    clock: FakeClock
    script: list[Act] = field(default_factory=list)
    seconds: float = 0.0
    """How long it takes until a connection is in hand."""
    sent: list[Sent] = field(default_factory=list)

    def then(self, *acts: Act) -> FakeTransport:
        self.script += acts
        return self

    def send(
        self,
        base: str,
        method: str,
        target: str,
        *,
        headers: HeaderBlock,
        body: bytes,
        deadline: Deadline,
        sign: Callable[[], Mapping[str, str]] | None,
    ) -> Answer:
        self.clock.advance(self.seconds)
        signed = dict(sign()) if sign is not None else {}
        request = Sent(method, target, dict(headers), body, signed)
        self.sent.append(request)
        act = self.script.pop(0) if len(self.script) > 1 else (self.script or [answer()])[0]
        if isinstance(act, BaseException):
            raise act
        return act(request) if callable(act) else act


def pipeline(transport: FakeTransport, *, keys: bool = True, **tables: Any) -> Pipeline:
    """A pipeline over a fake transport, with keys unless told otherwise."""
    signer = HmacSigner(API_KEY, SECRET.encode()) if keys else None
    return Pipeline(
        transport,
        Config(**tables),
        base_url=BASE,
        signer=signer,
        clock=transport.clock,
    )

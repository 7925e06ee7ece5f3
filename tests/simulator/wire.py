"""A client of the tests' own, on the standard library: nothing of the project signs or sends."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bybit_sync.simulator import LocalAccount, LocalExchange

LIMIT_BUY = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.01",
    "price": "100",
}


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        return int(self.json["retCode"])

    @property
    def message(self) -> str:
        return str(self.json["retMsg"])

    @property
    def result(self) -> Any:
        assert self.code == 0, self.body
        return self.json["result"]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def hmac_signer(secret: str) -> Callable[[bytes], str]:
    return lambda text: hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


class Trader:
    """One account on one keep-alive connection; every part of the signature may be bent."""

    def __init__(
        self,
        exchange: LocalExchange,
        account: LocalAccount | None = None,
        *,
        timeout: float = 5.0,
        source: str = "127.0.0.1",
    ) -> None:
        self.api_key = exchange.api_key if account is None else account.api_key
        secret = exchange.api_secret if account is None else account.api_secret
        self.sign = hmac_signer(secret)
        url = urlsplit(exchange.url)
        self.http: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=exchange.ca_file)
            self.http = http.client.HTTPSConnection(
                "127.0.0.1", url.port, timeout=timeout, context=context, source_address=(source, 0)
            )
        else:
            self.http = http.client.HTTPConnection(
                "127.0.0.1", url.port, timeout=timeout, source_address=(source, 0)
            )

    def __enter__(self) -> Trader:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()

    def get(self, path: str, query: str = "", **bent: Any) -> Reply:
        target = f"{path}?{query}" if query else path
        return self.send("GET", target, b"", self.auth(query.encode(), **bent))

    def post(self, path: str, body: Mapping[str, Any] | str, **bent: Any) -> Reply:
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        headers = {**self.auth(raw, **bent), "Content-Type": "application/json"}
        return self.send("POST", path, raw, headers)

    def place(self, **changes: Any) -> Reply:
        return self.post("/v5/order/create", {**LIMIT_BUY, **changes})

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.http.request(method, target, body or None, dict(headers))
        answer = self.http.getresponse()
        return Reply(
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read(),
        )

    def auth(
        self,
        payload: bytes,
        *,
        at_ms: int | None = None,
        recv_window: str = "5000",
        signature: str | None = None,
        without: str | None = None,
    ) -> dict[str, str]:
        timestamp = str(now_ms() if at_ms is None else at_ms)
        text = f"{timestamp}{self.api_key}{recv_window}".encode() + payload
        headers = {
            "X-BAPI-API-KEY": self.api_key,
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-SIGN": self.sign(text) if signature is None else signature,
            "X-BAPI-RECV-WINDOW": recv_window,
        }
        headers.pop(without or "", None)
        return headers

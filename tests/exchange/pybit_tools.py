"""pybit and our face of it, side by side on one server that writes down what arrives."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pybit.unified_trading
from prometheus_client import CollectorRegistry

from bybit_sync import Config, RateLimitConfig
from bybit_sync.unified_trading import HTTP
from tests.net.servers import Request, Server

KEY = "kEyOfTheTests0001"
SECRET = "sEcReTofTheTestsNobodyMaySee"
YES = json.dumps({"retCode": 0, "retMsg": "OK", "ret_code": 0, "result": {}}).encode()

_NO_LIMITS = Config(rate_limit=RateLimitConfig(mode="off"))
_NOT_ENDPOINTS = ("prepare_payload", "prepare_file_payload")


def pybit_methods() -> dict[str, Any]:
    """pybit's methods for endpoints, by name."""
    found = inspect.getmembers(pybit.unified_trading.HTTP, inspect.isfunction)
    return {n: f for n, f in found if not n.startswith("_") and n not in _NOT_ENDPOINTS}


def takes_keywords(name: str) -> bool:
    """True where pybit's method takes any at all."""
    return "kwargs" in inspect.signature(pybit_methods()[name]).parameters


@contextmanager
def pybit_session(url: str, **options: Any) -> Iterator[pybit.unified_trading.HTTP]:
    """pybit's own session on a host."""
    made = {"api_key": KEY, "api_secret": SECRET, "demo": True, "retry_codes": {1}, **options}
    session = pybit.unified_trading.HTTP(**made)
    session.endpoint = url
    # pybit's legacy loan methods fail without it: its dataclasses never set it.
    session.crypto_loan_legacy_message = ""
    try:
        yield session
    finally:
        session.client.close()


@contextmanager
def our_session(url: str, **options: Any) -> Iterator[HTTP]:
    """Ours on the same host, with the same options."""
    made: dict[str, Any] = {"api_key": KEY, "api_secret": SECRET, "demo": True, **options}
    with HTTP(**{"config": _NO_LIMITS, "registry": CollectorRegistry(), **made}) as session:
        session.endpoint = url
        yield session


class Sides:
    """Both sessions and what each has sent."""

    def __init__(self, server: Server, pybits: Any, ours: HTTP) -> None:
        self.server = server
        self.pybits = pybits
        self.ours = ours

    def pybit_sends(self, name: str, **given: Any) -> Request:
        """The request that pybit's method makes."""
        return self._sent(self.pybits, name, given)

    def we_send(self, name: str, **given: Any) -> Request:
        """The request that our method makes."""
        return self._sent(self.ours, name, given)

    def _sent(self, session: Any, name: str, given: dict[str, Any]) -> Request:
        before = len(self.server.requests)
        getattr(session, name)(**given)
        (request,) = self.server.requests[before:]
        return request


def is_signed(request: Request) -> bool:
    return "x-bapi-sign" in request.headers


def signature_is_valid(request: Request) -> bool:
    """The signature is that of what has arrived."""
    sent = request.headers
    payload = request.target.partition("?")[2].encode() if request.method == "GET" else request.body
    window = sent["x-bapi-recv-window"]
    text = f"{sent['x-bapi-timestamp']}{sent['x-bapi-api-key']}{window}".encode() + payload
    wanted = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, sent["x-bapi-sign"])

"""One request, from its arrival to its answer: the checks in Bybit's order."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from typing import Any

from bybit_sync.simulator.refusal import Refusal
from bybit_sync.simulator.settings import Settings

from .auth import Key
from .clock import ServerClock
from .decode import parameters
from .envelope import encode, ret_code_of, wrap_refusal
from .faults import FaultPlan
from .http import HTML, HttpRefusal, Request, Response
from .journal import Arrival
from .limits import AccountLimits, AddressBudget, Allowance
from .performer import Performer, units
from .table import Endpoint, table
from .venue import Venue

_FORBIDDEN = "<html><head><title>403 Forbidden</title></head><body><h1>{}</h1></body></html>"
GET_WITH_BODY = _FORBIDDEN.format("a GET request must not carry a body")
TOO_FREQUENT = _FORBIDDEN.format("access too frequent")

Headers = list[tuple[str, str]]


class Gateway:
    """Answers requests. Single-threaded: one is done before the next is looked at."""

    def __init__(
        self, settings: Settings, venue: Venue, clock: ServerClock, faults: FaultPlan
    ) -> None:
        self._keyring = venue.keyring
        self._clock = clock
        self._faults = faults
        self._performer = Performer(venue, clock, faults)
        self._limits = AccountLimits(settings.limits)
        self._addresses = AddressBudget(settings.ip_limit, settings.ip_window, settings.ip_ban)
        self._endpoints = table()
        self._trace = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def answer(self, request: Request, arrival: Arrival) -> Response:
        """Act on the request and answer it; `arrival` is told what became of it."""
        try:
            response = self._answer(self._endpoint(request), request, arrival)
        except HttpRefusal as refusal:
            response = refusal.response
        arrival.status = response.status
        arrival.ret_code = response.ret_code
        if self._clock.offset_ms:
            self._faults.happened("wrong_clock", request.path)
        return response

    def refusal(self, request: Request, refusal: Refusal, limit: Headers | None = None) -> Response:
        """The answer that says no without a check; `limit` are headers to send with it."""
        endpoint = self._endpoints.get(request.path)
        variant = "v5" if endpoint is None else endpoint.envelope
        body = wrap_refusal(variant, refusal, self._clock.now_ms())
        headers = self._headers() + (limit or [])
        return Response(200, encode(body), headers=headers, ret_code=refusal.ret_code)

    def limit_headers(self, path: str, reset: str) -> Headers:
        """The headers of an endpoint at which nothing is left, with any text as reset time."""
        endpoint = self._endpoints.get(path)
        limit = None if endpoint is None else endpoint.limit
        return _limit_headers(10 if limit is None else limit.calls, 0, reset)

    def _endpoint(self, request: Request) -> Endpoint:
        if not self._addresses.admits(request.address):
            raise HttpRefusal(403, TOO_FREQUENT, HTML)
        if request.method not in ("GET", "POST"):
            raise HttpRefusal(400, "the verb must be GET or POST")
        endpoint = self._endpoints.get(request.path)
        if endpoint is None or endpoint.http != request.method:
            raise HttpRefusal(404, "404 page not found")
        if request.method == "GET" and request.body:
            raise HttpRefusal(403, GET_WITH_BODY, HTML)
        return endpoint

    def _answer(self, endpoint: Endpoint, request: Request, arrival: Arrival) -> Response:
        allowance: Allowance | None = None
        try:
            key = self._caller(endpoint, request)
            params = parameters(endpoint, request)
            if key is not None:
                arrival.uid = key.uid
                allowance = self._allowance(key, endpoint, params)
            body = self._performer.perform(endpoint, key, params, allowance)
        except Refusal as refusal:
            body = wrap_refusal(endpoint.envelope, refusal, self._clock.now_ms())
        headers = self._headers()
        if allowance is not None:
            headers += _limit_headers(allowance.limit, allowance.remaining, str(allowance.reset_ms))
        return Response(200, encode(body), headers=headers, ret_code=ret_code_of(body))

    def _caller(self, endpoint: Endpoint, request: Request) -> Key | None:
        if endpoint.auth == "none":
            return None
        if endpoint.auth == "optional" and "x-bapi-api-key" not in request.headers:
            return None
        key = self._keyring.authenticate(request, self._clock.now_ms())
        if key.read_only and endpoint.mutates:
            raise Refusal(10005, "Permission denied, please check your API key permissions.")
        return key

    def _allowance(
        self, key: Key, endpoint: Endpoint, params: Mapping[str, Any]
    ) -> Allowance | None:
        category = str(params.get("category", ""))
        cost = units(endpoint, category, params)
        return self._limits.take(key.uid, endpoint, category, cost, self._clock.now_ms)

    def _headers(self) -> Headers:
        return [
            ("Traceid", f"{self._trace}{next(self._numbers):016x}"),
            ("Timenow", str(self._clock.now_ms())),
        ]


def _limit_headers(limit: int, remaining: int, reset: str) -> Headers:
    return [
        ("X-Bapi-Limit", str(limit)),
        ("X-Bapi-Limit-Status", str(remaining)),
        ("X-Bapi-Limit-Reset-Timestamp", reset),
    ]

"""The other door: plain HTTP and JSON, for whoever drives the exchange in a test.

GET /                  where everything is; the first account's key
GET /orders            accepted orders; ?from=N leaves out the first N
GET /orders/count
GET /requests          what arrived last
GET /requests/count    ?method=&path=
GET /connections
GET /faults            what has yet to go wrong
GET /faults/count      ?kind=&path=
GET /faults/counts     the same in rows
GET /errors            tracebacks of faults in the simulator itself
POST /faults           {"kind", "path", "times", "skip", ...details}
POST /faults/clear
POST /accounts         {"balances", "read_only", "expired", "rsa_public_key"}
POST /save             writes the state file
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

import orjson

from bybit_sync.simulator.ready import Ready

from .faults import FaultPlan
from .http import HttpProtocol, Request, Response
from .hub import Hub
from .venue import Venue

Query = Mapping[str, str]
_FAULT_NAMES = ("kind", "path", "times", "skip")


class Admin:
    """Answers the admin port. A wrong request is told so with 400 and ``{"error": ...}``."""

    def __init__(
        self, hub: Hub, venue: Venue, ready: Ready, save: Callable[[], object] | None
    ) -> None:
        self._hub = hub
        self._venue = venue
        self._ready = ready
        self._save = save
        self._routes: Mapping[tuple[str, str], Callable[[Query, dict[str, Any]], Any]] = {
            ("GET", "/"): lambda query, body: asdict(self._ready),
            ("GET", "/orders"): self._orders,
            ("GET", "/orders/count"): lambda query, body: venue.accepted_count(),
            ("GET", "/requests"): lambda query, body: hub.journal.arrivals(),
            ("GET", "/requests/count"): self._count_requests,
            ("GET", "/connections"): lambda query, body: asdict(hub.connections),
            ("GET", "/faults"): lambda query, body: hub.faults.waiting(),
            ("GET", "/faults/count"): self._count_faults,
            ("GET", "/faults/counts"): lambda query, body: hub.faults.counts(),
            ("GET", "/errors"): lambda query, body: hub.errors,
            ("POST", "/faults"): self._add_fault,
            ("POST", "/faults/clear"): self._clear_faults,
            ("POST", "/accounts"): self._add_account,
            ("POST", "/save"): self._save_now,
        }

    def answer(self, request: Request) -> Response:
        """Do what is asked."""
        route = self._routes.get((request.method, request.path))
        if route is None:
            return _json(404, {"error": f"no {request.method} {request.path} here"})
        try:
            query = dict(parse_qsl(request.query.decode("latin-1")))
            body = _object(request.body)
            return _json(200, route(query, body))
        except (ValueError, TypeError, KeyError) as error:
            return _json(400, {"error": str(error)})
        except OSError as error:
            return _json(500, {"error": f"the state cannot be written: {error}"})

    def _orders(self, query: Query, body: dict[str, Any]) -> Any:
        return self._venue.accepted_orders(max(0, int(query.get("from", "0"))))

    def _count_requests(self, query: Query, body: dict[str, Any]) -> int:
        return self._hub.journal.count(query.get("method"), query.get("path"))

    def _count_faults(self, query: Query, body: dict[str, Any]) -> int:
        return self._hub.faults.count(query.get("kind"), query.get("path"))

    def _add_fault(self, query: Query, body: dict[str, Any]) -> Any:
        details = {name: value for name, value in body.items() if name not in _FAULT_NAMES}
        named = {name: body[name] for name in _FAULT_NAMES if name in body}
        self._hub.faults.add(**named, details=details)
        self._follow_standing_faults(self._hub.faults)
        return {}

    def _clear_faults(self, query: Query, body: dict[str, Any]) -> Any:
        self._hub.faults.clear()
        self._follow_standing_faults(self._hub.faults)
        return {}

    def _follow_standing_faults(self, faults: FaultPlan) -> None:
        wrong_clock = faults.standing("wrong_clock")
        offset_ms = 0 if wrong_clock is None else int(wrong_clock.details["offset_ms"])
        self._hub.clock.offset_ms = offset_ms
        for connection in list(self._hub.live):
            connection.watch()

    def _add_account(self, query: Query, body: dict[str, Any]) -> Any:
        key = self._venue.open_account(**body)
        return {"api_key": key.api_key, "api_secret": key.api_secret, "uid": key.uid}

    def _save_now(self, query: Query, body: dict[str, Any]) -> Any:
        if self._save is None:
            raise ValueError("there is no state file")
        self._save()
        return {}


class AdminConnection(HttpProtocol):
    """One connection to the admin port."""

    def __init__(self, admin: Admin) -> None:
        super().__init__(0, "")
        self._admin = admin

    def serve(self) -> None:
        """Answer what has arrived."""
        while self.waiting and not self.is_closing:
            request = self.waiting.popleft()
            response = self._admin.answer(request)
            self.transport.write(response.encode(keep_alive=request.keep_alive))
            if not request.keep_alive:
                self.hang_up()


def _object(body: bytes) -> dict[str, Any]:
    found = orjson.loads(body) if body else {}
    if not isinstance(found, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - told as 400
    return found


def _json(status: int, value: Any) -> Response:
    return Response(status, orjson.dumps(value))

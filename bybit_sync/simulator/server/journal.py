"""What arrived at the server and what became of it: the server's side of the story."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from .http import Request

KEPT = 10_000
_SECRET_HEADERS = frozenset({"x-bapi-api-key", "x-bapi-sign", "authorization"})


@dataclass(slots=True)
class Arrival:
    """A request and its fate. ``status`` is None until an answer was made."""

    number: int
    time_ms: int
    request: Request
    uid: str | None = None
    status: int | None = None
    ret_code: int | None = None
    fault: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything but the secrets."""
        request = self.request
        return {
            "number": self.number,
            "time": self.time_ms,
            "method": request.method,
            "path": request.path,
            "query": request.query.decode("utf-8", "replace"),
            "body": request.body.decode("utf-8", "replace"),
            "headers": {
                name: "***" if name in _SECRET_HEADERS else value
                for name, value in request.headers.items()
            },
            "connection": request.connection,
            "uid": self.uid,
            "status": self.status,
            "ret_code": self.ret_code,
            "fault": self.fault,
        }


class Journal:
    """Counts every request; keeps the last ones."""

    def __init__(self, kept: int = KEPT) -> None:
        self._arrivals: deque[Arrival] = deque(maxlen=kept)
        self._counts: Counter[tuple[str, str]] = Counter()
        self.total = 0

    def record(self, request: Request, now_ms: int) -> Arrival:
        """Book a request that has just arrived."""
        arrival = Arrival(self.total, now_ms, request)
        self.total += 1
        self._arrivals.append(arrival)
        self._counts[request.method, request.path] += 1
        return arrival

    def count(self, method: str | None = None, path: str | None = None) -> int:
        """How many arrived, ever."""
        if method is None and path is None:
            return self.total
        return sum(
            count
            for (one_method, one_path), count in self._counts.items()
            if method in (None, one_method) and path in (None, one_path)
        )

    def arrivals(self) -> list[dict[str, Any]]:
        """The last ones, oldest first."""
        return [arrival.to_json() for arrival in self._arrivals]


@dataclass(slots=True)
class Connections:
    """Connections as the server has seen them."""

    opened: int = 0
    open: int = 0
    tls_handshakes: int = 0
    peak: int = 0

    def start(self) -> int:
        """Book a new one; returns its number."""
        self.opened += 1
        self.open += 1
        self.peak = max(self.peak, self.open)
        return self.opened

    def end(self) -> None:
        """Book the end of one."""
        self.open -= 1

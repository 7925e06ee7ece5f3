"""What shall go wrong, where, how often; and how often it really did."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REQUIRED = object()
"""Stands for the default of a detail that has none."""

OF_REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "drop_before_accept": {},
    "drop_after_accept": {},
    "reset_before": {},
    "reset_after": {},
    "stall": {"after_accept": False},
    "late": {"seconds": REQUIRED, "after_accept": False},
    "drip_headers": {"interval": 0.1},
    "drip_body": {"interval": 0.1},
    "cut_body": {"reset": False},
    "endless_body": {},
    "stray_bytes": {"data": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"},
    "http_status": {"status": REQUIRED, "body": "", "headers": {}, "after_accept": False},
    "html": {"after_accept": False},
    "ret_code": {"code": REQUIRED, "msg": "", "after_accept": False},
    "rate_limit": {"reset_in": 1.0, "reset_header": None},
    "maintenance": {},
    "close_after_answer": {"announce": False},
    "garbage": {"data": "\x16\x03nonsense\r\n\r\n", "after_accept": False, "close": True},
}
"""Faults that befall a request, with their details and the details' defaults."""

OF_CONNECTIONS: Mapping[str, Mapping[str, Any]] = {
    "stall_handshake": {},
    "drip_handshake": {"interval": 0.1},
    "refuse_tls": {},
    "bad_certificate": {"reason": "unknown_ca"},
    "silent": {},
}
"""Faults that befall a new connection."""

STANDING: Mapping[str, Mapping[str, Any]] = {
    "wrong_clock": {"offset_ms": REQUIRED},
    "close_idle": {"after": REQUIRED},
    "hide_new_orders": {"seconds": REQUIRED},
    "forget_names": {},
}
"""Faults that hold until they are cleared."""

KINDS = {**OF_REQUESTS, **OF_CONNECTIONS, **STANDING}


_NUMBERS = frozenset({"seconds", "interval", "after", "reset_in", "status", "code", "offset_ms"})
BAD_CERTIFICATES = ("expired", "wrong_host", "unknown_ca")


class FaultError(ValueError):
    """There is no such fault, or it has no such detail."""


@dataclass(slots=True)
class Rule:
    """One fault that was asked for. ``times`` is what is left of it; None = for ever."""

    kind: str
    path: str
    times: int | None
    skip: int
    details: dict[str, Any] = field(default_factory=dict)

    def covers(self, path: str) -> bool:
        """True for this path; ``*`` stands for any text."""
        return self.path in ("*", path) or fnmatch.fnmatchcase(path, self.path)

    def use(self) -> bool:
        """True if it shall happen now; one of ``skip`` or of ``times`` is used up."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class FaultPlan:
    """The faults that wait to happen, and the count of those that did."""

    def __init__(self) -> None:
        self._of_requests: list[Rule] = []
        self._of_connections: list[Rule] = []
        self._standing: dict[str, Rule] = {}
        self._happened: Counter[tuple[str, str]] = Counter()

    def add(
        self,
        kind: str,
        path: str = "*",
        times: int | None = 1,
        skip: int = 0,
        details: Mapping[str, Any] | None = None,
    ) -> Rule:
        """Let `kind` happen to the next `times` requests for `path`, after `skip` that are spared.

        Raises:
            FaultError: no such kind or detail.
        """
        rule = Rule(kind, path, times, skip, _complete(kind, details or {}))
        if not isinstance(path, str):
            raise FaultError(f"{kind}: path {path!r} is not text")
        for name, value, low in (("times", 1 if times is None else times, 1), ("skip", skip, 0)):
            if not isinstance(value, int) or value < low:
                raise FaultError(f"{kind}: {name} {value!r} is below {low}")
        if kind in STANDING:
            self._standing[kind] = rule
        elif kind in OF_CONNECTIONS:
            self._of_connections.append(rule)
        else:
            self._of_requests.append(rule)
        return rule

    @property
    def threatens_requests(self) -> bool:
        """False where no request can meet a fault: the short way may be taken."""
        return bool(self._of_requests)

    def for_request(self, path: str) -> Rule | None:
        """The fault that this request meets."""
        return _take(self._of_requests, path)

    def for_connection(self) -> Rule | None:
        """The fault that this new connection meets."""
        return _take(self._of_connections, "*")

    def standing(self, kind: str) -> Rule | None:
        """The fault of this kind that holds now."""
        return self._standing.get(kind)

    def happened(self, kind: str, path: str = "") -> None:
        """Count a fault that has just come true."""
        self._happened[kind, path] += 1

    def count(self, kind: str | None = None, path: str | None = None) -> int:
        """How often it came true, ever."""
        return sum(
            count
            for (one_kind, one_path), count in self._happened.items()
            if kind in (None, one_kind) and (path in (None, one_path))
        )

    def counts(self) -> list[dict[str, Any]]:
        """The same in rows, one for each kind and path."""
        return [
            {"kind": kind, "path": path, "count": count}
            for (kind, path), count in self._happened.items()
        ]

    def clear(self) -> None:
        """Let nothing more go wrong. The counts stay."""
        self._of_requests.clear()
        self._of_connections.clear()
        self._standing.clear()

    def waiting(self) -> list[dict[str, Any]]:
        """What has yet to happen."""
        rules = [*self._of_requests, *self._of_connections, *self._standing.values()]
        return [
            {"kind": r.kind, "path": r.path, "times": r.times, "skip": r.skip, **r.details}
            for r in rules
        ]


def _take(rules: list[Rule], path: str) -> Rule | None:
    for rule in rules:
        if rule.covers(path) and rule.use():
            if rule.times == 0:
                rules.remove(rule)
            return rule
    return None


def _complete(kind: str, details: Mapping[str, Any]) -> dict[str, Any]:
    defaults = KINDS.get(kind)
    if defaults is None:
        raise FaultError(f"no fault is called {kind!r}; there are {', '.join(sorted(KINDS))}")
    unknown = set(details) - set(defaults)
    if unknown:
        raise FaultError(f"{kind} has no {', '.join(sorted(unknown))}; it has {sorted(defaults)}")
    complete = {**defaults, **details}
    missing = sorted(name for name, value in complete.items() if value is REQUIRED)
    if missing:
        raise FaultError(f"{kind} needs {', '.join(missing)}")
    for name in _NUMBERS & set(complete):
        if isinstance(complete[name], bool) or not isinstance(complete[name], int | float):
            raise FaultError(f"{kind}: {name} {complete[name]!r} is not a number")
    if complete.get("reason", "expired") not in BAD_CERTIFICATES:
        raise FaultError(f"{kind}: reason is not one of {', '.join(BAD_CERTIFICATES)}")
    return complete

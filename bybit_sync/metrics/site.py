"""What the exporter's port answers: ``/metrics``, ``/status.json`` and the page at ``/``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, cast

import orjson
from prometheus_client import CollectorRegistry, make_wsgi_app

from bybit_sync.clock import SYSTEM_CLOCK, Clock

from .joined import Joined, totals_in
from .page import page
from .status import status_of

log = logging.getLogger("bybit_sync.metrics")

_Headers = list[tuple[str, str]]
_Start = Callable[[str, _Headers], Any]

_SAFE: _Headers = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
_NOTHING_MORE = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")


class Site:
    """The WSGI application of an exporter; `read_registries` says what it shows at the moment."""

    def __init__(
        self, read_registries: Callable[[], list[CollectorRegistry]], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._read_registries = read_registries
        self._clock = clock
        self._has_warned = False

    def __call__(self, environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        """Answer one request."""
        try:
            return self._answer(environ, start)
        except Exception as error:  # noqa: BLE001  (the top of a reader's thread)
            self._warn(error)
            return _send(start, "500 Internal Server Error", "text/plain", b"see the log\n")

    def _answer(self, environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return self._metrics(environ, start)
        if path not in ("/", "/status.json"):
            known = b"here are / and /metrics and /status.json\n"
            return _send(start, "404 Not Found", "text/plain", known)
        if environ["REQUEST_METHOD"] != "GET":
            return _send(start, "405 Method Not Allowed", "text/plain", b"GET only\n", _ALLOW)
        if path == "/":
            text, policy = page()
            policies = [("Content-Security-Policy", policy)]
            return _send(start, "200 OK", "text/html; charset=utf-8", text, policies)
        return _send(start, "200 OK", "application/json", self._status())

    def _metrics(self, environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        registries = self._read_registries()
        chosen = registries[0] if len(registries) == 1 else Joined(registries)
        scrape = make_wsgi_app(cast(CollectorRegistry, chosen))
        return cast(Iterable[bytes], scrape(environ, start))

    def _status(self) -> bytes:
        totals = totals_in(self._read_registries())
        return orjson.dumps(status_of(totals, at=self._clock.wall()))

    def _warn(self, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning("metrics cannot be shown (told once): %s", error, exc_info=True)


_ALLOW: _Headers = [("Allow", "GET")]


def _send(
    start: _Start, status: str, kind: str, body: bytes, more: _Headers | None = None
) -> Iterable[bytes]:
    headers = [("Content-Type", kind), *_SAFE, *(more or ())]
    if kind != "text/html; charset=utf-8":
        headers.append(_NOTHING_MORE)
    start(status, headers)
    return [body]

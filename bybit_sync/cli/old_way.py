"""The client that people write first: a new `requests.Session` for each request.

It stands in the place of the pooled session, so that the demo runs the same strategies over both.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from bybit_sync.clock import SYSTEM_CLOCK, Deadline
from bybit_sync.net.answer import Answer, HeaderBlock, Headers
from bybit_sync.net.session import as_our_error


class SetUps:
    """What opening connections has cost. The lock guards the sums."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.connections = 0
        self.tls_handshakes = 0
        self.dns_lookups = 0
        self.seconds = 0.0

    def add(self, *, seconds: float, tls: bool) -> None:
        """Note a connection that was opened in so many seconds."""
        with self._lock:
            self.connections += 1
            self.dns_lookups += 1
            self.tls_handshakes += tls
            self.seconds += seconds


class SessionPerRequest:
    """Sends each request through a session of its own, and counts what that costs."""

    def __init__(self, ca_file: str, timeout: float) -> None:
        self._verify = ca_file or True
        self._timeout = timeout
        self.set_ups = SetUps()

    def send(
        self,
        base: str,
        method: str,
        target: str,
        *,
        headers: HeaderBlock,
        body: bytes,
        deadline: Deadline,
        sign: Callable[[], Mapping[str, str]] | None = None,
    ) -> Answer:
        """One request: resolve, connect, shake hands, ask, close."""
        fields = {**headers, **(sign() if sign is not None else {})}
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.mount("https://", _CountingAdapter(self.set_ups))
                response = session.request(
                    method,
                    base + target,
                    data=body or None,
                    headers=fields,
                    timeout=min(self._timeout, deadline.remaining()),
                    verify=self._verify,
                    allow_redirects=False,
                )
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise as_our_error(error, base) from error
        return Answer(
            response.status_code,
            Headers.of(response.headers),
            response.content,
            response.elapsed.total_seconds(),
        )


class _CountingAdapter(HTTPAdapter):
    """A stock adapter whose connections report what opening them took."""

    def __init__(self, set_ups: SetUps) -> None:
        self._set_ups = set_ups
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool_of(urllib3.HTTPConnectionPool, HTTPConnection, self._set_ups),
            "https": _pool_of(urllib3.HTTPSConnectionPool, HTTPSConnection, self._set_ups),
        }


def _pool_of(pool: type[Any], connection: type[Any], set_ups: SetUps) -> type[Any]:
    class Counted(connection):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            self.opened_at = SYSTEM_CLOCK.monotonic()
            return super()._new_conn()  # type: ignore[no-any-return]

        def connect(self) -> None:
            super().connect()
            seconds = SYSTEM_CLOCK.monotonic() - self.opened_at
            set_ups.add(seconds=seconds, tls=issubclass(connection, HTTPSConnection))

    return type("CountedPool", (pool,), {"ConnectionCls": Counted})

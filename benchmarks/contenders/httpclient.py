"""The standard library's http.client, one connection for each thread."""

from __future__ import annotations

from http.client import HTTPSConnection
from typing import Any

import orjson

from benchmarks.measure import Call
from benchmarks.signing import HeaderSigner
from benchmarks.work import Work

from .base import Contender


class HttpClient(Contender):
    """One `HTTPSConnection`."""

    name = "http.client"

    def call_for(self, work: Work) -> Call:
        signer = HeaderSigner(self.site)
        conn = HTTPSConnection(self.site.host, self.site.port, timeout=30, context=self.tls())
        self._stack.callback(conn.close)

        def call() -> Any:
            conn.request(work.method, work.target, work.body or None, signer.headers(work))
            return orjson.loads(conn.getresponse().read())

        return call

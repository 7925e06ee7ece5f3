"""httpx, its synchronous client."""

from __future__ import annotations

import importlib
from typing import Any

import orjson

from benchmarks.measure import Call
from benchmarks.signing import HeaderSigner
from benchmarks.work import Work

from .base import Contender


class Httpx(Contender):
    """One `httpx.Client` over HTTP/1.1."""

    name = "httpx"
    needs = "httpx"

    def call_for(self, work: Work) -> Call:
        httpx: Any = importlib.import_module("httpx")
        signer, url = HeaderSigner(self.site), self.site.url + work.target
        limits = httpx.Limits(max_connections=self.width, max_keepalive_connections=self.width)
        client = self._stack.enter_context(httpx.Client(verify=self.tls(), limits=limits))

        def call() -> Any:
            answer = client.request(
                work.method, url, content=work.body or None, headers=signer.headers(work)
            )
            return orjson.loads(answer.content)

        return call

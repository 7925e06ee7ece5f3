"""urllib3, through its pool manager."""

from __future__ import annotations

from typing import Any

import orjson
import urllib3

from benchmarks.measure import Call
from benchmarks.signing import HeaderSigner
from benchmarks.work import Work

from .base import Contender


class Urllib3(Contender):
    """One `PoolManager` whose pool blocks when it is exhausted."""

    name = "urllib3"

    def call_for(self, work: Work) -> Call:
        signer, url = HeaderSigner(self.site), self.site.url + work.target
        manager = urllib3.PoolManager(maxsize=self.width, block=True, ssl_context=self.tls())
        self._stack.callback(manager.clear)

        def call() -> Any:
            answer = manager.request(
                work.method, url, body=work.body or None, headers=signer.headers(work)
            )
            return orjson.loads(answer.data)

        return call

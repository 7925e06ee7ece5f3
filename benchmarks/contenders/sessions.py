"""requests: a plain session, as most programs have one."""

from __future__ import annotations

from typing import Any

import orjson
import requests
from requests.adapters import HTTPAdapter

from benchmarks.measure import Call
from benchmarks.signing import HeaderSigner
from benchmarks.work import Work

from .base import Contender


class Requests(Contender):
    """One `requests.Session` with requests' own adapter, wide enough for the threads."""

    name = "requests"
    session: requests.Session | None = None

    def call_for(self, work: Work) -> Call:
        if self.session is None:
            self.session = self._stack.enter_context(requests.Session())
            self.session.verify = self.site.ca_file
            widen(self.session, self.width)
        return call_over(self.session, self, work)


def call_over(session: requests.Session, contender: Contender, work: Work) -> Call:
    """A call that a user makes over a session, with headers that it has signed itself."""
    signer, url = HeaderSigner(contender.site), contender.site.url + work.target
    closing = {"Connection": "close"} if contender.is_fresh else {}

    def call() -> Any:
        answer = session.request(
            work.method, url, data=work.body or None, headers=signer.headers(work) | closing
        )
        return orjson.loads(answer.content)

    return call


def widen(session: requests.Session, width: int) -> None:
    """Let a stock session keep a connection for every thread: by default it keeps ten."""
    if width > 10:
        session.mount("https://", HTTPAdapter(pool_maxsize=width, pool_block=True))

"""pycurl: libcurl, one handle for each thread."""

from __future__ import annotations

import importlib
from io import BytesIO
from typing import Any

import orjson

from benchmarks.measure import Call
from benchmarks.signing import HeaderSigner
from benchmarks.work import Work

from .base import Contender


class PyCurl(Contender):
    """The handle is set up once; headers and sink are given to it for each call."""

    name = "pycurl"
    needs = "pycurl"

    def call_for(self, work: Work) -> Call:
        pycurl: Any = importlib.import_module("pycurl")
        signer, handle = HeaderSigner(self.site), pycurl.Curl()
        self._stack.callback(handle.close)
        handle.setopt(pycurl.URL, self.site.url + work.target)
        handle.setopt(pycurl.CAINFO, self.site.ca_file)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.TIMEOUT, 30)
        handle.setopt(pycurl.FORBID_REUSE, int(self.is_fresh))
        if work.body:
            handle.setopt(pycurl.POSTFIELDS, work.body)

        def call() -> Any:
            sink = BytesIO()
            fields = [f"{name}: {value}" for name, value in signer.headers(work).items()]
            handle.setopt(pycurl.HTTPHEADER, fields)
            handle.setopt(pycurl.WRITEDATA, sink)
            handle.perform()
            return orjson.loads(sink.getvalue())

        return call

"""Bybit's HMAC headers, for the contenders that bring no signing of their own."""

from __future__ import annotations

import hmac
import time

from .server import Site
from .work import JSON, Work

_WINDOW = "5000"


class HeaderSigner:
    """Makes the headers of one request at one moment."""

    def __init__(self, site: Site) -> None:
        self._key = site.api_key
        self._mac = hmac.new(site.api_secret.encode(), digestmod="sha256")

    def headers(self, work: Work) -> dict[str, str]:
        """Everything that a request needs beside Host and Content-Length."""
        fields = {"Accept": JSON, "User-Agent": "benchmark"}
        if work.body:
            fields["Content-Type"] = JSON
        if not work.is_signed:
            return fields
        stamp = str(int(time.time() * 1000))
        mac = self._mac.copy()
        mac.update(f"{stamp}{self._key}{_WINDOW}".encode() + (work.body or work.query.encode()))
        fields["X-BAPI-API-KEY"] = self._key
        fields["X-BAPI-TIMESTAMP"] = stamp
        fields["X-BAPI-SIGN"] = mac.hexdigest()
        fields["X-BAPI-SIGN-TYPE"] = "2"
        fields["X-BAPI-RECV-WINDOW"] = _WINDOW
        return fields

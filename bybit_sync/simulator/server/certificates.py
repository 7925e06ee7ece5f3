"""Certificates that are made at the start and trusted by nobody else."""

from __future__ import annotations

import datetime
import ssl
from functools import lru_cache

import trustme

NAMES = ("127.0.0.1", "localhost", "::1")


class Certificates:
    """An authority of our own, and the TLS contexts that use it, rightly or wrongly."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="bybit_sync local exchange")
        self.good = _context(self._authority.issue_cert(*NAMES))
        self.bad = lru_cache(self._bad)

    @property
    def authority_pem(self) -> bytes:
        """What a client has to trust."""
        pem: bytes = self._authority.cert_pem.bytes()
        return pem

    def _bad(self, reason: str) -> ssl.SSLContext:
        if reason == "expired":
            yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
            before = yesterday - datetime.timedelta(days=1)
            return _context(
                self._authority.issue_cert(*NAMES, not_before=before, not_after=yesterday)
            )
        if reason == "wrong_host":
            return _context(self._authority.issue_cert("somebody.example"))
        return _context(trustme.CA().issue_cert(*NAMES))


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate.configure_cert(context)
    return context

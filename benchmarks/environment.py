"""The environment of a run: what a machine's settings would change for some contenders only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_TRUST = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@contextmanager
def plain_environment() -> Iterator[None]:
    """Meanwhile, no proxy stands between client and server, and trust is what each is told.

    requests takes the bundle named in the environment over ``session.verify``.
    """
    kept = dict(os.environ)
    for name in list(os.environ):
        if name in _TRUST or name.lower().endswith("_proxy"):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)

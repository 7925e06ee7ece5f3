"""The other side: a small static TLS responder, the same bytes for everybody."""

from __future__ import annotations

from .process import ServerError, ServerProcess
from .site import Site

__all__ = ["ServerError", "ServerProcess", "Site"]

"""The other side: nginx for small answers, a small TLS responder for the rest; for everybody the
same."""

from __future__ import annotations

from .nginx import version as nginx_version
from .process import ServerError, ServerProcess
from .site import Site

__all__ = ["ServerError", "ServerProcess", "Site", "nginx_version"]

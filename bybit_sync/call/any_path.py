"""A row for a path that the table does not know."""

from __future__ import annotations

import re
from typing import cast

from bybit_sync.exceptions import ConfigError

from .records import Endpoint, Method

_PATH = re.compile(r"/[A-Za-z0-9\-._~/%!$&'()*+,;=:@]*")


def any_endpoint(method: str, path: str) -> Endpoint:
    """The row; all such calls share one label.

    Raises:
        ConfigError: the method or the path is not allowed.
    """
    if method not in ("GET", "POST"):
        raise ConfigError(f"method: {method!r} is not allowed: GET or POST, in capitals"[:200])
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise ConfigError(
            f"path: {path!r} is not allowed: it begins with / and has no query, no space, no "
            "control character; parameters go into params"[:300]
        )
    return Endpoint(
        group="other",
        name="",
        method=cast(Method, method),
        path=path,
        auth="optional",
        repeat="always" if method == "GET" else "if_unsent",
    )

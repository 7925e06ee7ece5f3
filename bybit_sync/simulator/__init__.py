"""A local Bybit: ``with LocalExchange() as exchange: ...``; imports nothing of the client.

Names are imported when they are first used: the server's process passes through here too, and
starts sooner without the caller's half.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import SimulatorError
    from .exchange import LocalExchange
    from .foreground import serve
    from .live import LocalAccount
    from .ready import Ready
    from .settings import Settings

__all__ = ["LocalAccount", "LocalExchange", "Ready", "Settings", "SimulatorError", "serve"]

_HOMES = {
    "LocalAccount": "live",
    "LocalExchange": "exchange",
    "Ready": "ready",
    "Settings": "settings",
    "SimulatorError": "errors",
    "serve": "foreground",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

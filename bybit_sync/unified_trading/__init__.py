"""pybit's `HTTP` over the same client: ``from bybit_sync.unified_trading import HTTP``."""

from __future__ import annotations

from typing import NoReturn

from .http import HTTP

__all__ = ["HTTP"]


def __getattr__(name: str) -> NoReturn:
    if name in ("WebSocket", "WebSocketTrading"):
        raise ImportError(
            f"bybit_sync has no {name}, for it is about REST: "
            f"keep `from pybit.unified_trading import {name}` beside it"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

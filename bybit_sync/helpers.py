"""`Helpers`: what pybit offers beside its `HTTP`."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from .unified_trading import HTTP


class Helpers:
    """Small jobs of several calls, as pybit's class of this name."""

    def __init__(self, session: HTTP) -> None:
        self.session = session
        self.logger = logging.getLogger("bybit_sync.unified_trading")

    def close_position(self, category: str, symbol: str) -> list[Any]:
        """Close the positions in `symbol` at market; returns the answers of the orders.

        The orders are ``reduceOnly``: a position that has closed meanwhile is not turned round.

        Raises:
            InvalidRequestError, FailedRequestError: of the first call that fails.
        """
        answer = self.session.get_positions(category=category, symbol=symbol)
        body = answer[0] if isinstance(answer, tuple) else answer
        replies = [
            self._close(category, symbol, position)
            for position in body["result"]["list"]
            if position["side"] and Decimal(position["size"] or 0)
        ]
        if not replies:
            self.logger.error("Tried to close_position; no position detected.")
        return replies

    def _close(self, category: str, symbol: str, position: dict[str, Any]) -> Any:
        return self.session.place_order(
            category=category,
            symbol=symbol,
            side="Sell" if position["side"] == "Buy" else "Buy",
            qty=position["size"],
            orderType="Market",
            positionIdx=position["positionIdx"],
            reduceOnly=True,
        )

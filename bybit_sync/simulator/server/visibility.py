"""Orders that are booked but not shown yet, as happens on the exchange when it is busy."""

from __future__ import annotations

from typing import Any

from .clock import market_ms
from .faults import FaultPlan
from .table import Endpoint

_QUERIES = frozenset({"trade.get_open_orders", "trade.get_order_history"})


def hide_new_orders(faults: FaultPlan, endpoint: Endpoint, result: Any) -> None:
    """Take out of an answer the orders that are younger than the standing fault asks for."""
    rule = faults.standing("hide_new_orders")
    if rule is None or endpoint.key not in _QUERIES:
        return
    newest_ms = market_ms() - int(float(rule.details["seconds"]) * 1000)
    shown = [row for row in result["list"] if int(row["createdTime"]) <= newest_ms]
    for _ in range(len(result["list"]) - len(shown)):
        faults.happened("hide_new_orders", endpoint.path)
    result["list"] = shown

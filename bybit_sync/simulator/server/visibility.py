"""Orders that are booked but not shown yet, and names that are forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bybit_sync.simulator.answer import MAY_REPEAT

from .clock import market_ms
from .faults import FaultPlan
from .table import Endpoint

_CREATIONS = frozenset({"trade.place_order", "trade.place_batch_order"})
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


def forget_names(
    faults: FaultPlan, endpoint: Endpoint, order: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The order, marked to be accepted under a used name if the standing fault asks for that."""
    if faults.standing("forget_names") is None or endpoint.key not in _CREATIONS:
        return order
    return {**order, MAY_REPEAT: True}

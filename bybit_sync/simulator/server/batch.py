"""Batches of orders: each order has its own fate, and the two answer lists run in parallel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bybit_sync.simulator.refusal import Refusal

from .check import check_item, refused
from .table import Endpoint, Parameter

Fates = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def orders_of(endpoint: Endpoint) -> Parameter | None:
    """The parameter that holds the orders; None where the endpoint is no batch."""
    for parameter in endpoint.params:
        if parameter.max_items_by_category:
            return parameter
    return None


def perform(
    orders: Parameter,
    params: Mapping[str, Any],
    granted: int | None,
    trade: Callable[[list[dict[str, Any]]], Fates],
) -> Fates:
    """``result.list`` and ``retExtInfo.list`` in the order asked.

    `trade` gets the orders that are well formed and within the limit (`granted` of them).

    Raises:
        Refusal: 10001, there are too many.
    """
    items: list[Any] = params[orders.name]
    category = params.get("category")
    most = orders.max_items_by_category.get(str(category))
    if most is not None and len(items) > most:
        raise refused(orders.name, f"has more than {most} orders")
    sound: dict[int, dict[str, Any]] = {}
    refusals: dict[int, Refusal] = {}
    for index, item in enumerate(items):
        if granted is not None and index >= granted:
            refusals[index] = Refusal(10006, "Too many visits!")
            continue
        try:
            sound[index] = check_item(orders, item, category)
        except Refusal as said:
            refusals[index] = said
    rows, notes = trade(list(sound.values())) if sound else ([], [])
    done = dict(zip(sound, zip(rows, notes, strict=True), strict=True))
    for index, refusal in refusals.items():
        done[index] = _failed(category, items[index], refusal)
    fates = [done[index] for index in range(len(items))]
    return [row for row, _ in fates], [note for _, note in fates]


def _failed(category: Any, item: Any, refusal: Refusal) -> tuple[dict[str, Any], dict[str, Any]]:
    given = item if isinstance(item, dict) else {}
    row = {
        "category": category,
        "symbol": str(given.get("symbol", "")),
        "orderId": "",
        "orderLinkId": str(given.get("orderLinkId", "")),
        "createAt": "",
    }
    return row, {"code": refusal.ret_code, "msg": refusal.ret_msg}

"""A name of our own for every order, so that its fate can be asked when the answer is lost."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from .records import Endpoint, Params

# The other ids of the table (transferId, requestId, …) have forms of their own and move money:
# there the caller's own id is worth more than one that nobody wrote down.
_ORDER_ID = "orderLinkId"


def new_order_id() -> str:
    """An id nobody has used: 32 of the 36 characters that Bybit allows."""
    return secrets.token_hex(16)


def with_order_ids(endpoint: Endpoint, params: Params, extra: Params | None) -> Params:
    """The parameters, with an ``orderLinkId`` wherever the row wants one and none was given."""
    batch, _, name = (endpoint.idempotency or "").rpartition("[].")
    if name != _ORDER_ID:
        return params
    if batch:
        return _name_each(params, batch)
    if params.get(name) or (extra and extra.get(name)):
        return params
    return {**params, name: new_order_id()}


def _name_each(params: Params, batch: str) -> Params:
    items = params.get(batch)
    if not isinstance(items, list | tuple):
        return params  # encode says what is wrong
    return {**params, batch: [_name_one(item) for item in items]}


def _name_one(item: Any) -> Any:
    if not isinstance(item, Mapping) or item.get(_ORDER_ID):
        return item
    return {**item, _ORDER_ID: new_order_id()}

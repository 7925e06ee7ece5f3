"""A name of our own for every call that creates something, so that its fate can be asked later.

The table's ``idempotency`` column says which parameter names a call for ever: Bybit acts on a
name once. Where the caller gave one it is left alone.
"""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from .records import Endpoint, Params

_SHORT = string.ascii_lowercase + string.digits


def new_order_id() -> str:
    """An id nobody has used: 32 of the 36 characters that Bybit allows."""
    return secrets.token_hex(16)


def _short_code() -> str:
    # Eight characters is all that Bybit takes here, so every one counts.
    return "".join(secrets.choice(_SHORT) for _ in range(8))


def _uuid() -> str:
    return str(uuid.uuid4())


# The form that the documentation asks for; 32 letters and digits suit every other name.
_FORMS: Mapping[str, Callable[[], str]] = {
    "transferId": _uuid,
    "msgUuid": _uuid,
    "specCode": _short_code,
}


def with_client_ids(endpoint: Endpoint, params: Params, extra: Params | None) -> Params:
    """The parameters, with a fresh id wherever the row wants one and none was given."""
    batch, _, name = (endpoint.idempotency or "").rpartition("[].")
    if batch:
        return _name_each(params, batch, name)
    if not name or params.get(name) or (extra and extra.get(name)):
        return params
    return {**params, name: _new(name)}


def _new(name: str) -> str:
    return _FORMS.get(name, new_order_id)()


def _name_each(params: Params, batch: str, name: str) -> Params:
    items = params.get(batch)
    if not isinstance(items, list | tuple):
        return params  # encode says what is wrong
    return {**params, batch: [_name_one(item, name) for item in items]}


def _name_one(item: Any, name: str) -> Any:
    if not isinstance(item, Mapping) or item.get(name):
        return item
    return {**item, name: _new(name)}

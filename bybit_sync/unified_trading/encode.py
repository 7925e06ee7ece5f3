"""Parameters as pybit writes them, where what pybit writes can be read back.

A value keeps the type that the caller gave it: the endpoint table converts nothing here. Where
pybit's way would garble a value (1e-07, True in a query, an ampersand in a symbol) or break its own
signature, it is written as the client's own methods write it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from bybit_sync.call.client_ids import with_client_ids
from bybit_sync.call.multipart import multipart
from bybit_sync.call.records import Endpoint, Params, Request
from bybit_sync.call.scalars import ValueFaultError, checked_text
from bybit_sync.call.values import json_value, query_text
from bybit_sync.exceptions import ConfigError

_AS_TEXT = frozenset(("qty", "price", "triggerPrice", "takeProfit", "stopLoss"))
_AS_INTEGER = frozenset(("positionIdx",))
_CURSORS = frozenset(("cursor", "nextCursor"))
# requests leaves these alone, and so does pybit. A plus sign reads as a space and a semicolon ends
# a parameter for some servers: those go plain in cursors only, which return as they came.
_SAFE = "%!$'()*,:=@/?-_.~"
_CURSOR_SAFE = _SAFE + "+;"
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def request_of(endpoint: Endpoint, given: Params) -> Request:
    """The request of a call, ready to be signed.

    Raises:
        ConfigError: a value cannot be written; the message names its parameter.
    """
    fields = {_name(endpoint, name): value for name, value in given.items() if value is not None}
    fields = dict(with_client_ids(endpoint, fields, None))
    if endpoint.method == "GET":
        ordered = dict(sorted(fields.items()))
        return Request("GET", endpoint.path, _query(endpoint, ordered), params=ordered)
    upload = next((param.name for param in endpoint.params if param.kind == "file"), None)
    if upload is None:
        body = _body(endpoint, fields)
        return Request("POST", endpoint.path, "", body, "application/json", fields)
    if upload not in fields:
        raise ConfigError(f"{endpoint.key}.{upload}: required, but not given")
    body, content_type = multipart(endpoint.key, upload, fields)
    shown = {**fields, upload: f"<file, {len(body)} bytes as sent>"}
    return Request("POST", endpoint.path, "", body, content_type, shown)


def as_params(endpoint: Endpoint, given: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a call: pybit's README gives a dict, its methods take keywords.

    Raises:
        ConfigError: what was given is no dict.
    """
    if given is None:
        return kwargs
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{endpoint.key}: a {type(given).__name__} is not allowed: give keywords, or one dict"
        )
    return {**given, **kwargs}


def _name(endpoint: Endpoint, name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{endpoint.key}: the name {name!r} is not a text"[:200])
    try:
        return checked_text(name)
    except ValueFaultError as fault:
        raise ConfigError(f"{endpoint.key}: a name: {fault.reason}") from None


def _query(endpoint: Endpoint, fields: Params) -> str:
    pairs = []
    for name, value in fields.items():
        try:
            text = query_text(None, value)
        except ValueFaultError as fault:
            raise _named(endpoint, name, fault) from None
        safe = _CURSOR_SAFE if name in _CURSORS else _SAFE
        quoted = _LONE_PERCENT.sub("%25", quote(text, safe=safe))
        pairs.append(f"{quote(name, safe='')}={quoted}")
    return "&".join(pairs)


def _body(endpoint: Endpoint, fields: Params) -> bytes:
    written = {}
    for name, value in fields.items():
        try:
            written[name] = _body_value(name, value)
        except ValueFaultError as fault:
            raise _named(endpoint, name, fault) from None
    return orjson.dumps(written)


def _body_value(name: str, value: Any) -> Any:
    if name in _AS_TEXT and not isinstance(value, str):
        return query_text("decimal", value)
    if name in _AS_INTEGER and type(value) is not int:
        return int(query_text("integer", value))
    return json_value(None, value)


def _named(endpoint: Endpoint, name: str, fault: ValueFaultError) -> ConfigError:
    return ConfigError(f"{endpoint.key}.{fault.inside(name).path}: {fault.reason}")

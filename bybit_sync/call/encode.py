"""A call's parameters as the bytes that are signed and sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import orjson

from bybit_sync.exceptions import ConfigError

from .allowed import check_value
from .multipart import multipart
from .records import Endpoint, Param, Params, Request
from .scalars import ValueFaultError, checked_text
from .values import json_value, query_text

_PLAIN = re.compile(r"[A-Za-z0-9\-_.~,]*").fullmatch
_SAFE = "-_.~,"
# A cursor often arrives percent-encoded and goes back as it came; only what cannot stand in a
# query, or would begin another parameter or a fragment, is encoded.
_CURSORS = frozenset(("cursor", "nextCursor"))
_CURSOR_SAFE = "%!$'()*+,;=:@/?-_.~"
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HIDDEN = frozenset(("password",))
_MOST_WRITTEN = 256  # questions that an endpoint remembers: a user's symbols, not his order ids


def encode(
    endpoint: Endpoint, params: Params, extra: Params | None = None, *, strict: bool = True
) -> Request:
    """The request of a call, ready to be signed.

    `extra` holds parameters that the table does not know, or values that it does not list: they
    are checked for what may not stand on the wire, not against the table. Without `strict` the
    whole call is taken so, and what has another type than the table's goes as it is.

    Raises:
        ConfigError: a parameter is missing or not allowed; the message names it.
    """
    if strict and not extra and endpoint.method == "GET":
        return _encode_get(endpoint, params)
    fields = {name: value for name, value in params.items() if value is not None}
    if extra:
        _add(endpoint, fields, extra)
    if strict:
        for name in endpoint.required:
            if name not in fields:
                raise _missing(endpoint, name)
    free = frozenset(extra) if extra and strict else frozenset()
    if endpoint.method == "GET":
        query = _query(endpoint, fields, strict, free)
        return Request("GET", endpoint.path, query, params=fields)
    for param in endpoint.params:
        if param.kind == "file" and param.name in fields:
            body, content_type = multipart(endpoint.key, param.name, fields)
            shown = {**fields, param.name: f"<file, {len(body)} bytes as sent>"}
            return Request("POST", endpoint.path, "", body, content_type, shown)
    body = _body(endpoint, fields, strict, free)
    return Request("POST", endpoint.path, "", body, "application/json", fields)


def shown_params(params: Params) -> Params:
    """The parameters as an error may carry them: without passwords."""
    if _HIDDEN.isdisjoint(params):
        return params
    return {name: "***" if name in _HIDDEN else value for name, value in params.items()}


def _add(endpoint: Endpoint, fields: dict[str, Any], extra: Params) -> None:
    if not isinstance(extra, Mapping):
        raise ConfigError(f"{endpoint.key}: extra is a {type(extra).__name__}, not a dict")
    for name, value in extra.items():
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{endpoint.key}: the name {name!r} in extra is not a text"[:200])
        try:
            checked_text(name)
        except ValueFaultError as fault:
            raise ConfigError(f"{endpoint.key}: a name in extra: {fault.reason}") from fault
        if name in fields:
            raise ConfigError(f"{endpoint.key}.{name}: given twice, also in extra")
        if value is not None:
            fields[name] = value


def _missing(endpoint: Endpoint, name: str) -> ConfigError:
    allowed = endpoint.by_name[name].allowed
    one_of = f"; one of {', '.join(str(each) for each in allowed)}" if allowed else ""
    return ConfigError(f"{endpoint.key}.{name}: required, but not given{one_of}")


# --- GET: the query -----------------------------------------------------------------------


def _encode_get(endpoint: Endpoint, params: Params) -> Request:
    """As `encode`. A question that was asked before, in texts only, is found as it was written.

    Only texts: ``True`` and 1.0 are equal to 1, and would be taken for it.
    """
    try:
        key = (*params, *params.values())
        known = endpoint.written.get(key)
    except TypeError:  # a list among them; or no mapping, of which is told below
        key, known = (), None
    if known is not None:
        return known
    fields = {name: value for name, value in params.items() if value is not None}
    for name in endpoint.required:
        if name not in fields:
            raise _missing(endpoint, name)
    query = _query(endpoint, fields, True, frozenset())
    request = Request("GET", endpoint.path, query, params=MappingProxyType(fields))
    is_kept = key and all(type(value) is str for value in fields.values())
    if is_kept and _CURSORS.isdisjoint(fields) and len(endpoint.written) < _MOST_WRITTEN:
        endpoint.written[key] = request
    return request


def _query(endpoint: Endpoint, fields: dict[str, Any], strict: bool, free: frozenset[str]) -> str:
    pairs = []
    for name, value in fields.items():
        param = endpoint.by_name.get(name)
        try:
            text = _query_value(param, value, strict, name in free)
        except ValueFaultError as fault:
            raise _named(endpoint, name, fault) from None
        shown = name if param is not None else _quoted_value("", name)
        pairs.append(f"{shown}={_quoted_value(name, text)}")
    return "&".join(pairs)


def _query_value(param: Param | None, value: Any, strict: bool, free: bool) -> str:
    if param is None:
        return query_text(None, value)
    if not strict:
        try:
            return query_text(param.kind, value)
        except ValueFaultError:
            return query_text(None, value)
    text = query_text(param.kind, value)
    if not free:
        if type(value) is not str and not param.joined and isinstance(value, list | tuple):
            raise ValueFaultError("one value, not a list")
        check_value(param, text)
    return text


def _quoted_value(name: str, text: str) -> str:
    if _PLAIN(text):
        return text
    if name in _CURSORS:
        return _LONE_PERCENT.sub("%25", quote(text, safe=_CURSOR_SAFE))
    return quote(text, safe=_SAFE)


# --- POST: the body -----------------------------------------------------------------------


def _body(endpoint: Endpoint, fields: dict[str, Any], strict: bool, free: frozenset[str]) -> bytes:
    converted = {}
    for name, value in fields.items():
        param = endpoint.by_name.get(name)
        try:
            converted[name] = _body_value(param, value, strict, name in free)
        except ValueFaultError as fault:
            raise _named(endpoint, name, fault) from None
    return orjson.dumps(converted)


def _body_value(param: Param | None, value: Any, strict: bool, free: bool) -> Any:
    if param is None:
        return json_value(None, value)
    if not strict:
        try:
            return json_value(param, value)
        except ValueFaultError:
            return json_value(None, value)
    if free:
        return _free_value(param, value)
    converted = json_value(param, value)
    check_value(param, converted)
    return converted


def _free_value(param: Param, value: Any) -> Any:
    """The JSON type is the table's, where the value has it; names and bounds are the caller's."""
    if param.kind in ("array", "object"):
        return json_value(None, value)
    return json_value(param, value)


def _named(endpoint: Endpoint, name: str, fault: ValueFaultError) -> ConfigError:
    return ConfigError(f"{endpoint.key}.{fault.inside(name).path}: {fault.reason}")

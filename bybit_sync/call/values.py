"""A parameter's value in a query or in a JSON body, lists and objects included."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from .allowed import check_value, unknown_name
from .records import Kind, Param
from .scalars import (
    ValueFaultError,
    bare,
    boolean_of,
    checked_text,
    decimal_of,
    integer_of,
    milliseconds_of,
    plain_number,
    refused,
    text_of,
    time_of,
)

_DEEPEST = 16
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)

# --- into a query -------------------------------------------------------------------------

_TEXTS: dict[Kind, Callable[[Any], Any]] = {
    "string": text_of,
    "decimal": decimal_of,
    "integer": integer_of,
    "number": decimal_of,
    "time_ms": time_of,
    "boolean": boolean_of,
    "array": text_of,
    "object": text_of,
    "file": text_of,
}


_WHOLE = frozenset(("integer", "time_ms"))


def query_text(kind: Kind | None, value: Any) -> str:
    """A value as the text of a query, not yet percent-encoded; lists are joined by commas.

    A `kind` of None takes whatever the value's own type says.
    """
    if type(value) is str and kind == "string":
        return checked_text(value)  # as most are
    if type(value) is int and kind in _WHOLE:
        return str(integer_of(value))
    if isinstance(value, list | tuple):
        return ",".join([_query_item(item) for item in value])
    if isinstance(value, bool):
        if kind not in (None, "boolean", "string"):
            raise refused(value, f"the parameter is of kind {kind}")
        return "true" if value else "false"
    if kind == "boolean":
        return "true" if boolean_of(value) else "false"
    return str(_TEXTS[kind or "string"](value))


def _query_item(value: Any) -> str:
    if isinstance(value, bool | list | tuple):
        raise refused(value, "a list in a query holds texts and numbers")
    return text_of(value)


# --- into a JSON body ---------------------------------------------------------------------


def json_value(param: Param | None, value: Any, depth: int = 0) -> Any:
    """A value as orjson is to write it; None for `param` takes what the value's own type says."""
    if param is None:
        return _json_as_it_is(value, depth)
    kind = param.kind
    if param.joined and isinstance(value, list | tuple):
        return query_text(kind, value)
    if kind == "array":
        return _json_array(param, value, depth)
    if kind == "object":
        return _json_object(param, value, depth)
    if kind == "number":
        return _bare_number(decimal_of(value))
    return _TEXTS[kind](value)


def _bare_number(text: str) -> Any:
    """A JSON number with exactly these digits, which a float could not hold."""
    if not _JSON_NUMBER.fullmatch(text):
        raise refused(text, "a decimal number such as 0.001")
    return orjson.Fragment(text)


def _json_array(param: Param, value: Any, depth: int) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise refused(value, "a list")
    item = Param(param.name, "object", fields=param.fields) if param.fields else None
    return [_numbered(i, item, each, depth + 1) for i, each in enumerate(value)]


def _numbered(index: int, param: Param | None, value: Any, depth: int) -> Any:
    if value is None:
        raise ValueFaultError("None inside a list has no meaning").inside(f"[{index}]")
    try:
        return json_value(param, value, depth)
    except ValueFaultError as fault:
        raise fault.inside(f"[{index}]") from None


def _json_object(param: Param, value: Any, depth: int) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise refused(value, "a dict")
    known = {field.name: field for field in param.fields}
    for field in param.fields:
        if field.required and value.get(field.name) is None:
            raise ValueFaultError("required, but not given").inside(field.name)
    extra = _extra_of(value, known)
    sent = {
        _checked_key(name): _named(name, known.get(name), each, depth + 1)
        for name, each in value.items()
        if each is not None and (extra is None or name != "extra")
    }
    if extra:
        sent.update(_json_object(Param("extra", "object"), extra, depth))
    return sent


def _extra_of(value: Mapping[Any, Any], known: Mapping[str, Param]) -> Mapping[Any, Any] | None:
    """What an object of the table holds beyond it, under ``extra``.

    Any other unknown name is refused: a ``reduceonly`` that Bybit overlooks opens a position.
    """
    if not known:
        return None
    for name in value:
        if name not in known and name != "extra" and value[name] is not None:
            raise unknown_name(_checked_key(name), known)
    extra = value.get("extra") if "extra" not in known else None
    if extra is None:
        return None
    if not isinstance(extra, Mapping):
        raise refused(extra, "a dict of what the table does not know").inside("extra")
    for name in extra:
        if value.get(name) is not None:
            raise ValueFaultError("given twice, also in extra").inside(_checked_key(name))
    return extra


def _checked_key(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ValueFaultError(f"the name {name!r} is not a text"[:120])
    return checked_text(name)


def _named(name: Any, param: Param | None, value: Any, depth: int) -> Any:
    try:
        converted = json_value(param, value, depth)
        if param is not None:
            check_value(param, converted)
    except ValueFaultError as fault:
        raise fault.inside(str(name)) from None
    return converted


def _json_as_it_is(value: Any, depth: int) -> Any:
    if type(value) is str:
        return checked_text(value)
    if depth > _DEEPEST:
        raise ValueFaultError(f"nested more than {_DEEPEST} levels deep")
    value = bare(value)
    if isinstance(value, str):
        return checked_text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return integer_of(value)
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, float):
        return _bare_number(plain_number(value))
    if isinstance(value, datetime):
        return milliseconds_of(value)
    if isinstance(value, Mapping):
        return _json_object(Param("", "object"), value, depth)
    if isinstance(value, list | tuple):
        return _json_array(Param("", "array"), value, depth)
    raise refused(value, "texts, numbers, booleans, lists and dicts")

"""What a table must keep so that the code made from it is right; each rule yields its faults."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from bybit_sync.call.records import Auth, Envelope, Kind, Method, Repeat

from .spec import EndpointRow, GroupRow, ParamRow

RESERVED = frozenset(("self", "options", "extra", "unknown", "params"))
"""Names that every method has already."""
_TAKEN = frozenset(("find", "endpoints", "api"))
_ENUM_TYPES: Mapping[str, type] = {"string": str, "integer": int}
_BOUNDED = ("integer", "decimal", "string")
_SPANS = ("d", "mo")


def check_row(row: EndpointRow) -> Iterator[str]:
    """The faults of one endpoint."""
    yield from _choice("method", row.method, Method)
    yield from _choice("auth", row.auth, Auth)
    yield from _choice("repeat", row.repeat, Repeat)
    yield from _choice("envelope", row.envelope, Envelope)
    for name in (row.name, *row.aliases):
        if not _is_name(name) or name != name.lower() or name.startswith("_"):
            yield f"{name!r} cannot name a method"
    if not row.path.startswith("/v5/") or any(sign in row.path for sign in " ?#"):
        yield f"path is {row.path!r}"
    yield from _line("summary", row.summary)
    if not row.summary.endswith("."):
        yield "summary does not end with a full stop"
    yield from _line("note", row.note)
    yield from _limit(row)
    yield from _errors(row)
    for param in row.params:
        if not _is_name(param.name) or param.name in RESERVED:
            yield f"{param.name}: cannot name a parameter in Python"
        if row.method == "GET" and param.type in ("array", "object", "file"):
            yield f"{param.name}: a query has no {param.type}; take string with joined = true"
        yield from _param(param.name, param)
    yield from _names_of_params(row)


def check_house(groups: Iterable[GroupRow]) -> Iterator[str]:
    """The faults that show only when all rows are known."""
    groups = list(groups)
    for group in groups:
        if not _is_name(group.name) or group.name in _TAKEN or group.name.startswith("_"):
            yield f"{group.name}.toml: {group.name!r} cannot name a module"
        if not _is_name(group.class_name):
            yield f"{group.name}.toml: {group.class_name!r} cannot name a class"
        yield from (f"{group.name}.toml: {fault}" for fault in _line("summary", group.summary))
        names = [name for row in group.endpoints for name in (row.name, *row.aliases)]
        yield from (f"{group.name}.toml: {name} is there twice" for name in _twice(names))
        yield from _enums(group)
    yield from (
        f"two groups have the class {name}" for name in _twice(group.class_name for group in groups)
    )
    paths = [f"{row.method} {row.path}" for group in groups for row in group.endpoints]
    yield from (f"{path} is there twice" for path in _twice(paths))


def _enums(group: GroupRow) -> Iterator[str]:
    used = {param.enum_name for row in group.endpoints for param in _all_params(row.params)}
    for name, values in group.enums.items():
        if not _is_name(name) or name == group.class_name:
            yield f"{group.name}.toml [enums]: {name!r} cannot name a type"
        if name not in used:
            yield f"{group.name}.toml [enums]: nobody uses {name}"
        if not values:
            yield f"{group.name}.toml [enums]: {name} is empty"


def _param(where: str, param: ParamRow) -> Iterator[str]:
    yield from (f"{where}: {fault}" for fault in _choice("type", param.type, Kind))
    yield from (f"{where}: {fault}" for fault in _line("summary", param.summary))
    yield from (f"{where}: {fault}" for fault in _allowed(param))
    if param.min is not None and param.max is not None and param.min > param.max:
        yield f"{where}: min {param.min} is above max {param.max}"
    if param.has_bounds and param.type not in _BOUNDED:
        yield f"{where}: a {param.type} has no min and max"
    if (param.digits or param.joined) and param.type != "string":
        yield f"{where}: only a string has digits or joined"
    if param.max_span and not _is_span(param.max_span):
        yield f"{where}: max_span is {param.max_span!r}, not such as 7d or 3mo"
    yield from (f"{where}: {name} is there twice" for name in _twice(f.name for f in param.fields))
    for inner in param.fields:
        yield from _param(f"{where}.{inner.name}", inner)


def _allowed(param: ParamRow) -> Iterator[str]:
    if param.item_enum and param.type != "array":
        yield "item_enum is for arrays"
    if param.enum and param.type not in _ENUM_TYPES:
        yield f"a {param.type} has no enum"
    kind = _ENUM_TYPES.get(param.type, str)
    for value in param.allowed:
        if type(value) is not kind:
            yield f"{value!r} in the enum is not of type {kind.__name__}"
    yield from (f"{value!r} is in the enum twice" for value in _twice(param.allowed))
    if param.enum and param.default is not None and param.default not in param.enum:
        yield f"default {param.default!r} is not in the enum"


def _limit(row: EndpointRow) -> Iterator[str]:
    if row.limit is None:
        return
    if row.limit.scope not in ("uid", "ip"):
        yield f"limit.scope is {row.limit.scope!r}"
    if min(row.limit.calls, row.limit.window, *row.limit.by_category.values()) <= 0:
        yield "limit holds a number that is not above 0"


def _errors(row: EndpointRow) -> Iterator[str]:
    for code, meaning in row.errors.items():
        if not code.removeprefix("-").isdigit():
            yield f"errors: {code!r} is no retCode"
        yield from _line(f"errors.{code}", meaning)


def _names_of_params(row: EndpointRow) -> Iterator[str]:
    """What other keys say about parameters must name some."""
    known = {param.name for param in row.params}
    for array in row.params:
        known.update(f"{array.name}[].{inner.name}" for inner in array.fields)
    paging: dict[str, Any] = {**row.paging, **row.paging.get("window", {})}
    told = {f"paging.{key}": name for key, name in paging.items() if key.endswith("_param")}
    told |= {"idempotency": row.idempotency, "single_use_token": row.single_use_token}
    for key, name in told.items():
        if name and name not in known:
            yield f"{key} names {name!r}, which is no parameter"


def _all_params(params: Iterable[ParamRow]) -> Iterator[ParamRow]:
    for param in params:
        yield param
        yield from _all_params(param.fields)


def _choice(key: str, value: str, choices: object) -> Iterator[str]:
    if value not in get_args(choices):
        yield f"{key} is {value!r}, not one of {', '.join(get_args(choices))}"


def _line(key: str, text: str) -> Iterator[str]:
    # They become docstrings as they are.
    if any(sign in text for sign in ("\n", "\\", '"""')) or text != text.strip():
        yield f"{key} is not one plain line"


def _is_name(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name)


def _is_span(text: str) -> bool:
    return any(text.endswith(unit) and text[: -len(unit)].isdigit() for unit in _SPANS)


def _twice(items: Iterable[object]) -> list[object]:
    return [item for item, count in Counter(items).items() if count > 1]

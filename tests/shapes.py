"""Whether a value has the shape that a type hint promises, TypedDicts included."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from bybit_sync.call.records import Endpoint
from bybit_sync.call.reply import Reply


def result_hint(endpoint: Endpoint) -> Any:
    """What the method of an endpoint says ``reply.result`` is."""
    module = importlib.import_module(f"bybit_sync.api.{endpoint.group}")
    answers = importlib.import_module(f"bybit_sync.api.answers.{endpoint.group}")
    kind = next(
        each
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__
    )
    names = {**vars(module), "Reply": Reply, "answers": answers}
    return get_args(get_type_hints(getattr(kind, endpoint.name), names)["return"])[0]


def shape_faults(value: Any, hint: Any, path: str = "result") -> Iterator[str]:
    """Where `value` is not what `hint` says, each with its place."""
    if hint is Any:
        return
    if is_typeddict(hint):
        yield from _object_faults(value, hint, path)
        return
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if all(any(shape_faults(value, each, path)) for each in inner):
            yield f"{path}: {value!r} is none of {hint}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for i, item in enumerate(value):
            yield from shape_faults(item, inner[0], f"{path}[{i}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no object"
            return
        for name, item in value.items():
            yield from shape_faults(item, inner[1], f"{path}.{name}")
    elif not _is_plain(value, hint):
        yield f"{path}: {value!r} is no {getattr(hint, '__name__', hint)}"


def _is_plain(value: Any, hint: Any) -> bool:
    if hint in (None, NoneType):
        return value is None
    if hint is float:  # a JSON number with nothing behind the point arrives as an int
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint


def _object_faults(value: Any, hint: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no {hint.__name__}"
        return
    hints = get_type_hints(hint)
    for name in sorted(hint.__required_keys__ - set(value)):
        yield f"{path}.{name} is missing"
    for name, item in value.items():
        if name not in hints:
            yield f"{path}.{name} is not in {hint.__name__}"
        else:
            yield from shape_faults(item, hints[name], f"{path}.{name}")

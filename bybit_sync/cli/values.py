"""``name=value`` and ``name:=JSON`` on the command line, as the parameters of an endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from bybit_sync.call.records import Endpoint, Param
from bybit_sync.call.unknown import nearest

_ITEM = re.compile(r"(?P<name>[^=:]+)(?P<sign>:?=)(?P<value>.*)", re.DOTALL)


def params_of(endpoint: Endpoint, items: Iterable[str]) -> dict[str, Any]:
    """The keywords of the endpoint's method.

    ``name=text`` is sent as given, ``name=a,b`` is a list where the endpoint wants one, and
    ``name:=JSON`` is any JSON; its numbers keep every digit. ``extra:={…}`` holds what the table
    does not know.

    Raises:
        click.UsageError: an item cannot be read, is given twice, or the endpoint takes none such.
    """
    params: dict[str, Any] = {}
    for item in items:
        match = _ITEM.fullmatch(item)
        if match is None:
            raise click.UsageError(f"{item!r} is neither name=value nor name:=JSON")
        name = match["name"]
        if name in params:
            raise click.UsageError(f"{name} is given twice")
        param = endpoint.by_name.get(name)
        if param is None and name != "extra":
            raise _unknown(endpoint, name)
        is_json = match["sign"] == ":="
        params[name] = _json(name, match["value"]) if is_json else _text(param, match["value"])
    return params


def _text(param: Param | None, text: str) -> Any:
    if param is None:
        raise click.UsageError('extra is an object: write it as extra:=\'{"name": "value"}\'')
    if param.kind == "file":
        return Path(text)
    if param.kind == "object" or (param.kind == "array" and param.fields):
        example = "[{…}]" if param.kind == "array" else "{…}"
        raise click.UsageError(f"{param.name} is nested: write it as {param.name}:='{example}'")
    if param.kind == "array":
        return [each.strip() for each in text.split(",")] if text else []
    return text


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise click.UsageError(f"{name}:= wants JSON: {error}") from error


def _unknown(endpoint: Endpoint, name: str) -> click.UsageError:
    known = list(endpoint.by_name)
    if not known:
        return click.UsageError(f"{endpoint.key} takes no parameters, so no {name}")
    return click.UsageError(
        f"{endpoint.key} takes no {name}; the nearest is {nearest(name, known)}, and it takes "
        f"{', '.join(known)}; what is new at Bybit goes into extra:='{{…}}'"
    )

"""The endpoints by their names, as the command line speaks of them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import NamedTuple

import click

from bybit_sync.api import GROUPS
from bybit_sync.call.records import Endpoint, Param
from bybit_sync.call.unknown import nearest


class Listed(NamedTuple):
    """One name and what it is for."""

    name: str
    line: str


def groups() -> list[Listed]:
    """Every group; imports them all, for what they are about."""
    return [Listed(name, _first_line(_module(name).__doc__)) for name in GROUPS]


def methods_of(group: str) -> list[Listed]:
    """The methods of a group, in the order of its table."""
    module = _module(_known("group", group, GROUPS))
    docs = {
        name: _first_line(function.__doc__)
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__
        for name, function in vars(kind).items()
        if callable(function)
    }
    endpoints: tuple[Endpoint, ...] = module.ENDPOINTS
    return [Listed(each.name, docs.get(each.name, "")) for each in endpoints]


def find(target: str) -> Endpoint:
    """The endpoint that ``group.method`` names.

    Raises:
        click.UsageError: there is none; the message names the nearest.
    """
    group, _, method = target.partition(".")
    module = _module(_known("group", group, GROUPS))
    by_name: dict[str, Endpoint] = {each.name: each for each in module.ENDPOINTS}
    return by_name[_known(f"method of {group}", method, tuple(by_name))]


def kind_of(param: Param) -> str:
    """What a parameter takes, in a few words."""
    if param.allowed:
        return "|".join(map(str, param.allowed))
    words = {"time_ms": "unix milliseconds", "decimal": "decimal number", "file": "a path"}
    text = words.get(param.kind, param.kind)
    if param.bounds is not None:
        low, high = ("" if bound is None else f"{bound:g}" for bound in param.bounds)
        text = f"{text} {low}..{high}"
    return text


def _known(what: str, name: str, known: tuple[str, ...]) -> str:
    if name in known:
        return name
    if not name:
        raise click.UsageError(f"no {what} is named; see `call --list`")
    raise click.UsageError(f"there is no {what} {name!r}; the nearest is {nearest(name, known)!r}")


def _module(group: str) -> ModuleType:
    return import_module(f"bybit_sync.api.{group}")


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]

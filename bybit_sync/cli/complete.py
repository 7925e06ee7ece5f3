"""What may follow on a command line of ``call``; nothing is sent to find out."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from bybit_sync.api import GROUPS
from bybit_sync.call.records import Param

Items = list["CompletionItem[Any]"]


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Groups, until one is certain; then its methods."""
    from . import endpoints

    group, dot, begun = incomplete.partition(".")
    fitting = [group] if dot and group in GROUPS else [g for g in GROUPS if g.startswith(group)]
    if len(fitting) != 1:
        return [CompletionItem(f"{each}.") for each in fitting]
    return [
        CompletionItem(f"{fitting[0]}.{each.name}", help=each.line)
        for each in endpoints.methods_of(fitting[0])
        if each.name.startswith(begun)
    ]


def complete_item(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Names of parameters that are not given yet; their values, where there is a choice."""
    from . import endpoints

    try:
        endpoint = endpoints.find(ctx.params.get("target") or "")
    except click.UsageError:
        return []
    name, sign, begun = incomplete.partition("=")
    if sign:
        known = endpoint.by_name.get(name)
        return _values(known, begun) if known is not None else []
    given = {item.partition("=")[0].rstrip(":") for item in ctx.params.get("items") or ()}
    return [
        CompletionItem(f"{each.name}=", help=endpoints.kind_of(each))
        for each in endpoint.params
        if each.name.startswith(name) and each.name not in given
    ]


def _values(param: Param, begun: str) -> Items:
    choices = ("true", "false") if param.kind == "boolean" else tuple(map(str, param.allowed))
    return [CompletionItem(f"{param.name}={each}") for each in choices if each.startswith(begun)]

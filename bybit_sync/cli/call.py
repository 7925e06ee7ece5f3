"""``python -m bybit_sync call``: any endpoint, its parameters as ``name=value``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from bybit_sync.call.encode import encode
from bybit_sync.call.records import CallOptions, Endpoint
from bybit_sync.exceptions import ConfigError

from . import endpoints
from .complete import complete_item, complete_target
from .output import is_terminal, json_option, note, out, print_json
from .place import Place, with_place
from .values import params_of

if TYPE_CHECKING:
    from bybit_sync.call.reply import Reply
    from bybit_sync.client import BybitClient


@click.command()
@click.argument("target", metavar="GROUP.METHOD", required=False, shell_complete=complete_target)
@click.argument("items", metavar="[NAME=VALUE]...", nargs=-1, shell_complete=complete_item)
@click.option("--list", "listing", is_flag=True, help="List the groups, or a group's methods.")
@click.option("--describe", is_flag=True, help="Tell what the endpoint takes; nothing is sent.")
@click.option("--yes", is_flag=True, help="Do not ask before a call that changes something.")
@click.option("--columns", metavar="A,B", help="Show these columns only, in this order.")
@click.option("--timeout", type=click.FloatRange(0.001, 86_400.0), help="Seconds for the call.")
@json_option("Print the whole answer as JSON.")
@with_place
def call(
    target: str | None,
    items: tuple[str, ...],
    place: Place,
    columns: str | None,
    timeout: float | None,
    *,
    listing: bool,
    describe: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Call any endpoint; names are those of the client's groups and methods.

    NAME=VALUE is sent as given, NAME=a,b is a list where one is wanted, NAME:=JSON is anything
    else: request:='[{"symbol": "BTCUSDT"}]'. A call that changes something asks first; where there
    is no terminal to ask on it needs --yes. On a terminal the answer is a table, in a pipe
    tab-separated lines.

    \b
    Example: python -m bybit_sync call market.get_tickers category=spot symbol=BTCUSDT
    """
    if listing or target is None or "." not in target:
        return _list(target, as_json=as_json)
    endpoint = endpoints.find(target)
    if describe:
        return _describe(endpoint, as_json=as_json)
    params = params_of(endpoint, items)
    _refuse_what_is_wrong(endpoint, params)
    with place.client() as client:
        if endpoint.changes_something and not yes and not place.local:
            _ask(endpoint, items, client)
        method = getattr(getattr(client, endpoint.group), endpoint.name)
        reply = method(**params, options=CallOptions(timeout=timeout))
        _show(reply, columns, as_json=as_json)
    return 0


def _refuse_what_is_wrong(endpoint: Endpoint, params: dict[str, Any]) -> None:
    """Before anybody is asked and anything is started."""
    given = {name: value for name, value in params.items() if name != "extra"}
    try:
        encode(endpoint, given, params.get("extra"))
    except ConfigError as error:
        raise click.UsageError(error.message) from error


def _ask(endpoint: Endpoint, items: tuple[str, ...], client: BybitClient) -> None:
    what = f"{endpoint.key} changes something at {client.base_url}"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{what}, and there is no terminal to ask on: pass --yes to send it")
    note(f"{what}:\n  {endpoint.method} {endpoint.path}")
    for item in items:
        note(f"  {item}")
    click.confirm("Send it?", abort=True, err=True)


# --- answers ------------------------------------------------------------------------------


def _show(reply: Reply[Any], columns: str | None, *, as_json: bool) -> None:
    from .grid import grid_of, table_of

    if as_json:
        print_json(dict(reply))
        return
    grid = grid_of(reply)
    if columns is not None:
        grid = grid.only([name.strip() for name in columns.split(",")])
    if not is_terminal():
        if grid.rows:
            click.echo("\n".join(grid.lines()))
        _foot(reply, 0)
        return
    console = out()
    hidden = 0
    if grid.rows and grid.names:
        table, hidden = table_of(grid, console.width)
        console.print(table)
    _foot(reply, hidden)


def _foot(reply: Reply[Any], hidden: int) -> None:
    rows = len(reply.rows())
    facts = [f"{rows} row{'' if rows == 1 else 's'}", f"{reply.elapsed * 1000:.1f} ms"]
    if reply.rate_limit is not None and reply.rate_limit.remaining is not None:
        facts.append(f"{reply.rate_limit.remaining} calls left in this window")
    if hidden:
        facts.append(f"{hidden} more columns: --json, or --columns")
    result = reply.get("result")
    if isinstance(result, dict) and result.get("nextPageCursor"):
        facts.append(f"more rows: cursor={result['nextPageCursor']}")
    note(" · ".join(facts))


# --- what there is ------------------------------------------------------------------------


def _list(group: str | None, *, as_json: bool) -> int:
    group = group.partition(".")[0] if group else None
    listed = endpoints.groups() if group is None else endpoints.methods_of(group)
    if as_json:
        print_json({each.name: each.line for each in listed})
        return 0
    prefix = "" if group is None else f"{group}."
    width = max(len(each.name) for each in listed)
    for each in listed:
        click.echo(f"{prefix}{each.name:{width}}  {each.line}")
    return 0


def _describe(endpoint: Endpoint, *, as_json: bool) -> int:
    rows = [
        {"name": each.name, "required": each.required, "takes": endpoints.kind_of(each)}
        for each in endpoint.params
    ]
    facts = {
        "endpoint": endpoint.key,
        "request": f"{endpoint.method} {endpoint.path}",
        "signed": endpoint.auth == "required",
        "changes_something": endpoint.changes_something,
        "parameters": rows,
    }
    if as_json:
        print_json(facts)
        return 0
    signed = "signed" if facts["signed"] else "public"
    effect = ", changes something" if endpoint.changes_something else ""
    click.echo(f"{endpoint.key}: {facts['request']} ({signed}{effect})")
    width = max((len(each.name) for each in endpoint.params), default=0)
    for row in rows:
        click.echo(f"  {row['name']:{width}} {'*' if row['required'] else ' '} {row['takes']}")
    if rows:
        note("* must be given")
    return 0

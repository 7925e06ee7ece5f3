"""``python -m bybit_sync config``: is a file right, and what does every setting stand at?"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bybit_sync.config import Config, Secret, resolve_credentials
from bybit_sync.config.credentials import KEY_VARIABLE, SECRET_VARIABLE
from bybit_sync.config.document import Document, read_document
from bybit_sync.config.draft import TABLES
from bybit_sync.exceptions import ConfigError

from .output import is_terminal, json_option, note, out, print_json

_USUAL = "config.toml"
_FROM_ENVIRONMENT = {"api_key": KEY_VARIABLE, "api_secret": SECRET_VARIABLE}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key, what it stands at, and why."""

    table: str
    key: str
    value: Any
    default: Any
    origin: str

    @property
    def is_changed(self) -> bool:
        """True where the value is not the default."""
        return bool(self.value != self.default)


def _file_of(file: str | None, option: str | None) -> str | None:
    if file is not None and option is not None:
        raise click.UsageError("FILE or --config, not both")
    return file if file is not None else option


_FILE = click.argument("file", required=False, type=click.Path(dir_okay=False))
_CONFIG = click.option("--config", "option", type=click.Path(dir_okay=False), help="Same as FILE.")


@click.group()
def config() -> None:
    """Check a config file, or show every setting with its default and where it comes from.

    \b
    Example: python -m bybit_sync config check config.toml
    """


@config.command()
@_FILE
@_CONFIG
@json_option()
def check(file: str | None, option: str | None, *, as_json: bool) -> int:
    """Tell every fault of a file at once; exit code 1 if there is one.

    FILE is config.toml if left out.

    Keys in BYBIT_API_KEY and BYBIT_API_SECRET are looked at as well.

    \b
    Example: python -m bybit_sync config check config.toml
    """
    path = _file_of(file, option) or _USUAL
    faults, doubts = _look_at(path)
    if as_json:
        print_json({"file": path, "ok": not faults, "faults": faults, "warnings": doubts})
        return 1 if faults else 0
    for doubt in doubts:
        note(f"warning: {doubt}")
    for fault in faults:
        click.echo(fault)
    if not faults:
        click.echo(f"{path}: no fault")
    return 1 if faults else 0


@config.command()
@_FILE
@_CONFIG
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
@json_option()
def show(file: str | None, option: str | None, *, changed: bool, as_json: bool) -> int:
    """Show every key with its value, its default and where the value comes from.

    Without FILE: what a client without a config file has. Secrets are masked.

    \b
    Example: python -m bybit_sync config show config.toml --changed
    """
    settings = _settings(_file_of(file, option))
    shown = [each for each in settings if each.is_changed or not changed]
    if as_json:
        print_json(_as_tables(shown))
    elif is_terminal():
        _print_table(shown)
    else:
        for each in shown:
            value, default = _text(each.value), _text(each.default)
            click.echo("\t".join((f"{each.table}.{each.key}", value, default, each.origin)))
    return 0


# --- reading ------------------------------------------------------------------------------


def _look_at(path: str) -> tuple[list[str], list[str]]:
    """What is wrong with a file, and what a person should look at."""
    try:
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always")
            resolve_credentials(Config.load(path))
    except ConfigError as error:
        lines = error.message.splitlines()
        return (lines[1:] if len(lines) > 1 and " faults in " in lines[0] else lines), []
    return [], [str(doubt.message) for doubt in doubts]


def _settings(path: str | None) -> list[Setting]:
    """Every setting.

    Raises:
        ConfigError: the file is wrong, or the keys are.
    """
    document = None
    config = Config()
    if path is not None:
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always")
            config = Config.load(path)
        for doubt in doubts:
            note(f"warning: {doubt.message}")
        document = read_document(path)
    resolve_credentials(config)
    return [
        _setting(config, document, table, key)
        for table, record in TABLES.items()
        for key in record.key_names()
    ]


def _setting(config: Config, document: Document | None, table: str, key: str) -> Setting:
    default = getattr(TABLES[table](), key)
    variable = _FROM_ENVIRONMENT.get(key, "")
    # Key and secret come from one place, so that either variable speaks for both.
    if variable and any(map(os.environ.get, _FROM_ENVIRONMENT.values())):
        value = Secret(os.environ.get(variable, ""), shown=key == "api_key")
        return Setting(table, key, value, default, variable)
    value = getattr(getattr(config, table), key)
    return Setting(table, key, value, default, _origin(document, table, key))


def _origin(document: Document | None, table: str, key: str) -> str:
    given: Any = document.tables.get(table, {}) if document is not None else {}
    if document is None or key not in given:
        return "default"
    line = document.lines.of((table, key))
    name = Path(document.file.name).name
    return name if line is None else f"{name}:{line}"


# --- showing ------------------------------------------------------------------------------


def _as_tables(settings: list[Setting]) -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {}
    for each in settings:
        tables.setdefault(each.table, {})[each.key] = {
            "value": _plain(each.value),
            "default": _plain(each.default),
            "origin": each.origin,
        }
    return tables


def _plain(value: Any) -> Any:
    """The value as JSON has it, secrets masked."""
    if isinstance(value, Secret):
        return str(value)
    return dict(value) if isinstance(value, Mapping) else value


def _text(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)


def _print_table(settings: list[Setting]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("setting", "value", "default", "from")
    last = ""
    for each in settings:
        if last and each.table != last:
            table.add_section()
        last = each.table
        style = "bold" if each.is_changed else None
        cells = (f"{each.table}.{each.key}", _text(each.value), _text(each.default), each.origin)
        table.add_row(*map(escape, cells), style=style)
    out().print(table)

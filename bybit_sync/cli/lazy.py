"""A group of commands of which only the one that is called is imported.

``--help`` needs names and a line for each, and both stand in a table: no command, no client and no
rich is imported for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Entry(NamedTuple):
    """Where a command is found, and the line that lists it."""

    module: str
    """Beside this file; the command is its attribute of the same name."""
    line: str


class LazyGroup(click.Group):
    """Commands by name, in the order of their table; every one of them knows ``--debug``."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._entries = entries
        self.params.append(debug_option())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None where there is none of that name."""
        if cmd_name not in self._entries:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = self._load(cmd_name)
        return self.commands[cmd_name]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.line) for name, entry in self._entries.items()])

    def _load(self, name: str) -> click.Command:
        module = import_module(f".{self._entries[name].module}", __package__)
        command: click.Command = getattr(module, name)
        _teach_debug(command)
        return command


def debug_option() -> click.Option:
    """``--debug``, which `run` reads from the command line itself: it holds wherever it stands."""
    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, help="Show the trace of an error."
    )


def _teach_debug(command: click.Command) -> None:
    command.params.append(debug_option())
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _teach_debug(below)

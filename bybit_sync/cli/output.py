"""Where a command writes: results on stdout, all else on stderr; colours on a terminal only.

rich leaves colours out where the stream is no terminal or ``NO_COLOR`` is set.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

_F = TypeVar("_F", bound=Callable[..., Any])


def json_option(help_text: str = "Print JSON, for programs.") -> Callable[[_F], _F]:
    """``--json``, as the argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)


def out() -> Console:
    """Stdout."""
    from rich.console import Console

    return Console(highlight=False)


def err() -> Console:
    """Stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def is_terminal() -> bool:
    """True where stdout is one: a person reads it."""
    return sys.stdout.isatty()


def note(text: str) -> None:
    """A line for people, on stderr."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """A value as JSON on stdout: indented for a terminal, one line for a program."""
    click.echo(json.dumps(value, indent=2 if is_terminal() else None, ensure_ascii=False))

"""The commands: results on stdout, all else on stderr; exit 0 done, 1 failed, 2 wrong usage."""

from __future__ import annotations

import os
import sys

import click

from bybit_sync import __version__

from . import errors
from .lazy import Entry, LazyGroup

_COMMANDS = {
    "call": Entry("call", "Call any endpoint: call market.get_tickers category=spot."),
    "history": Entry("history", "Download candles, funding, trades, … of any length."),
    "doctor": Entry("doctor", "Find out what is wrong, and which knob to turn."),
    "top": Entry("top", "Watch a running program: pool, limits, latency, errors."),
    "config": Entry("config", "Check a config file, or show every setting and its origin."),
    "demo": Entry("demo", "See what pooling is worth, measured on this machine."),
    "bench": Entry("bench", "Measure the installed client against a local exchange."),
    "soak": Entry("soak", "Load it for minutes or days: does anything grow?"),
    "simulate": Entry("simulate", "Run a Bybit on this machine for other programs."),
    "completion": Entry("completion", "Print the script that completes commands in your shell."),
}
_VARIABLE = "_BYBIT_SYNC_COMPLETE"
_EXAMPLE = """\b
Example: python -m bybit_sync call market.get_tickers category=spot symbol=BTCUSDT"""

commands = LazyGroup(
    "bybit-sync",
    entries=_COMMANDS,
    help=f"The Bybit v5 REST API over a pool of warm connections.\n\n{_EXAMPLE}",
    epilog="Every command has --help with an example. Exit code: 0 done, 1 failed, 2 wrong usage.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands = click.version_option(__version__, message="bybit-sync %(version)s")(commands)


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    if _VARIABLE in os.environ:
        from .completion import prepare  # teaches click our own way with bash

        prepare()
    with_trace = "--debug" in arguments
    try:
        result = commands.main(
            arguments, prog_name=_program(), complete_var=_VARIABLE, standalone_mode=False
        )
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return errors.FAILED
    except Exception as error:  # noqa: BLE001  (the top: whatever it is, it is told)
        errors.tell(error, with_trace=with_trace)
        return errors.exit_code(error)
    return result if isinstance(result, int) else 0


def _program() -> str:
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return "bybit-sync" if name.startswith("bybit-sync") else "python -m bybit_sync"

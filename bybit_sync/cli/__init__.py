"""The commands: results on stdout, all else on stderr; exit 0 done, 1 failed, 2 wrong usage."""

from __future__ import annotations

import click

from bybit_sync.exceptions import BybitError
from bybit_sync.simulator import SimulatorError

from .demo import demo
from .history import history
from .simulate import simulate
from .soak import soak


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """The Bybit v5 REST API over a pool of warm connections."""


commands.add_command(demo)
commands.add_command(history)
commands.add_command(simulate)
commands.add_command(soak)


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    try:
        result = commands.main(arguments, prog_name="python -m bybit_sync", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 1
    except (BybitError, SimulatorError) as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        return 1
    return result if isinstance(result, int) else 0

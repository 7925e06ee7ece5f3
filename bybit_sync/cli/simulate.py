"""``python -m bybit_sync simulate``: a local exchange for other programs, until it is stopped."""

from __future__ import annotations

import sys

import click

from bybit_sync.simulator import Ready, Settings, SimulatorError, serve


@click.command()
@click.option(
    "--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same prices.")
@click.option(
    "--latency-ms",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0.0, 60_000.0),
    help="One round trip; new connections take two more.",
)
@click.option(
    "--state", type=click.Path(dir_okay=False), help="Keep accounts and orders in a file."
)
@click.option("--no-tls", is_flag=True, help="Plain HTTP.")
@click.option("--json", "form", flag_value="json", help="Print where it is as one line of JSON.")
@click.option("--env", "form", flag_value="env", help="Print lines that a shell can source.")
def simulate(
    port: int, seed: int, latency_ms: float, state: str | None, form: str | None, *, no_tls: bool
) -> None:
    """Run a Bybit on this machine and print its URL, key, secret and CA file.

    \b
    Example: python -m bybit_sync simulate --latency-ms 50 --json
    """
    settings = Settings(
        latency=latency_ms / 1000, tls=not no_tls, port=port, seed=seed, state=state
    )

    def tell(ready: Ready) -> None:
        if form == "json":
            click.echo(ready.as_json())
        elif form == "env":
            click.echo(ready.as_env())
        else:
            click.echo(ready.as_text())
        sys.stdout.flush()
        click.echo("running until Ctrl-C or SIGTERM", err=True)

    try:
        serve(settings, tell)
    except SimulatorError as error:
        raise click.ClickException(str(error)) from error

"""What went wrong, in one clear line with what to do; and with which exit code."""

from __future__ import annotations

import os
import traceback

import click

from bybit_sync import exceptions as errors

FAILED, WRONG_USAGE = 1, 2

_EXTRAS = {
    "click": "cli",
    "rich": "cli",
    "trustme": "simulator",
    "cryptography": "simulator",
    "pandas": "history",
    "pyarrow": "history",
    "tqdm": "history",
    "redis": "cluster",
    "distributed": "cluster",
}
"""The extra that brings a package."""

_ADVICE: tuple[tuple[type[errors.BybitError], str], ...] = (
    (errors.MissingCredentialsError, "set both variables, or pass --config FILE"),
    (errors.ConfigError, ""),
    (errors.DnsError, "check the network and the name; `doctor` with the same options says more"),
    (errors.TlsError, "a server with a CA of its own needs --ca-file, or tls.ca_file in --config"),
    (errors.ConnectError, "check network and firewall; `doctor` with the same options says more"),
    (errors.PoolTimeoutError, "raise connection_pool.limit_per_host, or call from fewer threads"),
    (errors.PoolFullError, "raise connection_pool.max_waiting or limit_per_host"),
    (errors.RateLimitTimeoutError, "call less often, or allow the call more time"),
    (errors.IpBannedError, "stop every program on this address until then; it called too often"),
    (errors.RateLimitedError, "call less often; programs that share a limit need rate_limit.store"),
    (errors.ClockError, "let NTP set this machine's clock, and leave clock.mode on passive"),
    (errors.AuthError, "a key belongs to one environment: see --environment, and the key's expiry"),
    (errors.PermissionDeniedError, "give the key this permission, or use another one"),
    (errors.ExchangeBusyError, "try again in a moment"),
    (errors.TransportError, "try again; `doctor` with the same options says more"),
)
"""What to do, by the first class that fits."""


def exit_code(error: BaseException) -> int:
    """2 for wrong usage, 1 for everything else."""
    return error.exit_code if isinstance(error, click.ClickException) else FAILED


def tell(error: BaseException, *, with_trace: bool) -> None:
    """Write the error to stderr; the trace only where it is asked for."""
    if with_trace and not isinstance(error, click.UsageError):
        click.echo("".join(traceback.format_exception(error)), nl=False, err=True)
    colour = None if "NO_COLOR" in os.environ else "red"
    click.echo(click.style(line_of(error), fg=colour), err=True)


def line_of(error: BaseException) -> str:
    """The error in a line, and what to do about it."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"Error: {error.format_message()} ({error.ctx.command_path} --help tells more)"
    if isinstance(error, click.ClickException):
        return f"Error: {error.format_message()}"
    if isinstance(error, errors.BybitError):
        return " - ".join(filter(None, (f"{type(error).__name__}: {error}", *_what_to_do(error))))
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        if package in _EXTRAS:
            return missing(package)
    if type(error).__name__ == "SimulatorError":  # by name: the simulator is not imported here
        return f"SimulatorError: {error}"
    return f"{type(error).__name__}: {error} (--debug shows where)"


def missing(package: str) -> str:
    """That a package is absent, with the command that installs it."""
    return f'Error: this needs the package {package}: pip install "bybit-sync[{_EXTRAS[package]}]"'


def _what_to_do(error: errors.BybitError) -> tuple[str, ...]:
    advice = next((text for kind, text in _ADVICE if isinstance(error, kind)), "")
    return (_effect(error), advice) if error.effect_unknown else (advice,)


def _effect(error: errors.BybitError) -> str:
    """The exchange may have acted: what to look for before anything is repeated."""
    params = error.request.params if error.request is not None else {}
    name = next((each for each in ("orderLinkId", "orderId") if params.get(each)), None)
    what = f" ({name} {params[name]})" if name else ""
    return f"it may have been carried out: look it up{what} before you repeat it"

"""``python -m bybit_sync history``: long downloads into a file, or as CSV onto stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import click

from bybit_sync.call.moments import to_iso, to_ms
from bybit_sync.exceptions import ConfigError
from bybit_sync.history import DownloadInterrupted, Saved
from bybit_sync.history.intervals import CANDLES, SAMPLES, Interval, find_interval

from .place import Place, with_place


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A date, ISO text or unix milliseconds."""
    if value is None:
        return None
    try:
        return to_ms(str(param.name), value)
    except ConfigError as error:
        raise click.BadParameter(error.message, ctx, param) from error


def _interval(known: Mapping[str, Interval]) -> Callable[..., str]:
    """An interval, as Bybit or as people write it."""

    def convert(ctx: click.Context, param: click.Parameter, value: str) -> str:
        try:
            return find_interval(known, "interval", value).code
        except ConfigError as error:
            raise click.BadParameter(error.message, ctx, param) from error

    return convert


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What every download may be told."""

    since: int
    until: int | None
    out: str | None
    place: Place
    exact: bool
    workers: int
    as_json: bool

    def check(self) -> None:
        """Refuse what does not go together."""
        if self.as_json and self.out is None:
            raise click.UsageError("--json tells about a file: it needs --out")

    def how(self) -> dict[str, Any]:
        """The options of the download."""
        return {
            "out": sys.stdout if self.out is None else self.out,
            "decimals": Decimal if self.exact else float,
            "workers": self.workers,
        }


_OPTIONS = (
    click.option("--since", required=True, callback=_moment, help="First moment, included."),
    click.option("--until", callback=_moment, help="Last moment, not included; default: now."),
    click.option(
        "--out",
        type=click.Path(dir_okay=False),
        help="A .parquet or .csv file; the same command goes on with it. Default: CSV on stdout.",
    ),
    click.option("--exact", is_flag=True, help="Exact decimals in Parquet, in place of floats."),
    click.option("--workers", default=16, show_default=True, type=click.IntRange(1, 200)),
    click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
)


def _common(command: Callable[..., int]) -> Callable[..., int]:
    command = with_place(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _category(*choices: str, default: str | None = None) -> Callable[..., Any]:
    return click.option(
        "--category",
        type=click.Choice(choices),
        default=default,
        required=default is None,
        show_default=default is not None,
    )


@click.group()
def history() -> None:
    """Download candles, funding, trades, … of any length.

    What a file holds is whole windows, oldest row first. After Ctrl-C or a kill the same command
    goes on where it stopped.

    \b
    Example: python -m bybit_sync history klines BTCUSDT 1m --since 2024-01-01 --out btc.parquet
    """


def _candles(name: str, method: str, what: str, *categories: str) -> None:
    @history.command(name, help=f"{what}; INTERVAL is 1m, 1h, 1d, 1M or Bybit's.")
    @click.argument("symbol")
    @click.argument("interval", callback=_interval(CANDLES))
    @_category(*categories, default="linear")
    @_common
    def command(symbol: str, interval: str, category: str, **options: Any) -> int:
        return _run(options, method, symbol, interval, category=category)


def _samples(name: str, method: str, what: str) -> None:
    @history.command(name, help=f"{what}; INTERVAL is 5m, 15m, 30m, 1h, 4h or 1d.")
    @click.argument("symbol")
    @click.argument("interval", callback=_interval(SAMPLES))
    @_category("linear", "inverse", default="linear")
    @_common
    def command(symbol: str, interval: str, category: str, **options: Any) -> int:
        return _run(options, method, symbol, interval, category=category)


_candles("klines", "klines", "Candles", "spot", "linear", "inverse")
_candles(
    "mark-price-klines",
    "mark_price_klines",
    "Candles of the mark price",
    "linear",
    "inverse",
    "option",
)
_candles(
    "index-price-klines", "index_price_klines", "Candles of the index price", "linear", "inverse"
)
_candles("premium-index-klines", "premium_index_klines", "Candles of the premium index", "linear")
_samples("open-interest", "open_interest", "Open interest")
_samples("long-short-ratio", "long_short_ratio", "Share of accounts that are long and short")


@history.command()
@click.argument("symbol")
@_category("linear", "inverse", default="linear")
@_common
def funding(symbol: str, category: str, **options: Any) -> int:
    """Funding rates of a perpetual contract."""
    return _run(options, "funding", symbol, category=category)


def _own(name: str, method: str, what: str, *categories: str) -> None:
    @history.command(name, help=f"{what}; keys from BYBIT_API_KEY/SECRET or the config.")
    @_category(*categories)
    @click.option("--symbol")
    @_common
    def command(category: str, symbol: str | None, **options: Any) -> int:
        return _run(options, method, category=category, symbol=symbol)


_own("executions", "executions", "The account's trades", "linear", "inverse", "spot", "option")
_own("orders", "orders", "Orders that are not open", "linear", "inverse", "spot", "option")
_own("closed-pnl", "closed_pnl", "Profit and loss of closed positions", "linear", "inverse")


@history.command("transaction-log")
@click.option("--category", type=click.Choice(("linear", "inverse", "spot", "option")))
@click.option("--currency")
@_common
def transaction_log(category: str | None, currency: str | None, **options: Any) -> int:
    """Every change of the account's balance; keys from BYBIT_API_KEY/SECRET or the config."""
    return _run(options, "transaction_log", category=category, currency=currency)


def _run(options: dict[str, Any], method: str, *what: Any, **params: Any) -> int:
    common = _Common(**options)
    common.check()
    try:
        with common.place.client() as client:
            load = getattr(client.history, method)
            result = load(*what, common.since, common.until, **params, **common.how())
    except DownloadInterrupted as interrupt:
        click.echo(str(interrupt), err=True)
        return 1
    except ImportError as error:
        raise click.ClickException(str(error)) from error
    if isinstance(result, Saved):
        _report(result, as_json=common.as_json)
    return 0


def _report(saved: Saved, *, as_json: bool) -> None:
    if not as_json:
        took = f"{saved.new_rows:,} new in {saved.seconds:.1f} s ({saved.calls} calls)"
        click.echo(f"{saved}; {took}")
        return
    summary = {
        "path": str(saved.path),
        "rows": saved.rows,
        "new_rows": saved.new_rows,
        "start": to_iso(saved.start_ms),
        "until": None if saved.until_ms is None else to_iso(saved.until_ms),
        "calls": saved.calls,
        "seconds": round(saved.seconds, 3),
    }
    click.echo(json.dumps(summary))

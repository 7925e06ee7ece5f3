"""`client.history`: everything between two moments, however much it is."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from bybit_sync.api._paging import PAGING
from bybit_sync.call.encode import encode
from bybit_sync.call.moments import Moment, to_iso, to_ms
from bybit_sync.exceptions import ConfigError, MissingCredentialsError

from .download import Download
from .fetch import fetch
from .intervals import CANDLES, SAMPLES, Grid, Interval, find_interval
from .output import Out, Output
from .plan import Plan
from .series import Series, find_series

if TYPE_CHECKING:
    from bybit_sync.client import BybitClient

Category = Literal["spot", "linear", "inverse", "option"]


class History:
    """Downloads of any length, oldest row first, without gap or double.

    Every method takes `start` (included) and `end` (not included; now if None) as a datetime with
    time zone, unix milliseconds or ISO text, and these options:

    Args:
        out: a ``.parquet`` or ``.csv`` file that is written as rows arrive, with memory flat. After
            an interrupt or a kill the same call goes on where it stopped; a later one with a later
            end adds what is new. Without it the result is a DataFrame.
        decimals: float, or Decimal for exact ones. CSV has the texts that Bybit sent.
        progress: a bar on stderr; None shows it on a terminal and in a notebook only.
        workers: windows fetched side by side, inside the client's rate limits.
        executor: what fetches the windows instead of threads of this process; it must be able to
            pickle the client.

    Returns a pandas DataFrame or, with `out`, a `Saved`.

    Raises:
        ConfigError: something is not allowed; nothing was asked for.
        ImportError: a package is missing; the message names the command.
        BybitError: a window could not be had; what came before it is in the file.
        DownloadInterrupted: Ctrl-C; the message says what is kept.
    """

    def __init__(self, client: BybitClient) -> None:
        self._client = client

    # --- candles --------------------------------------------------------------------------

    def klines(
        self,
        symbol: str,
        interval: str | int,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Literal["spot", "linear", "inverse"] = "linear",
        out: Out = None,
        decimals: type[float | Decimal] = float,
        progress: bool | None = None,
        workers: int = 16,
        executor: Executor | None = None,
    ) -> Any:
        """Candles; `interval` is Bybit's (``1``, ``60``, ``D``) or ``1m``, ``1h``, ``1d``, ``1M``.

        Only those that have ended: one that still forms would be another one tomorrow.
        """
        return self._candles(
            "klines",
            symbol,
            interval,
            (start, end),
            category,
            out=out,
            decimals=decimals,
            progress=progress,
            workers=workers,
            executor=executor,
        )

    def mark_price_klines(
        self,
        symbol: str,
        interval: str | int,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Literal["linear", "inverse", "option"] = "linear",
        **how: Any,
    ) -> Any:
        """Candles of the mark price; as `klines`."""
        return self._candles("mark_price_klines", symbol, interval, (start, end), category, **how)

    def index_price_klines(
        self,
        symbol: str,
        interval: str | int,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Literal["linear", "inverse"] = "linear",
        **how: Any,
    ) -> Any:
        """Candles of the index price; as `klines`."""
        return self._candles("index_price_klines", symbol, interval, (start, end), category, **how)

    def premium_index_klines(
        self,
        symbol: str,
        interval: str | int,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Literal["linear"] = "linear",
        **how: Any,
    ) -> Any:
        """Candles of the premium index; as `klines`."""
        return self._candles(
            "premium_index_klines", symbol, interval, (start, end), category, **how
        )

    # --- other public series --------------------------------------------------------------

    def funding(
        self,
        symbol: str,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Literal["linear", "inverse"] = "linear",
        **how: Any,
    ) -> Any:
        """Funding rates of a perpetual contract."""
        params = {"category": category, "symbol": symbol}
        return self._load("funding", params, (start, end), None, how)

    def open_interest(
        self,
        symbol: str,
        interval: str,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Literal["linear", "inverse"] = "linear",
        **how: Any,
    ) -> Any:
        """Open interest; `interval` is ``5min``, ``15min``, ``30min``, ``1h``, ``4h`` or ``1d``."""
        found = find_interval(SAMPLES, "interval", interval)
        params = {"category": category, "symbol": symbol, "intervalTime": found.code}
        return self._load("open_interest", params, (start, end), found, how)

    def long_short_ratio(
        self,
        symbol: str,
        interval: str,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Literal["linear", "inverse"] = "linear",
        **how: Any,
    ) -> Any:
        """Share of accounts that are long and short; `interval` as `open_interest`."""
        found = find_interval(SAMPLES, "interval", interval)
        params = {"category": category, "symbol": symbol, "period": found.code}
        return self._load("long_short_ratio", params, (start, end), found, how)

    # --- the account's own ----------------------------------------------------------------

    def executions(
        self,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Category,
        symbol: str | None = None,
        **how: Any,
    ) -> Any:
        """The account's trades; further keywords are parameters of ``trade.get_executions``."""
        params = {"category": category, "symbol": symbol}
        return self._load("executions", params, (start, end), None, how)

    trades = executions

    def orders(
        self,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Category,
        symbol: str | None = None,
        **how: Any,
    ) -> Any:
        """Orders that are no longer open; further keywords as ``trade.get_order_history``."""
        params = {"category": category, "symbol": symbol}
        return self._load("orders", params, (start, end), None, how)

    def closed_pnl(
        self,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Literal["linear", "inverse"],
        symbol: str | None = None,
        **how: Any,
    ) -> Any:
        """Profit and loss of closed positions."""
        params = {"category": category, "symbol": symbol}
        return self._load("closed_pnl", params, (start, end), None, how)

    def transaction_log(
        self,
        start: Moment,
        end: Moment | None = None,
        *,
        category: Category | None = None,
        currency: str | None = None,
        **how: Any,
    ) -> Any:
        """Every change of the unified account's balance; further keywords are parameters of
        ``account.get_transaction_log``."""
        params = {"category": category, "currency": currency}
        return self._load("transaction_log", params, (start, end), None, how)

    # --- all ------------------------------------------------------------------------------

    def _candles(
        self,
        name: str,
        symbol: str,
        interval: str | int,
        between: tuple[Moment, Moment | None],
        category: str,
        **how: Any,
    ) -> Any:
        found = find_interval(CANDLES, "interval", interval)
        params = {"category": category, "symbol": symbol, "interval": found.code}
        return self._load(name, params, between, found, how)

    def _load(
        self,
        name: str,
        params: dict[str, Any],
        between: tuple[Moment, Moment | None],
        interval: Interval | None,
        how: dict[str, Any],
    ) -> Any:
        output, more = Output.split(how)
        series = find_series(name)
        params = {**params, **more}
        plan = self._plan(series, params, between, interval, is_kept=output.path is not None)
        self._check(series, params)
        config = self._client.config.client
        about = {
            "series": name,
            "params": plan.params,
            "place": "" if config.base_url else config.environment,
            "start_ms": plan.start_ms,
        }
        return Download(
            self._client,
            plan,
            output.sink(series, about, self._client.clock, partial(fetch, self._client)),
            workers=output.workers,
            executor=output.executor,
            progress=output.progress,
        ).run()

    def _plan(
        self,
        series: Series,
        params: Mapping[str, Any],
        between: tuple[Moment, Moment | None],
        interval: Interval | None,
        *,
        is_kept: bool,
    ) -> Plan:
        start = to_ms("start", between[0])
        wanted = None if between[1] is None else to_ms("end", between[1])
        if wanted is not None and wanted <= start:
            raise ConfigError(f"end: {to_iso(wanted)} is not after start, {to_iso(start)}")
        grid = interval.grid if interval is not None else None
        last = self._last_ms(series, grid, is_kept=is_kept)
        paging = PAGING[series.endpoint]
        return Plan(
            series,
            {name: value for name, value in params.items() if value is not None},
            start,
            last if wanted is None else min(wanted, last),
            grid,
            paging.most_rows(params.get("category")) or 1,
        )

    def _last_ms(self, series: Series, grid: Grid | None, *, is_kept: bool) -> int:
        """Up to when rows are there for good. A file that said it held more would never get what
        appears later."""
        now = self._client.pipeline.time.now_ms()
        if series.time == "startTime":
            assert grid is not None
            return grid.floor(now - series.settle_ms)
        return now - series.settle_ms if is_kept else now + 1

    def _check(self, series: Series, params: Mapping[str, Any]) -> None:
        """Let the endpoint's method refuse what it would refuse later, before a file is made."""
        group, name = series.endpoint.split(".")

        def look(endpoint: Any, given: Any, options: Any = None, extra: Any = None) -> None:
            encode(endpoint, given, extra)
            if endpoint.auth == "required" and not self._client.has_credentials:
                raise MissingCredentialsError(
                    f"{endpoint.key} is a private call: it needs api_key and api_secret"
                )

        getattr(type(getattr(self._client, group))(look), name)(**params)

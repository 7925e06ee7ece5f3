"""`BybitClient`: builds the floors below and holds the endpoint groups."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import requests

from bybit_sync.api import Groups, find
from bybit_sync.call.hooks import Hooks
from bybit_sync.call.pipeline import Pipeline
from bybit_sync.call.records import CallOptions, Params
from bybit_sync.call.reply import Reply
from bybit_sync.call.shared_limits import limit_scope
from bybit_sync.call.sign import Signer, make_signer
from bybit_sync.call.store_use import StoreUse
from bybit_sync.clock import SYSTEM_CLOCK, Clock
from bybit_sync.config import Config, Credentials, Secret, TlsConfig, resolve_credentials
from bybit_sync.exceptions import ConfigError
from bybit_sync.net.adapter import PooledAdapter
from bybit_sync.net.answer import HeaderBlock
from bybit_sync.net.session import PooledSession
from bybit_sync.net.stats import PoolStats

from . import frames as frames  # tells replies what their rows hold
from .metrics import ClientReport
from .notebook.shell import is_notebook
from .parts import Once, Stopping, end
from .travel import origin_of, pack, unpack

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from .history import History
    from .notebook.charts import Charts
    from .notebook.display import ClientDisplay
    from .notebook.watch import Watch
    from .orders import Orders
    from .pages import Pages

log = logging.getLogger("bybit_sync.client")

_HOSTS = {
    "mainnet": "https://api.bybit.com",
    "testnet": "https://api-testnet.bybit.com",
    "demo": "https://api-demo.bybit.com",
    "demo-testnet": "https://api-demo-testnet.bybit.com",
}
_PING_TARGET = "/v5/market/time"


class BybitClient(Groups):
    """The Bybit v5 REST API over one pool of warm connections, for any number of threads.

    ``client.market``, ``.trade``, ``.position``, ``.account``, … hold the endpoints, one method
    each; `request` sends to any path. Use it as a context manager, or `close` it.

    Args:
        api_key, api_secret: else ``BYBIT_API_KEY`` and ``BYBIT_API_SECRET``, else the config's;
            without them only public calls work. A secret that starts with ``-----BEGIN`` is an
            RSA private key (extra ``rsa``).
        environment: ``mainnet`` (the default), ``testnet``, ``demo`` or ``demo-testnet``.
        base_url: wins over `environment`; https unless the host is this machine.
        config: every other knob; see ``config.toml``.
        registry: the Prometheus registry that reports this client; the default one if None.

    Raises:
        ConfigError: a setting is not allowed; the message names it and what is.
    """

    exchange: Any = None
    """The `bybit_sync.simulator.LocalExchange` under a client that `local` made."""

    # Here for the repr of a client that is refused half-way: a traceback may show it.
    base_url = ""
    has_credentials = False

    def __init__(
        self,
        api_key: str | Secret | None = None,
        api_secret: str | Secret | None = None,
        *,
        environment: str | None = None,
        base_url: str | None = None,
        config: Config | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        keys = Secret(api_key or ""), Secret(api_secret or "")
        del api_key, api_secret  # a traceback shows locals
        self.config = _with_place(Config() if config is None else config, environment, base_url)
        self.clock: Clock = SYSTEM_CLOCK
        credentials = resolve_credentials(self.config, *keys, os.environ)
        self.has_credentials = credentials is not None
        self.key_origin = origin_of(credentials, bool(keys[0]), os.environ)
        self.base_url = self.config.client.base_url or _HOSTS[self.config.client.environment]
        self.adapter = PooledAdapter(
            self.config.connection_pool,
            tls=self.config.tls,
            keepalive=self.config.tcp_keepalive,
            clock=self.clock,
        )
        self._net = PooledSession(
            self.adapter,
            proxy=self.config.client.proxy,
            max_answer_bytes=self.config.client.max_answer_bytes,
        )
        self._net.prepare(self.base_url)
        self._store = StoreUse(self.config.rate_limit.store)
        self.pipeline = self._make_pipeline(credentials)
        super().__init__(self.pipeline.call)
        self._report = ClientReport(
            self.config.client.exchange_label,
            self.adapter.stats,
            self.pipeline.hooks.snapshot,
            self.config.metrics,
            registry,
            self.pipeline.limiter.address.breaker,
        )
        self._orders = Once(partial(_orders, self.pipeline, self.config))
        self._display = Once(
            partial(_display, self.base_url, self.has_credentials, self.adapter, self.pipeline)
        )
        # Ends what was started, whether by close(), by the collector or at exit; nothing in
        # here may hold the client itself. The report is last: it keeps the final counts.
        self._parts = (
            self.pipeline,
            self._orders,
            self._net,
            self._store,
            self._display,
            self._report,
        )
        self._ending = weakref.finalize(self, end, *self._parts)
        if self.config.connection_pool.ping_interval:
            self._net.keep_warm(self.base_url, _PING_TARGET, HeaderBlock({"Accept": "*/*"}))
        if is_notebook():
            self._display.get()  # records from now on: the first chart shows the first call
        self._log_start()

    def _make_pipeline(self, credentials: Credentials | None) -> Pipeline:
        signer = _signer(credentials) if credentials is not None else None
        return Pipeline(
            self._net,
            self.config,
            base_url=self.base_url,
            signer=signer,
            clock=self.clock,
            hooks=Hooks(),
            scope=limit_scope(
                self.base_url,
                api_key="" if signer is None else signer.api_key,
                proxy=self.config.client.proxy,
                source_address=self.config.connection_pool.source_address,
                windows=self._store.windows,
            ),
        )

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], **arguments: Any) -> BybitClient:
        """A client with the settings of a TOML file; missing tables and keys take their defaults.

        Further arguments go to the constructor and win over the file.

        Raises:
            ConfigError: the file is not there, or is wrong; all its faults are told at once.
        """
        for name in {"api_key", "api_secret"} & set(arguments):
            arguments[name] = Secret(arguments[name] or "")  # a traceback shows locals
        client = cls(config=Config.load(path), **arguments)
        client.key_origin = replace(client.key_origin, file=os.path.abspath(path))
        return client

    @classmethod
    def local(
        cls,
        *,
        latency: float = 0.0,
        config: Config | None = None,
        registry: CollectorRegistry | None = None,
        **options: Any,
    ) -> BybitClient:
        """A client on a local exchange that is started for it and stopped with it.

        `latency` is the round trip in seconds; further options go to
        `bybit_sync.simulator.LocalExchange`. Needs the extra ``simulator``.
        """
        from bybit_sync.simulator import LocalExchange

        exchange = LocalExchange(latency=latency, **options)
        exchange.start()
        try:
            client = cls(
                exchange.api_key,
                exchange.api_secret,
                base_url=exchange.url,
                config=replace(config or Config(), tls=TlsConfig(ca_file=exchange.ca_file or "")),
                registry=registry,
            )
        except BaseException:
            exchange.stop()
            raise
        client._ending.detach()
        client._ending = weakref.finalize(client, end, *client._parts, Stopping(exchange.stop))
        client.exchange = exchange
        return client

    # --- calls ----------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        *,
        auth: bool | None = None,
        options: CallOptions | None = None,
    ) -> Reply[Any]:
        """Call any path; GET parameters go to the query, those of a POST to the JSON body.

        `auth` says whether to sign; None does as the endpoint table says, and signs paths that
        it does not know if there are keys.

        Raises:
            BybitError: see ``bybit_sync.exceptions``.
        """
        endpoint = find(method, path)
        return self.pipeline.request(
            method, path, params, endpoint=endpoint, auth=auth, options=options
        )

    @property
    def orders(self) -> Orders:
        """Orders that are placed once: an answer that was lost is asked for, never guessed."""
        orders: Orders = self._orders.get()
        return orders

    # --- many rows ------------------------------------------------------------------------

    def pages(self, method: Callable[..., Reply[Any]], /, **params: Any) -> Pages:
        """The rows of all pages of an endpoint, asked for as they are needed, in its order.

        ``for row in client.pages(client.market.get_instruments_info, category="linear")``. Times
        may be datetimes, unix milliseconds or ISO text, and lie further apart than one call may
        ask for.

        Raises:
            ConfigError: the method has no pages, or a time is not allowed.
        """
        from .pages import Pages

        return Pages.of(method, params, self.pipeline.time.now_ms)

    @property
    def history(self) -> History:
        """Long downloads: candles, funding, executions, orders, … between two moments."""
        from .history import History

        return History(self)

    # --- the pool -------------------------------------------------------------------------

    @property
    def session(self) -> requests.Session:
        """The `requests.Session` on the client's pool."""
        return self._net.session

    def pool_stats(self) -> PoolStats:
        """The pool at this moment, consistent."""
        return self.adapter.stats()

    def warm_up(self, n: int) -> int:
        """Open connections until `n` are ready, at most the caps; returns how many are.

        Raises:
            TransportError: not one could be opened.
        """
        return self._net.warm_up(self.base_url, n)

    def update_pool_metrics(self) -> None:
        """For callers who push: read the four gauges now, and log a pool line every 100 calls.

        A scrape needs no such call. It never raises: what fails is warned about, once.
        """
        self._report.update()

    # --- in a notebook --------------------------------------------------------------------

    def _repr_html_(self) -> str:
        shown: str = self._display.get().html()
        return shown

    def watch(self, every: float = 1.0) -> Watch:
        """Show the client below the cell and redraw it every so many seconds, while other cells
        run, until ``.stop()``, `close` or the next `watch`. Outside a notebook nothing is shown.

        Raises:
            ConfigError: `every` is not from 0.1 to 60.
        """
        watch: Watch = self._display.get().watch(every)
        return watch

    @property
    def plot(self) -> Charts:
        """Charts: ``.latency()`` of the last calls, ``.pool()``, and ``.candles(frame)``."""
        charts: Charts = self._display.get().charts
        return charts

    # --- the end --------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """True once `close` was called."""
        return not self._ending.alive

    def close(self) -> None:
        """Close every connection and stop what was started; twice is fine.

        Calls under way finish within their deadlines; later ones get `ClientClosedError`.
        """
        self._ending()

    def __enter__(self) -> BybitClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        keys = "with keys" if self.has_credentials else "without keys"
        return f"<BybitClient {self.base_url}, {keys}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # Its configuration travels, its keys by where they are found; see `travel`.
        return unpack, (pack(self),)

    def _log_start(self) -> None:
        pool = self.config.connection_pool
        log.info(
            "pool for %s: limit %d, %d per host; seconds: connect %g, read %g, total %g, "
            "keep-alive %g, max age %g",
            self.base_url,
            pool.limit,
            pool.limit_per_host,
            pool.connect_timeout,
            pool.sock_read_timeout,
            pool.total_timeout,
            pool.keepalive_timeout,
            pool.max_age,
        )


def _signer(credentials: Credentials) -> Signer:
    """Who signs; what is refused is told without the frames that have read the secret."""
    try:
        return make_signer(credentials)
    except ConfigError as error:
        refused = ConfigError(error.message)
    raise refused


def _orders(pipeline: Pipeline, config: Config) -> Orders:
    from .orders import Orders  # here: many programs only read

    return Orders(pipeline, config.orders, config.connection_pool.total_timeout)


def _display(
    place: str, has_keys: bool, adapter: PooledAdapter, pipeline: Pipeline
) -> ClientDisplay:
    from .notebook.display import ClientDisplay, Sources  # here: most programs show nothing

    return ClientDisplay(
        Sources(
            place=place,
            has_keys=has_keys,
            read_pool=adapter.stats,
            hooks=pipeline.hooks,
            breaker=pipeline.limiter.address.breaker,
            clock=SYSTEM_CLOCK,
        )
    )


def _with_place(config: Config, environment: str | None, base_url: str | None) -> Config:
    """The config with the place that the arguments name, checked as a file's would be."""
    if not isinstance(config, Config):
        raise ConfigError(
            f"config: a {type(config).__name__} is not a Config; see Config.load and .from_dict"
        )
    changes: dict[str, Any] = {}
    if environment is not None:
        changes["environment"] = environment
        changes["base_url"] = ""  # an argument wins over the file, and a base_url over a name
    if base_url is not None:
        changes["base_url"] = base_url
    return replace(config, client=replace(config.client, **changes)) if changes else config

"""What the methods share: one call, made by the client and told as pybit tells it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from bybit_sync.api import find
from bybit_sync.call.encode import shown_params
from bybit_sync.call.reply import Reply
from bybit_sync.client import BybitClient
from bybit_sync.config import ClientConfig, Config, Secret
from bybit_sync.exceptions import ApiError, ConfigError, FailedRequestError
from bybit_sync.net.session import PooledSession

from .answers import PybitParser
from .carrier import Carrier
from .encode import as_params, request_of
from .errors import as_pybit_tells
from .options import Options
from .repeat import Asked, Repeater

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Given = Mapping[str, Any] | None


class Face:
    """A `BybitClient` that is asked by path. `HTTP` adds pybit's names to it."""

    def __init__(
        self,
        options: Options,
        api_key: Secret,
        api_secret: Secret,
        *,
        config: Config | None,
        registry: CollectorRegistry | None,
    ) -> None:
        self.logger = logging.getLogger("bybit_sync.unified_trading")
        self._options = options
        given = config or Config()
        keeps_place = config is not None and options.names_no_host
        self.bybit = BybitClient(
            api_key,
            api_secret,
            base_url=None if keeps_place else options.url,
            config=replace(given, connection_pool=_patient(given, options)),
            registry=registry,
        )
        pipeline = self.bybit.pipeline
        pipeline.transport = Carrier(cast(PooledSession, pipeline.transport), options.referral_id)
        self._repeater = Repeater(pipeline, options, given.orders.query_lag, self.logger)
        self._go_to(self.bybit.base_url)

    def _go_to(self, url: str) -> None:
        """Send every later call to this host; those under way end where they are."""
        pipeline = self.bybit.pipeline
        self.bybit.base_url = pipeline.base_url = url
        pipeline.parser = PybitParser.of(pipeline.parser, self._options, url.partition("://")[2])

    def _be_patient(self) -> None:
        adapter = self.bybit.adapter
        adapter.pool_config = _patient(self.bybit.config, self._options)

    # --- one call -------------------------------------------------------------------------

    def _ask(
        self, method: str, path: str, given: Given, kwargs: dict[str, Any], *, signed: bool | None
    ) -> Any:
        """The answer of a path, in the shape that the options ask for.

        `signed` as pybit does it; None signs if there are keys.

        Raises:
            ConfigError: a value cannot be sent, or keys are missing; nothing was sent.
            InvalidRequestError: Bybit says no.
            FailedRequestError: no usable answer; also an exception of requests' own where pybit
                lets one through.
        """
        endpoint = find(method, path)
        assert endpoint is not None  # the methods and the table are made from the same rows
        request = request_of(endpoint, as_params(endpoint, given, kwargs))
        asked = Asked(
            endpoint=endpoint,
            request=request,
            signed=self.bybit.has_credentials if signed is None else signed,
            timeout=self.bybit.adapter.pool_config.total_timeout,
        )
        if self._options.log_requests:
            self._log_request(asked)
        try:
            reply = self._repeater.run(asked)
        except (ApiError, FailedRequestError) as error:
            told = as_pybit_tells(error)
        else:
            return self._shaped(reply)
        raise told

    def _shaped(self, reply: Reply[Any]) -> Any:
        if self._options.log_requests:
            self.logger.debug("Response headers: %s", reply.headers)
        elapsed = timedelta(seconds=reply.elapsed)
        if self._options.return_response_headers:
            return reply, elapsed, reply.headers
        if self._options.record_request_time:
            return reply, elapsed
        return reply

    def _log_request(self, asked: Asked) -> None:
        # Without headers: pybit's hold the key and the signature.
        self.logger.debug(
            "Request -> %s %s%s. Parameters: %s",
            asked.request.method,
            self.bybit.base_url,
            asked.request.path,
            dict(shown_params(asked.request.params)),
        )


def checked_url(url: str) -> str:
    """The URL of a host as the config would take it.

    Raises:
        ConfigError: it is not https, or more than a host.
    """
    if not url:
        raise ConfigError(
            "HTTP.endpoint: it is empty; allowed is https://host or https://host:port"
        )
    return ClientConfig(base_url=url).base_url


def _patient(config: Config, options: Options) -> Any:
    """The pool's settings with pybit's one timeout: to connect, and between two reads."""
    pool = config.connection_pool
    connect, read = options.timeout
    connect = pool.connect_timeout if connect is None else connect
    read = pool.sock_read_timeout if read is None else read
    return replace(
        pool,
        connect_timeout=connect,
        sock_read_timeout=read,
        total_timeout=max(pool.total_timeout, connect + read),
    )

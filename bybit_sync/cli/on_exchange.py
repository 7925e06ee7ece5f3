"""The client of a command that starts its own exchange."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry

from bybit_sync.client import BybitClient
from bybit_sync.config import Config, TlsConfig
from bybit_sync.simulator import LocalExchange


def client_on(exchange: LocalExchange, config: Config) -> BybitClient:
    """A client with these settings and a registry of its own, on a local exchange that runs."""
    return BybitClient(
        exchange.api_key,
        exchange.api_secret,
        base_url=exchange.url,
        config=replace(config, tls=TlsConfig(ca_file=exchange.ca_file or "")),
        registry=CollectorRegistry(),
    )

"""What the rows share: a client on a scripted server, and how long things take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, Config, ConnectionPoolConfig, RetryConfig

ENVELOPE = b'{"retCode":0,"retMsg":"OK","result":{},"retExtInfo":{},"time":1}'
"""The least that the client takes for an answer of Bybit."""


def client_on(url: str, *, attempts: int = 3, **pool: Any) -> BybitClient:
    """A client without keys on a scripted server."""
    config = Config(
        connection_pool=ConnectionPoolConfig(**pool), retry=RetryConfig(attempts=attempts)
    )
    return BybitClient(base_url=url, config=config, registry=CollectorRegistry())


def seconds_of(work: Callable[[], Any]) -> float:
    """How long it takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started

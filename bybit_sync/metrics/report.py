"""What one client tells, from its start to its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from bybit_sync.call.breaker import Breaker
from bybit_sync.call.hooks import CallSnapshot
from bybit_sync.config import MetricsConfig
from bybit_sync.forking import renew_after_fork
from bybit_sync.net.stats import PoolStats

from .collector import PoolCollector, collector_for
from .totals import Totals, totals_of

if TYPE_CHECKING:
    from .exporter import Share

log = logging.getLogger("bybit_sync.metrics")

_POOL_LINE_EVERY = 100


class ClientReport:
    """What one client tells Prometheus and the status page, from its start to its end.

    It holds the functions that read the client's parts, never the client, so that a client which
    is dropped without ``close()`` can be collected and its counts be kept.
    """

    def __init__(
        self,
        exchange: str,
        read_pool: Callable[[], PoolStats],
        read_calls: Callable[[], CallSnapshot],
        config: MetricsConfig,
        registry: CollectorRegistry | None,
        breaker: Breaker | None = None,
    ) -> None:
        self._exchange = exchange
        self._read_pool = read_pool
        self._read_calls = read_calls
        self._breaker = breaker
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._updates = 0
        self._has_warned = False
        self._collector: PoolCollector | None = None
        self._share: Share | None = None
        if config.enabled:
            self._collector = collector_for(registry)
            self._ticket = self._collector.add(self._read)
            if config.port:
                self._share = _serve(config, registry)

    def _read(self) -> Totals:
        return totals_of(self._exchange, self._read_pool(), self._read_calls(), self._breaker)

    def update(self) -> None:
        """Read the gauges and log them every 100 calls; a failure is warned about, once."""
        with self._lock:
            self._updates += 1
            is_due = self._updates % _POOL_LINE_EVERY == 1
        try:
            pool = self._read_pool()
        except Exception as error:  # noqa: BLE001  (a metric may never cost a caller his call)
            self._warn(error)
            return
        if is_due:
            log.info(
                "pool of %s: active %d, idle %d, waiting %d, limit %d; created %d, reused %d",
                self._exchange,
                pool.active,
                pool.idle,
                pool.waiting,
                pool.limit,
                pool.created,
                pool.reused,
            )

    def _warn(self, error: Exception) -> None:
        with self._lock:
            if self._has_warned:
                return
            self._has_warned = True
        log.warning("pool metrics cannot be read (told once): %s: %s", type(error).__name__, error)

    def close(self) -> None:
        """Stop reporting; what was counted stays in the sums. Twice is fine."""
        if self._collector is not None:
            self._collector.retire(self._ticket)
        share, self._share = self._share, None
        if share is not None:
            share.close()


def _serve(config: MetricsConfig, registry: CollectorRegistry | None) -> Share | None:
    from .exporter import share_of  # here: most programs have no exporter

    return share_of(config, registry)

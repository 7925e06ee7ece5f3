"""One exporter per address of this process, however many clients ask for it."""

from __future__ import annotations

import logging
import os
import threading

from prometheus_client import REGISTRY, CollectorRegistry

from bybit_sync.config import MetricsConfig

from .server import Server
from .site import Site

log = logging.getLogger("bybit_sync.metrics")

_Address = tuple[str, int]


class Share:
    """One client's part in an exporter."""

    def __init__(self, exporters: Exporters, address: _Address, registry: CollectorRegistry):
        self._exporters = exporters
        self._address = address
        self.registry = registry
        self._owner = os.getpid()

    def close(self) -> None:
        """Give it back; the last one stops the server. Twice is fine, and in a fork nothing."""
        if self._owner == os.getpid():
            self._exporters.give_back(self, self._address)


class Exporter:
    """A server with the shares of those it serves; `Exporters`' lock guards the shares."""

    def __init__(self, address: _Address) -> None:
        self.shares: list[Share] = []
        self.server = Server(address, Site(self._registries))

    def _registries(self) -> list[CollectorRegistry]:
        """Every registry once, in the order in which they came."""
        return list(dict.fromkeys(share.registry for share in list(self.shares)))


class Exporters:
    """The exporters of this process by address.

    The lock guards which there are. It is held while a server is bound and while one stops, both
    of which take no time worth speaking of: a port that is being given up can be taken next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exporters: dict[_Address, Exporter] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def share(self, address: _Address, registry: CollectorRegistry) -> Share:
        """Serve a registry on an address, together with what is served there already.

        Raises:
            OSError: another process has the port, or the host is none of this machine's.
        """
        share = Share(self, address, registry)
        with self._lock:
            exporter = self._exporters.get(address)
            if exporter is None:
                exporter = self._exporters[address] = Exporter(address)
            exporter.shares.append(share)
        return share

    def give_back(self, share: Share, address: _Address) -> None:
        """End one client's share; it may have ended before."""
        with self._lock:
            exporter = self._exporters.get(address)
            if exporter is None or share not in exporter.shares:
                return
            exporter.shares.remove(share)
            if not exporter.shares:
                del self._exporters[address]
                exporter.server.close()

    def _forget(self) -> None:
        """A fork has no thread that would serve: let the parent's port go."""
        self._lock = threading.Lock()
        exporters, self._exporters = self._exporters, {}
        for exporter in exporters.values():
            exporter.server.close_sockets()


EXPORTERS = Exporters()


def share_of(config: MetricsConfig, registry: CollectorRegistry | None) -> Share | None:
    """A share in the exporter of ``[metrics]``; where the port is taken, a warning: calls go on."""
    address = (config.host, config.port)
    try:
        share = EXPORTERS.share(address, REGISTRY if registry is None else registry)
    except OSError as error:
        log.warning("no metrics exporter on %s:%d: %s", config.host, config.port, error)
        return None
    log.info("metrics on http://%s:%d/metrics, status page on its /", config.host, config.port)
    return share

"""The client, everything on: metrics, rate limiter, deadline, clock; and its plain session."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from benchmarks.measure import Call
from benchmarks.server import Site
from benchmarks.work import ALL, Work
from bybit_sync import (
    BybitClient,
    ClientConfig,
    Config,
    ConnectionPoolConfig,
    RateLimitConfig,
    TlsConfig,
)

from .base import Contender
from .sessions import call_over

_CALLS_PER_SECOND = 100_000
_WINDOW = 0.1
"""Seconds. The limiter remembers the calls of its window. At real limits those are 600; here
calls are far more frequent, so a shorter window keeps about as many, and no call is held back."""


class Ours(Contender):
    """One `BybitClient`, called through its endpoint methods."""

    name = "bybit_sync"
    client: BybitClient | None = None

    def call_for(self, work: Work) -> Call:
        function = getattr(getattr(self.opened(), work.group), work.function)
        params = dict(work.params)
        return lambda: function(**params)

    def opened(self) -> BybitClient:
        """The client, made when it is first asked for."""
        if self.client is None:
            client = make_client(self.site, self.width, force_close=self.is_fresh)
            self.client = self._stack.enter_context(client)
        return self.client


class OurSession(Ours):
    """``client.session.get(url)``: requests' whole way of a call, over our pool."""

    name = "bybit_sync session"

    def call_for(self, work: Work) -> Call:
        return call_over(self.opened().session, self, work)


class OurOrders(Ours):
    """``client.orders.place(…)``: an order whose fate is followed to its end."""

    name = "bybit_sync orders"

    def call_for(self, work: Work) -> Call:
        place = self.opened().orders.place
        # A name of its own for each: one that was used is not sent a second time.
        params = {name: value for name, value in work.params.items() if name != "orderLinkId"}
        return lambda: {"retCode": 0, "result": place(**params)}


def make_client(
    site: Site, width: int, *, force_close: bool = False, compression: bool = True
) -> BybitClient:
    """A client as a user has it, save for limits that are beyond reach."""
    config = Config(
        client=ClientConfig(compression=compression),
        connection_pool=ConnectionPoolConfig(
            limit=max(100, width), limit_per_host=width, force_close=force_close
        ),
        rate_limit=RateLimitConfig(
            ip_limit=_CALLS_PER_SECOND,
            ip_window=_WINDOW,
            endpoint_limits={work.path: _CALLS_PER_SECOND for work in ALL},
        ),
        tls=TlsConfig(ca_file=site.ca_file),
    )
    return BybitClient(
        site.api_key,
        site.api_secret,
        base_url=site.url,
        config=config,
        registry=CollectorRegistry(),
    )

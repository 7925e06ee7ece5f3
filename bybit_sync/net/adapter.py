"""`PooledAdapter`: a requests adapter whose connections are bounded, fair, warm and visible."""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Mapping
from typing import Any

import requests
import urllib3
from requests.utils import prepend_scheme_if_needed
from urllib3._collections import RecentlyUsedContainer

from bybit_sync.clock import SYSTEM_CLOCK, Clock, Deadline
from bybit_sync.config import ConnectionPoolConfig, TcpKeepaliveConfig, TlsConfig
from bybit_sync.exceptions import (
    BadAnswerError,
    BybitError,
    ClientClosedError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    DnsError,
    FailedRequestError,
    PoolFullError,
    PoolTimeoutError,
    ReadTimeoutError,
    TlsError,
    TotalTimeoutError,
)

from . import keeper
from .budget import Budget
from .connection import Dialer
from .dns import Resolver
from .leaks import LeakWatch
from .lean_adapter import LeanAdapter
from .pace import Pace
from .pinger import Pinger
from .pool import SlotPool, pool_classes
from .slots import Slots
from .sockets import socket_options
from .stats import PoolStats
from .tls import TlsContexts

_MOST_FOUND = 256  # hosts whose pool is found without a look at the whole URL
_LIVING: weakref.WeakSet[PooledAdapter] = weakref.WeakSet()


class PooledAdapter(LeanAdapter):
    """Mount it on any `requests.Session`, for any host.

    ::

        session = requests.Session()
        session.mount("https://", PooledAdapter(ConnectionPoolConfig(limit_per_host=10)))

    A plain session gets requests' own exceptions. A ``timeout=`` given to requests narrows the
    configured ones; ``total_timeout`` holds in any case. After `close` the adapter stays closed.
    """

    def __init__(
        self,
        pool: ConnectionPoolConfig | None = None,
        *,
        tls: TlsConfig | None = None,
        keepalive: TcpKeepaliveConfig | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.pool_config = pool or ConnectionPoolConfig()
        self._tls = tls or TlsConfig()
        self._keepalive = keepalive or TcpKeepaliveConfig()
        self._clock = clock
        self._build_parts()
        super().__init__(
            pool_connections=self.pool_config.limit,
            pool_maxsize=self.pool_config.limit_per_host,
            max_retries=urllib3.Retry(0, read=False),
            pool_block=True,
        )
        _LIVING.add(self)

    def _build_parts(self) -> None:
        self._contexts = TlsContexts(self._tls)
        # The parts call back through a weak reference: a cycle would keep the sockets of a
        # forgotten adapter open until the collector comes by.
        this = weakref.ref(self)
        leaks = LeakWatch(self.pool_config.total_timeout, self._clock, lambda: _wake(this))
        self._dialer = Dialer(
            self.pool_config,
            Resolver(self.pool_config.ttl_dns_cache, self._clock),
            socket_options(self._keepalive),
            self._clock,
            Pace(self._clock),
            leaks,
        )
        self._slots = Slots(self.pool_config, self._clock, lambda: _wake(this))
        self._keeper = keeper.Keeper(self._slots, leaks, self.pool_config, self._clock)
        self._proxy_lock = threading.Lock()
        self._found: dict[str, SlotPool] = {}

    # --- requests' hooks ------------------------------------------------------------------

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kwargs: Any
    ) -> None:
        """Give urllib3's pool manager our pools."""
        super().init_poolmanager(
            connections, maxsize, block, socket_options=self._dialer.options, **kwargs
        )
        self._adopt(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:
        """The pool manager for a proxy; its sockets get the same options as all others."""
        # requests hands none of these on, and fills its dict without a lock.
        with self._proxy_lock:
            known = proxy in self.proxy_manager
            kwargs.setdefault("socket_options", self._dialer.options)
            kwargs.setdefault("proxy_ssl_context", self._contexts.get())
            kwargs.setdefault("ssl_context", self._contexts.get())
            manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
            if not known:
                self._adopt(manager)
            return manager

    def _adopt(self, manager: urllib3.PoolManager) -> None:
        # On the instance: urllib3's own table is one for all managers.
        manager.pool_classes_by_scheme = pool_classes(self._slots, self._dialer)
        # urllib3 2 drops pools beyond `connections` without closing them.
        manager.pools = RecentlyUsedContainer(
            self.pool_config.limit, dispose_func=lambda p: p.close()
        )

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> SlotPool:
        """The pool for a request; found by the start of its URL where it was found before."""
        base = "/".join((request.url or "").split("/", 3)[:3])
        if proxies or cert or verify is not True or "@" in base:
            return self._find_pool(request, verify, proxies, cert)
        pool = self._found.get(base)
        if pool is None or pool.is_closed:
            pool = self._find_pool(request, verify, proxies, cert)
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[base] = pool
        return pool

    def _find_pool(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any, cert: Any
    ) -> SlotPool:
        found = super().get_connection_with_tls_context(request, verify, proxies, cert)
        assert isinstance(found, SlotPool)
        return found

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """One pool per host and trust; the trust is a context that is built once."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, self._trust(host["scheme"], verify, cert)

    def _trust(self, scheme: str, verify: Any = True, cert: Any = None) -> dict[str, Any]:
        if scheme != "https":
            return {}
        required = "CERT_NONE" if verify is False else "CERT_REQUIRED"
        return {"ssl_context": self._contexts.get(verify, cert), "cert_reqs": required}

    def load_trust(self) -> None:
        """Build the TLS context now: that takes longer than a handshake.

        Raises:
            ConfigError: a file that it needs cannot be used.
        """
        try:
            self._contexts.get()
        except OSError as error:
            raise ConfigError(f"tls: {error}") from error

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing is left to do: the base class would load the CA bundle for each connection."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a prepared request; raises requests' own exceptions."""
        budget = timeout if isinstance(timeout, Budget) else self._narrowed(timeout)
        budget.stream = stream
        try:
            return super().send(
                request,
                stream=stream,
                timeout=budget,  # type: ignore[arg-type]  # a urllib3.Timeout, handed on as it is
                verify=verify,
                cert=cert,
                proxies=dict(proxies) if proxies else None,
            )
        except BybitError as error:
            if timeout is budget:
                raise
            raise as_requests_error(error, request) from error

    def _narrowed(self, timeout: Any) -> Budget:
        """The budget of a plain session's call, whose ``timeout=`` may narrow ours."""
        connect, read = self.pool_config.connect_timeout, self.pool_config.sock_read_timeout
        if timeout is None:
            return Budget(self.deadline(), connect=connect, read=read)
        given = timeout
        if isinstance(timeout, urllib3.Timeout):
            given = (timeout.connect_timeout, timeout.read_timeout)
        if not isinstance(given, tuple):
            given = (given, given)
        if len(given) != 2:
            raise ValueError(f"timeout {timeout!r}: give seconds or a (connect, read) pair")
        limits = [n for n in given if isinstance(n, int | float) and not isinstance(n, bool)]
        if any(not n > 0 for n in limits):
            raise ValueError(f"timeout {timeout!r}: a timeout is above 0 seconds")
        if isinstance(given[0], int | float):
            connect = min(connect, given[0])
        if isinstance(given[1], int | float):
            read = min(read, given[1])
        return Budget(self.deadline(), connect=connect, read=read)

    # --- the client's way -----------------------------------------------------------------

    def deadline(self, seconds: float | None = None) -> Deadline:
        """The deadline of a call that starts now."""
        return Deadline.after(seconds or self.pool_config.total_timeout, self._clock)

    def pool_for(
        self, url: str, proxy: str = "", *, verify: bool | str = True, cert: Any = None
    ) -> SlotPool:
        """The pool that requests to this URL go through; `verify` and `cert` as for requests.

        Raises:
            ConfigError: the URL has no host, or a scheme other than http and https.
        """
        try:
            parts = urllib3.util.parse_url(url)
        except urllib3.exceptions.LocationParseError as error:
            raise ConfigError(f"{url!r} is not a URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ConfigError(f"{url!r} is not an http or https URL with a host")
        self._check_open()
        manager: urllib3.PoolManager = self.poolmanager
        if proxy:
            manager = self.proxy_manager_for(prepend_scheme_if_needed(proxy, "http"))
        # requests spells hosts without the brackets of an IPv6 literal
        found = manager.connection_from_host(
            parts.host.strip("[]"),
            parts.port,
            parts.scheme,
            self._trust(parts.scheme, verify, cert),
        )
        assert isinstance(found, SlotPool)
        return found

    def warm_up(self, url: str, n: int) -> int:
        """Have `n` connections to the URL's host open (at most the caps); returns how many are.

        Raises:
            requests.RequestException: not one could be opened.
        """
        try:
            return self.warm_up_pool(self.pool_for(url), n)
        except FailedRequestError as error:
            raise as_requests_error(error, None) from error

    def warm_up_pool(self, pool: SlotPool, n: int) -> int:
        """As `warm_up`, for a pool in hand; raises our own errors."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise ConfigError(f"warm_up: {n!r} is not a number of connections (0 or more)")
        self._check_open()
        return keeper.warm_up(pool, self._slots, n, self.pool_config, self._clock)

    def pinger(self, pool: SlotPool, head: bytes) -> Pinger:
        """Keeps the pool's idle connections warm with this request, until it is closed."""
        return Pinger(pool, self._slots, head, self.pool_config, self._clock)

    def _check_open(self) -> None:
        if self._slots.is_closed:
            raise ClientClosedError("the adapter is closed")

    # --- what can be seen -----------------------------------------------------------------

    def stats(self) -> PoolStats:
        """The pool at this moment, read from urllib3's pools and the queue, consistent."""
        hosts, waits = self._slots.snapshot()
        every = hosts.values()
        closed: Counter[str] = Counter()
        for host in every:
            closed.update(host.closed)
        hits, misses, stale = self._dialer.resolver.counts()
        return PoolStats(
            limit=self.pool_config.limit,
            limit_per_host=self.pool_config.limit_per_host,
            active=sum(h.active for h in every),
            idle=sum(h.idle for h in every),
            waiting=sum(h.waiting for h in every),
            created=sum(h.created for h in every),
            reused=sum(h.reused for h in every),
            closed=dict(closed),
            tls_handshakes=sum(h.tls_handshakes for h in every),
            connect_seconds=sum(h.connect_seconds for h in every),
            dns_hits=hits,
            dns_misses=misses,
            dns_stale=stale,
            dns_age_seconds=self._dialer.resolver.oldest_age(),
            wait_seconds_max=max((h.wait_seconds_max for h in every), default=0.0),
            waits=waits,
            hosts=hosts,
        )

    # --- the end --------------------------------------------------------------------------

    def close(self) -> None:
        """Close every idle connection, turn away who waits, end the keeper. Twice is fine.

        Calls that are under way finish within their deadlines; their connections are closed as
        they come back.
        """
        self._slots.close()
        self._keeper.close()
        super().close()

    def _reset_after_fork(self) -> None:
        # The child shares the parent's sockets: using one would garble both sides' TLS.
        # Closing the child's copy sends nothing.
        self._proxy_lock = threading.Lock()
        self._slots.reset_after_fork()
        self._keeper.reset_after_fork()
        self._dialer.resolver.reset_after_fork()
        self._dialer.pace.reset_after_fork()
        self._dialer.leaks.reset_after_fork()
        self._contexts.reset_after_fork()
        for manager in [self.poolmanager, *self.proxy_manager.values()]:
            self._adopt(manager)

    def __getstate__(self) -> dict[str, Any]:
        return {"pool_config": self.pool_config, "_tls": self._tls, "_keepalive": self._keepalive}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy starts cold: sockets, locks and threads do not travel.
        self.__init__(  # type: ignore[misc]
            state["pool_config"], tls=state["_tls"], keepalive=state["_keepalive"]
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> PooledAdapter:
        return PooledAdapter(
            self.pool_config, tls=self._tls, keepalive=self._keepalive, clock=self._clock
        )


def _wake(adapter: weakref.ref[PooledAdapter]) -> None:
    living = adapter()
    if living is not None:
        living._keeper.wake()


def as_requests_error(
    error: BybitError, request: requests.PreparedRequest | None
) -> requests.RequestException:
    """The exception that requests would have raised for this."""
    facts: dict[str, Any] = {"request": request}
    errors = requests.exceptions
    if isinstance(error, TlsError):
        return errors.SSLError(error, **facts)
    if isinstance(error, ReadTimeoutError):
        return errors.ReadTimeout(error, **facts)
    if isinstance(error, TotalTimeoutError):
        kind = errors.ReadTimeout if error.effect_unknown else errors.ConnectTimeout
        return kind(error, **facts)
    if isinstance(error, PoolTimeoutError | PoolFullError):
        return errors.ConnectTimeout(error, **facts)
    if isinstance(error, DnsError | ConnectError | ConnectionLostError | ClientClosedError):
        timed_out = isinstance(error.__cause__, TimeoutError | urllib3.exceptions.TimeoutError)
        if timed_out and not isinstance(error, ConnectionLostError | ClientClosedError):
            return errors.ConnectTimeout(error, **facts)
        return errors.ConnectionError(error, **facts)
    if isinstance(error, BadAnswerError):
        return errors.ChunkedEncodingError(error, **facts)
    if isinstance(error, ConfigError):
        return errors.InvalidHeader(error, **facts)
    return errors.ConnectionError(error, **facts)


def _reset_all_after_fork() -> None:
    for adapter in list(_LIVING):
        adapter._reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all_after_fork)

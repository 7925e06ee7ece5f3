"""More than one machine: Dask runs the steps, and a lease in Redis keeps two of them apart.

::

    cluster = dask.distributed.Client("tcp://scheduler:8786")
    runner = StrategyRunner(
        client,
        executor=cluster.get_executor(),
        lease=RedisLease("redis://redis:6379/0"),
    )

Dask runs a task again when its worker is gone, or seems to be: a worker that has merely lost its
network goes on. With a lease each step begins once, and none begins while another may still run.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bybit_sync.call.redis_store import connect
from bybit_sync.clock import SYSTEM_CLOCK
from bybit_sync.config import checks
from bybit_sync.exceptions import ConfigError, ConnectError
from bybit_sync.forking import renew_after_fork

from .runner.steps import BEGUN, BUSY, GO

if TYPE_CHECKING:
    import redis

log = logging.getLogger("bybit_sync.cluster")

_BEGUN_SECONDS = 7 * 86_400  # how long it is remembered which step of a run began last

_BEGIN = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 'busy' end
local last = redis.call('HGET', KEYS[2], ARGV[3])
if last and tonumber(last) >= tonumber(ARGV[4]) then return 'begun' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 'go'
"""
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_END = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class RedisLease:
    """Sees to it that of one strategy one step runs at a time, whatever the number of machines.

    A worker holds the lease of a strategy while it runs a step, and renews it; a lease whose
    worker is gone ends after `seconds`. A step that began on a worker which is gone is not run
    again: nobody knows how far it came. The next one is run when the lease has ended.

    It can be pickled: it travels as its settings.

    Args:
        url: as ``[rate_limit] store``; the password is read from BYBIT_REDIS_PASSWORD.
        seconds: how long a lease outlives its worker.
        prefix: in front of every key; runners that share it share their strategies' leases.

    Raises:
        ConfigError: an argument is not allowed, or the package ``redis`` is not installed.
    """

    def __init__(self, url: str, *, seconds: float = 5.0, prefix: str = "bybit") -> None:
        try:
            if not checks.store(url):
                raise checks.refuse("the url is empty; allowed is redis://host:port/database")
            self._seconds: float = checks.number(0.1, 3600)(seconds)
            self._prefix: str = checks.label(prefix)
        except checks.RefusedError as refused:
            raise ConfigError(f"lease: {refused}") from None
        self._url = url
        _keeper_of(url)  # says here what is missing

    @contextmanager
    def hold(self, strategy: str, run: str, number: int) -> Iterator[str]:
        """Hold the lease for one step; yields `GO`, or `BUSY` or `BEGUN` where it may not run.

        Raises:
            ConnectError: Redis is away; then no step may begin.
        """
        token = uuid.uuid4().hex
        key = f"{self._prefix}:lease:{{{strategy}}}"
        ttl_ms = round(self._seconds * 1000)
        keeper = _keeper_of(self._url)
        verdict = keeper.begin(key, token, ttl_ms, run, number)
        if verdict != GO:
            yield verdict
            return
        keeper.keep(key, token, ttl_ms)
        try:
            yield GO
        finally:
            keeper.end(key, token)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self._url, self._seconds, self._prefix)


def _made(url: str, seconds: float, prefix: str) -> RedisLease:
    # Nothing here may raise: a task that cannot be unpickled makes a Dask worker hang.
    lease = RedisLease.__new__(RedisLease)
    lease._url, lease._seconds, lease._prefix = url, seconds, prefix
    return lease


class _Keeper:
    """Renews every lease that this process holds in one Redis, on one thread while there are any.

    The lock guards the leases and the thread.
    """

    def __init__(self, url: str) -> None:
        self._redis: redis.Redis = connect(url)
        import redis as package

        self._faults = (package.RedisError, OSError)
        self._begin = self._redis.register_script(_BEGIN)
        self._renew = self._redis.register_script(_RENEW)
        self._end = self._redis.register_script(_END)
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._held: dict[str, tuple[str, int]] = {}  # token: key, milliseconds
        self._process = os.getpid()
        self._thread: threading.Thread | None = None
        self._changed = threading.Event()

    def begin(self, key: str, token: str, ttl_ms: int, run: str, number: int) -> str:
        """What Redis says to a step that wants to begin."""
        try:
            said = self._begin(
                keys=[key, f"{key}:begun"], args=[token, ttl_ms, run, number, _BEGUN_SECONDS]
            )
        except self._faults as error:
            raise ConnectError(
                f"{key}: no step may begin while Redis is away: {type(error).__name__}: {error}",
                phase="connect",
                effect_unknown=False,
            ) from error
        text = said.decode() if isinstance(said, bytes) else str(said)
        return {"go": GO, "busy": BUSY}.get(text, BEGUN)

    def keep(self, key: str, token: str, ttl_ms: int) -> None:
        """Renew a lease until `end`."""
        with self._lock:
            if self._process != os.getpid():  # a forked child has neither thread nor leases
                self._process, self._thread = os.getpid(), None
                self._held, self._changed = {}, threading.Event()
            self._held[token] = key, ttl_ms
            self._changed.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
                self._thread.start()

    def end(self, key: str, token: str) -> None:
        """Give a lease back; where Redis is away it ends by itself."""
        with self._lock:
            self._held.pop(token, None)
        try:
            self._end(keys=[key], args=[token])
        except self._faults:
            log.debug("%s: could not be given back, it ends by itself", key)

    def _run(self) -> None:
        while True:
            with self._lock:
                held = dict(self._held)
                if not held:
                    self._thread = None
                    return
                changed = self._changed
                changed.clear()
            pause = min(ttl_ms for _, ttl_ms in held.values()) / 3000
            if not SYSTEM_CLOCK.wait(changed, pause):
                self._renew_all(held)

    def _renew_all(self, held: dict[str, tuple[str, int]]) -> None:
        for token, (key, ttl_ms) in held.items():
            try:
                is_ours = self._renew(keys=[key], args=[token, ttl_ms])
            except self._faults as error:
                log.warning("%s: cannot be renewed: %s: %s", key, type(error).__name__, error)
                continue
            if not is_ours and token in self._held:
                log.warning("%s: was lost while its step runs; another may begin", key)


_KEEPERS: dict[str, _Keeper] = {}
_KEEPERS_LOCK = threading.Lock()


def _keeper_of(url: str) -> _Keeper:
    """The one keeper of this process for a Redis."""
    with _KEEPERS_LOCK:
        keeper = _KEEPERS.get(url)
        if keeper is None:
            keeper = _KEEPERS[url] = _Keeper(url)
        return keeper

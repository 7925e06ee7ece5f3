"""`RedisStore`: one budget of calls for every process and machine that uses the same Redis.

Each question is one atomic script, by Redis' own clock. While Redis is away every process keeps to
its share of each limit, by the number of processes that were heard of in the last minute; in the
first window to its share of what was left. So it does for one window after Redis has come back
for everybody, for it may have lost its counts.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bybit_sync.clock import SYSTEM_CLOCK, Clock
from bybit_sync.exceptions import ConfigError
from bybit_sync.forking import renew_after_fork

from .limit_store import Said
from .store_share import TRY_AGAIN_SECONDS, Share

if TYPE_CHECKING:
    import redis

PASSWORD_VARIABLE = "BYBIT_REDIS_PASSWORD"  # noqa: S105  (a name, not a password)
_ANSWER_SECONDS = 0.5
_MOST_WINDOWS = 4000
_KEYS = ("facts", "standing", "line", "patience", "members")

_log = logging.getLogger("bybit_sync.call")


def connect(url: str) -> redis.Redis:
    """A client of the Redis at `url`; nothing is sent yet. The password is the environment's.

    Raises:
        ConfigError: the package ``redis`` is not installed.
    """
    try:
        import redis  # here: an extra
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise ConfigError(
            'rate_limit.store needs the extra "cluster": pip install "bybit-sync[cluster]"'
        ) from error
    made: redis.Redis = redis.Redis.from_url(
        url,
        password=os.environ.get(PASSWORD_VARIABLE) or None,
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
        # A lost connection is told at once: a Redis that was started anew has lost its counts.
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return made


class RedisStore:
    """Keeps the counts of rate limits in Redis; a `LimitStore`. It never raises.

    The lock guards whether Redis is away, and the set of shares.
    """

    def __init__(self, url: str, clock: Clock = SYSTEM_CLOCK, *, prefix: str = "bybit") -> None:
        """Does no I/O.

        Raises:
            ConfigError: the package ``redis`` is not installed.
        """
        self._redis = connect(url)
        import redis

        self._faults = (redis.RedisError, OSError)
        self._script = self._redis.register_script(_read_script())
        self._place = urlsplit(url).netloc or urlsplit(url).path
        self._clock = clock
        self._prefix = prefix
        self._process = uuid.uuid4().hex[:12]
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._shares: dict[str, Share] = {}
        self._is_away = False
        self._next_try = 0.0

    # --- turns ----------------------------------------------------------------------------

    def take(self, window: str, ticket: str, units: int, calls: int, seconds: float) -> Said:
        """Ask for a turn; see `LimitStore.take`. While Redis is away, from this process's share."""
        share, now = self._share(window), self._clock.monotonic()
        if self._is_away:
            self._has_come_back(window)
        is_careful = self._is_away or share.is_careful(now)
        if is_careful and (wait := share.take(ticket, units, calls, seconds, now)) > 0.0:
            return Said(False, wait)
        reply = self._ask(window, "take", ticket, units, calls, round(seconds * 1000))
        now = self._clock.monotonic()
        if reply is None:
            wait = 0.0 if is_careful else share.take(ticket, units, calls, seconds, now)
            return Said(wait == 0.0, wait)
        granted, wait_ms, banned_ms, members, used, epoch = reply
        share.hear(members, used, epoch, now, seconds)
        if granted:
            share.note(ticket, units, now, seconds)
            return Said(True)
        share.forget(ticket)
        return Said(False, wait_ms / 1000, banned_ms / 1000)

    def keep(self, window: str, ticket: str, seconds: float) -> None:
        """Let a ticket stand for so much longer."""
        self._ask(window, "keep", ticket, round(seconds * 1000))

    def give_back(self, window: str, ticket: str) -> None:
        """The ticket's call is not made."""
        self._share(window).forget(ticket)
        self._ask(window, "give_back", ticket)

    # --- what the exchange says -----------------------------------------------------------

    def learn(self, window: str, calls: int) -> None:
        """The exchange says that the window has so many calls."""
        self._ask(window, "learn", calls)

    def hold(self, window: str, seconds: float) -> None:
        """Grant nothing for so long."""
        self._ask(window, "hold", round(seconds * 1000))

    def ban(self, window: str, seconds: float) -> None:
        """The exchange has shut out the address that this window counts."""
        self._ask(window, "ban", round(seconds * 1000))

    def welcome(self, window: str) -> None:
        """The address is let in again."""
        self._ask(window, "welcome")

    def close(self) -> None:
        """Close every connection to Redis; twice is fine."""
        self._redis.connection_pool.disconnect()

    @property
    def is_away(self) -> bool:
        """True while Redis does not answer, and every process keeps to its share."""
        return self._is_away

    # --- Redis ----------------------------------------------------------------------------

    def _share(self, window: str) -> Share:
        share = self._shares.get(window)
        if share is None:
            with self._lock:
                if len(self._shares) >= _MOST_WINDOWS:
                    self._shares.clear()
                share = self._shares.setdefault(window, Share())
        return share

    def _ask(self, window: str, *arguments: Any) -> list[Any] | None:
        """What the script answers, or None while Redis is away."""
        if self._is_away and not self._has_come_back(window):
            return None
        return self._run(window, *arguments)

    def _run(self, window: str, *arguments: Any) -> list[Any] | None:
        name = f"{self._prefix}:{{{window}}}"  # in a Redis cluster all of it is on one node
        process = f"{self._process}-{os.getpid()}"  # a forked child is another
        try:
            reply: list[Any] = self._script(
                keys=[f"{name}:{key}" for key in _KEYS],
                args=[arguments[0], process, *arguments[1:]],
            )
        except self._faults as error:
            self._note_away(error)
            return None
        return reply

    def _has_come_back(self, window: str) -> bool:
        """Look, on one thread now and then: the others need not wait for one that hangs."""
        with self._lock:
            now = self._clock.monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + TRY_AGAIN_SECONDS
        if self._run(window, "look") is None:
            return False
        self._note_back()
        return True

    def _note_away(self, error: Exception) -> None:
        with self._lock:
            now = self._clock.monotonic()
            is_news = not self._is_away
            self._is_away = True
            self._next_try = now + TRY_AGAIN_SECONDS
            shares = list(self._shares.values()) if is_news else []
        for share in shares:
            share.lose(now)
        if is_news:
            _log.warning(
                "the Redis at %s is away, limits are kept by this process's share: %s: %s",
                self._place,
                type(error).__name__,
                error,
            )

    def _note_back(self) -> None:
        with self._lock:
            if not self._is_away:
                return
            self._is_away = False
            shares = list(self._shares.values())
        now = self._clock.monotonic()
        for share in shares:
            share.be_careful(now)
        _log.warning("the Redis at %s is back, limits are shared again", self._place)


def _read_script() -> str:
    return (resources.files("bybit_sync.call") / "data" / "limits.lua").read_text("utf-8")

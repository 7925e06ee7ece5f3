"""Everything that one client shows of itself."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from bybit_sync.call.breaker import Breaker
from bybit_sync.call.hooks import Hooks
from bybit_sync.clock import Clock
from bybit_sync.exceptions import ConfigError
from bybit_sync.forking import renew_after_fork
from bybit_sync.net.stats import PoolStats

from .charts import Charts
from .html import html_of
from .recorder import Recorder
from .shell import is_notebook, show
from .view import view_of
from .watch import Watch

_SOONEST, _LATEST = 0.1, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a display reads; never the client itself, which must be free to go."""

    place: str
    has_keys: bool
    read_pool: Callable[[], PoolStats]
    hooks: Hooks
    breaker: Breaker
    clock: Clock


class ClientDisplay:
    """A client as HTML, live and as charts. Calls are recorded from when it is made.

    The lock guards the one watch.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._recorder = Recorder(sources.clock)
        sources.hooks.add(self._recorder)
        self.charts = Charts(self._recorder, sources.read_pool, sources.clock)
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._watch: Watch | None = None
        self._is_closed = False

    def html(self, *, live: str = "") -> str:
        """The client at this moment."""
        sources = self._sources
        view = view_of(
            sources.read_pool(),
            sources.hooks.snapshot(),
            self._recorder.calls(),
            place=sources.place,
            has_keys=sources.has_keys,
            is_closed=self._is_closed,
            ban_seconds=sources.breaker.seconds_left,
        )
        return html_of(view, live=live)

    def watch(self, every: float) -> Watch:
        """Show the client below the cell and keep the picture up to date, one for a client.

        Raises:
            ConfigError: `every` is not allowed.
        """
        told = f"live, every {_checked(every):g} s"
        watch = Watch(
            lambda is_live: self.html(live=told if is_live else ""),
            show(self.html(live="" if self._is_closed else told)) if is_notebook() else _nowhere,
            self._sample,
            every=every,
            clock=self._sources.clock,
        )
        with self._lock:
            former, self._watch = self._watch, watch
            is_wanted = not self._is_closed
        if former is not None:
            former.stop()
        if is_wanted and is_notebook():
            watch.start()  # a close() that came first has stopped it already
        return watch

    def _sample(self) -> None:
        self._recorder.sample(self._sources.read_pool())

    def close(self) -> None:
        """End the watch, whose last picture says that the client is closed. Twice is fine."""
        with self._lock:
            self._is_closed = True
            watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        self._sources.hooks.remove(self._recorder)


def _checked(every: float) -> float:
    is_number = isinstance(every, (int, float)) and not isinstance(every, bool)
    if not is_number or not math.isfinite(every) or not _SOONEST <= every <= _LATEST:
        raise ConfigError(
            f"every: {every!r} is not allowed: seconds from {_SOONEST:g} to {_LATEST:g}"
        )
    return every


def _nowhere(picture: str) -> None:
    """Where nobody can see it."""

"""The seam for limits that several processes share: `LimitStore`, and a window on top of it.

Without a store the counts are kept in this process (`shared_limits`), and nothing here is used.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable
from itertools import count
from typing import NamedTuple, Protocol

from bybit_sync.clock import Clock, Deadline

from .breaker import Breaker
from .window import Turn, Window

_LONGER = 1.01
_SOONEST = 0.001  # seconds between two questions for one turn
_AWAY_SECONDS = 1.0  # between two tries to reach a store that is away
_log = logging.getLogger("bybit_sync.call")


class Said(NamedTuple):
    """What a store says to a caller who asks for a turn."""

    granted: bool
    wait: float = 0.0
    """Not granted: seconds after which to ask again. A guess that errs on the short side."""
    banned_for: float = 0.0
    """Not 0: the address is shut out for so many seconds, and nothing else matters."""


class LimitStoreError(Exception):
    """The store cannot be reached or does not answer in time; stores raise this and no other."""


class LimitStore(Protocol):
    """Keeps the counts of rate limits where several processes find them.

    The contract, for whoever builds one:

    * **Windows have names**, made by the client, and come into being when they are first named.
      A name holds no secret. A window that nobody has named for a minute may be forgotten.
    * **A ticket** is the name of one call, unique over every process. It stands in a window from
      the moment it is granted until ``seconds`` later, by the store's own clock: a caller's clock
      is never compared with another's.
    * **Atomic**: of all callers together never more than ``calls`` units stand in a window.
    * **Fair**: who is not granted is in line under its ticket. Turns are given in the order of
      the line, over all processes, and nobody is granted past somebody who waits. A ticket that
      has not asked again within two seconds after its ``wait`` is taken for dead and leaves.
    * **Never blocks**: each operation is one short question (a client calls them on the path of a
      call), and raises `LimitStoreError` when the store is away. The client then goes on with
      its own count and asks again later.
    * Safe for any number of threads, and after ``fork()``.
    """

    def take(self, window: str, ticket: str, units: int, calls: int, seconds: float) -> Said:
        """Ask for `units` in a window of `calls` per `seconds`, or ask again under the same ticket.

        What was `learn`t wins over `calls`. More units than the window has mean the whole window. A
        ticket that stands already is dated anew, as if it were granted now, and is granted.
        A window that is held, or an address that is banned, grants nothing. After a ban one take
        is granted, and another each ten seconds, until `welcome`.
        """
        ...

    def keep(self, window: str, ticket: str, seconds: float) -> None:
        """Let a ticket stand for so much longer: its call may have arrived as much later."""
        ...

    def give_back(self, window: str, ticket: str) -> None:
        """The ticket's call is not made: it stands no more, and waits no more."""
        ...

    def learn(self, window: str, calls: int) -> None:
        """The exchange says that the window has so many calls, for everybody."""
        ...

    def hold(self, window: str, seconds: float) -> None:
        """Grant nothing for so long; a shorter hold does not end a longer one."""
        ...

    def ban(self, window: str, seconds: float) -> None:
        """The exchange has shut out the address that this window counts."""
        ...

    def welcome(self, window: str) -> None:
        """The address is let in again."""
        ...

    def close(self) -> None:
        """Give back what is held; twice is fine."""
        ...


_PROCESS = uuid.uuid4().hex[:12]  # a forked child shares it, and differs by its number
_TICKETS = count()


class StoreWindow(Window):
    """A window that asks this process's count first, and then the store.

    So threads are served in order here before they stand in line there, and while the store is
    away the limit still holds for this process.
    """

    def __init__(
        self,
        title: str,
        calls: float,
        seconds: float,
        clock: Clock,
        *,
        counts_calls: bool,
        store: LimitStore,
        key: str,
        breaker: Breaker | None,
    ) -> None:
        """`key` names the window in the store; `breaker` opens where the store knows of a ban."""
        super().__init__(title, calls, seconds, clock, counts_calls=counts_calls)
        self._store = store
        self._key = key
        self._breaker = breaker
        self._away_until = 0.0

    def enter(
        self, turn: Turn, now: float, deadline: Deadline, may_wait: bool = True, rank: int = 0
    ) -> float:
        """As `Window.enter`, and then in the store's line."""
        if not turn.ticket:
            turn.ticket = f"{_PROCESS}-{os.getpid()}-{next(_TICKETS)}"
        given = super().enter(turn, now, deadline, may_wait, rank)
        return self._ask(turn, given, deadline, may_wait)

    def reenter(self, turn: Turn, now: float, deadline: Deadline, *, may_wait: bool) -> float:
        """As `Window.reenter`, and then in the store's line."""
        given = super().reenter(turn, now, deadline, may_wait=may_wait)
        return self._ask(turn, given, deadline, may_wait)

    def redate(self, turn: Turn) -> None:
        """Tell the store too that a call leaves later than its place was taken."""
        self._tell(lambda: self._take(turn))

    def keep(self, turn: Turn) -> None:
        """Tell the store too that a call was answered late."""
        self._tell(lambda: self._store.keep(self._key, turn.ticket, turn.late))

    def leave(self, turn: Turn) -> None:
        """Give back a turn that is not used, here and in the store."""
        super().leave(turn)
        self._tell(lambda: self._store.give_back(self._key, turn.ticket))

    def resize(self, calls: int) -> None:
        """Take another limit from now on, for everybody."""
        super().resize(calls)
        self._tell(lambda: self._store.learn(self._key, calls))

    def hold(self, seconds: float) -> None:
        """Let nobody's calls leave for so long."""
        super().hold(seconds)
        self._tell(lambda: self._store.hold(self._key, seconds))

    def ban(self, seconds: float) -> None:
        """Tell everybody that the address is shut out."""
        self._tell(lambda: self._store.ban(self._key, seconds))

    def welcome(self) -> None:
        """Tell everybody that the address is let in again."""
        self._tell(lambda: self._store.welcome(self._key))

    # --- the store's line -----------------------------------------------------------------

    def _ask(self, turn: Turn, now: float, deadline: Deadline, may_wait: bool) -> float:
        try:
            while (wait := self._wait_told(turn)) > 0.0:
                if not may_wait or now + wait >= deadline.at:
                    break
                self._clock.sleep(wait)
                turn.at = now = self._clock.monotonic()
        except BaseException:
            self.leave(turn)
            raise
        if wait > 0.0:
            self.leave(turn)
            raise self._refusal(wait)
        return now

    def _wait_told(self, turn: Turn) -> float:
        """Seconds until it is worth asking again; 0 once the turn is given."""
        said: list[Said] = []
        self._tell(lambda: said.append(self._take(turn)))
        if not said:
            return 0.0  # the store is away: this process's count has said yes
        if said[0].banned_for > 0.0 and self._breaker is not None:
            self._breaker.open(said[0].banned_for)
            self._breaker.admit()  # raises
        return 0.0 if said[0].granted else max(_SOONEST, said[0].wait)

    def _take(self, turn: Turn) -> Said:
        units = 1 if self._counts_calls else turn.cost
        # From here the store's word comes a moment before the departure: a little longer.
        return self._store.take(self._key, turn.ticket, units, self._calls, self.span * _LONGER)

    def _tell(self, operation: Callable[[], object]) -> None:
        """Do it, unless the store is away: then only now and then see whether it is back."""
        now = self._clock.monotonic()
        if now < self._away_until:
            return
        was_away, self._away_until = self._away_until > 0.0, 0.0
        try:
            operation()
        except LimitStoreError as error:
            self._away_until = now + _AWAY_SECONDS
            if not was_away:
                _log.warning("%s: limits are counted for this process alone: %s", self._name, error)

"""Every order of one client by its name: what was sent under it, and what became of it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bybit_sync.exceptions import ConfigError
from bybit_sync.forking import renew_after_fork

from .case import Case
from .journal import Journal
from .states import PLACED, REFUSED, SENT, UNKNOWN, State

_REMEMBERED = 10_000  # settled orders: enough to catch a slip, and bounded


class _Entry(NamedTuple):
    state: State
    digest: bytes
    case: Case | None
    """Kept while the fate is open."""


class Ledger:
    """Remembers orders, in a journal too if there is one; safe for any number of threads.

    The lock guards the entries. The journal is written outside of it.
    """

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._open: dict[str, _Entry] = {}
        self._settled: OrderedDict[str, _Entry] = OrderedDict()

    def begin(self, cases: Sequence[Case]) -> None:
        """Take orders up; on disk when this returns, if there is a journal.

        Raises:
            ConfigError: a name stands for another order already, or is just being placed.
            OrderNotPlacedError: the journal cannot be written, so nothing may be sent.
        """
        with self._lock:
            before = {case.orderLinkId: self._entry(case.orderLinkId) for case in cases}
            if len(before) != len(cases):
                raise ConfigError("orderLinkId: two orders of one batch have the same")
            for case in cases:
                self._check(case, before[case.orderLinkId])
            for case in cases:
                self._open[case.orderLinkId] = _Entry(SENT, _digest(case), case)
        if self._journal is None:
            return
        try:
            self._journal.begin(cases)
        except BaseException:
            with self._lock:
                self._restore(before)
            raise

    def end(self, fates: Mapping[Case, tuple[State, str]]) -> None:
        """Note what became of orders, each with its orderId, empty if it has none."""
        kept = {
            case: (_kept_state(case, state), orderId) for case, (state, orderId) in fates.items()
        }
        with self._lock:
            # What a later call has taken up since is that call's to note.
            kept = {case: fate for case, fate in kept.items() if self._is_current(case)}
            for case, (state, _) in kept.items():
                self._put(case, state)
        if self._journal is not None and kept:
            self._journal.end(kept)

    def in_flight(self, cases: Iterable[Case]) -> list[Case]:
        """Those of the cases that are still on their way."""
        with self._lock:
            return [case for case in cases if self._is_flying(case)]

    def unsettled(self, now_ms: int) -> list[Case]:
        """Every order whose fate is open and that nobody is at work on."""
        with self._lock:
            mine = {name: entry for name, entry in self._open.items() if entry.case is not None}
        known = [entry.case for entry in mine.values() if entry.state == UNKNOWN]
        written = [] if self._journal is None else self._journal.unsettled(now_ms)
        others = [case for case in written if case.orderLinkId not in mine]
        return [case for case in known if case is not None] + others

    def close(self) -> None:
        """Close the journal; twice is fine."""
        if self._journal is not None:
            self._journal.close()

    # --- under the lock -------------------------------------------------------------------

    def _entry(self, name: str) -> _Entry | None:
        return self._open.get(name) or self._settled.get(name)

    def _check(self, case: Case, known: _Entry | None) -> None:
        if known is None or known.state not in (SENT, UNKNOWN, PLACED):
            return
        if known.digest != _digest(case):
            raise ConfigError(
                f"orderLinkId: {case.orderLinkId!r} names another order already "
                f"({known.state}); a name is used once"
            )
        if known.state == SENT:
            raise ConfigError(f"orderLinkId: {case.orderLinkId!r} is being placed by another call")
        if known.state == PLACED:
            case.was_placed = True
        elif known.case is not None:
            case.follows(known.case)

    def _put(self, case: Case, state: State) -> None:
        name = case.orderLinkId
        entry = _Entry(state, _digest(case), case if state in (SENT, UNKNOWN) else None)
        self._open.pop(name, None)
        if entry.case is not None:
            self._open[name] = entry
            return
        self._settled[name] = entry
        self._settled.move_to_end(name)
        if len(self._settled) > _REMEMBERED:
            self._settled.popitem(last=False)

    def _restore(self, before: Mapping[str, _Entry | None]) -> None:
        for name, entry in before.items():
            self._open.pop(name, None)
            if entry is not None and entry.case is not None:
                self._open[name] = entry

    def _is_current(self, case: Case) -> bool:
        entry = self._entry(case.orderLinkId)
        return entry is None or entry.case is case

    def _is_flying(self, case: Case) -> bool:
        entry = self._open.get(case.orderLinkId)
        return entry is not None and entry.case is case and entry.state == SENT


def _kept_state(case: Case, state: State) -> State:
    """A name that is refused as used stays with the order that has it."""
    return PLACED if state == REFUSED and case.was_placed else state


def _digest(case: Case) -> bytes:
    return hashlib.blake2b(case.content, digest_size=16).digest()

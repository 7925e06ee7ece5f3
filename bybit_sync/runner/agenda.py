"""One thread that does things at the moments that were agreed, and sleeps in between."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable
from itertools import count

from bybit_sync.clock import Clock

log = logging.getLogger("bybit_sync.runner")


class Entry:
    """Something to be done at a moment; `cancel` it when it need not be."""

    __slots__ = ("_act",)

    def __init__(self, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act

    def cancel(self) -> None:
        """Forget it; too late or twice is fine."""
        self._act = None

    def run(self) -> None:
        """Do it, once."""
        act, self._act = self._act, None
        if act is not None:
            act()


class Agenda:
    """Runs what was entered when its time has come, on a thread of its own.

    The condition guards the heap. Nothing is looked at on the off chance: the thread sleeps until
    the first entry is due or an earlier one is made, so that a thousand entries cost nothing.
    What is run should be quick; it may make entries.
    """

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[tuple[float, int, Entry]] = []
        self._numbers = count()  # entries of one moment keep their order, and are not compared
        self._is_closed = False
        # A daemon, as are the workers that it starts: a step that never ends must not keep the
        # interpreter from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; entries that were made before are kept until then."""
        self._thread.start()

    def at(self, moment: float, act: Callable[[], None]) -> Entry:
        """Have `act` run at a moment of the monotonic clock, at once if that has passed."""
        entry = Entry(act)
        with self._changed:
            heapq.heappush(self._heap, (moment, next(self._numbers), entry))
            if self._heap[0][2] is entry:
                self._changed.notify()
        return entry

    def soon(self, act: Callable[[], None]) -> Entry:
        """Have `act` run on the agenda's thread, now."""
        return self.at(self._clock.monotonic(), act)

    def run_due(self) -> float | None:
        """Run everything that is due; returns the seconds to the next entry, None without one."""
        while True:
            with self._changed:
                if not self._heap:
                    return None
                pause = self._heap[0][0] - self._clock.monotonic()
                if pause > 0.0 or self._is_closed:
                    return pause
                entry = heapq.heappop(self._heap)[2]
            self._do(entry)

    def close(self) -> None:
        """Forget all entries and end the thread; twice is fine."""
        with self._changed:
            self._is_closed = True
            self._heap.clear()
            self._changed.notify()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._is_closed:
            self.run_due()
            with self._changed:
                self._sleep()

    def _sleep(self) -> None:
        """Until something is due; what was entered since `run_due` looked is seen here."""
        if self._is_closed:
            return
        if not self._heap:
            self._changed.wait()
            return
        pause = self._heap[0][0] - self._clock.monotonic()
        if pause > 0.0:
            self._changed.wait(min(pause, threading.TIMEOUT_MAX))

    def _do(self, entry: Entry) -> None:
        try:
            entry.run()
        except Exception:
            # The top of a thread on which every schedule depends: one fault must not end it.
            log.exception("the runner's schedule goes on after a fault of its own")

"""A picture that is kept up to date by a thread of its own while other cells run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from bybit_sync.clock import Clock

log = logging.getLogger("bybit_sync.notebook")

SAMPLE_SECONDS = 0.1
_PATIENCE = 2.0  # a front end that takes nothing must not hold up the end of a client


class Watch:
    """Redraws until it is stopped; made by ``client.watch()``.

    The thread is a daemon: a kernel that ends need not wait for it.
    """

    def __init__(
        self,
        draw: Callable[[bool], str],
        publish: Callable[[str], None],
        sample: Callable[[], None],
        *,
        every: float,
        clock: Clock,
    ) -> None:
        """`draw` is told whether the picture stays live, `publish` puts it in the former one's
        place, `sample` is called ten times a second for the charts."""
        self.every = every
        """Seconds between two pictures."""
        self._draw = draw
        self._publish = publish
        self._sample = sample
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="bybit-watch", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """True while the picture is kept up to date."""
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    def stop(self) -> None:
        """Leave the last picture as it is; twice is fine."""
        self._stop.set()
        thread = self._thread
        # The collector may drop a client, and so end its watch, on the watch's own thread.
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def __repr__(self) -> str:
        return f"<Watch every {self.every:g} s, {'running' if self.is_running else 'stopped'}>"

    def _ipython_display_(self) -> None:
        """Nothing: the picture is there already, also where the handle ends a cell."""

    # --- its thread -----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._follow()
            self._publish(self._draw(False))
        except Exception:
            log.warning("the live picture of a client has ended", exc_info=True)
            self._stop.set()

    def _follow(self) -> None:
        shown = ""
        tick = min(self.every, SAMPLE_SECONDS)
        due = self._clock.monotonic() + self.every
        while not self._clock.wait(self._stop, tick):
            self._sample()
            if (now := self._clock.monotonic()) < due:
                continue
            due = now + self.every
            picture = self._draw(True)
            if picture != shown:
                self._publish(picture)
                shown = picture

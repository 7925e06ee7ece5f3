"""Client and server on different cores, so that neither takes the other's time."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .measure import BenchmarkError

_STAT = Path("/proc/stat")
_LATENCY = Path("/dev/cpu_dma_latency")
_IDLE = (3, 4)
"""Columns of a core's line in ``/proc/stat``: idle, and idle while a disk is waited for."""


def pin(place: int) -> int | None:
    """Keep this process on the allowed core at `place` (0 the first, -1 the last); returns it.

    None, and nothing changes, where there is one core only or the system cannot.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None
    os.sched_setaffinity(0, {allowed[place]})
    return allowed[place]


def allowed_cores() -> set[int]:
    """The cores that this process may use; empty where the system does not tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


@contextmanager
def awake() -> Iterator[None]:
    """Meanwhile, no core sleeps: on virtual ones to wake up takes longer than a bare call does.

    Raises:
        BenchmarkError: the system has no such switch, or this user may not use it.
    """
    try:
        # Linux: so many microseconds may waking up take, for as long as the file is open.
        switch = os.open(_LATENCY, os.O_WRONLY)
    except OSError as error:
        raise BenchmarkError(f"the cores cannot be kept awake: {error}") from error
    try:
        os.write(switch, struct.pack("=i", 0))
        yield
    finally:
        os.close(switch)


class Watch:
    """How much of a core others take, while this process measures on it."""

    def __init__(self, core: int | None) -> None:
        self._core = core
        self._began = self._now()

    def others(self) -> float | None:
        """Their share of the core since this was made; None where the system does not tell."""
        if self._began is None or (now := self._now()) is None:
            return None
        wall, busy, own = (after - before for after, before in zip(now, self._began, strict=True))
        return max(0.0, busy - own) / wall if wall else None

    def _now(self) -> tuple[float, float, float] | None:
        """Seconds: on the wall, of the core at work, of this process and its children at work."""
        if self._core is None or not _STAT.exists():
            return None
        lines = [line.split() for line in _STAT.read_text().splitlines()]
        found = next((line[1:9] for line in lines if line[0] == f"cpu{self._core}"), None)
        if found is None:
            return None
        ticks = [int(text) for n, text in enumerate(found) if n not in _IDLE]
        return time.perf_counter(), sum(ticks) / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])

"""Client and server on different cores, so that neither takes the other's time."""

from __future__ import annotations

import os


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

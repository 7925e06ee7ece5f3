"""Which process wrote a line of the journal, and whether it still lives.

A process is named by its machine, its process-id namespace, its id and its start: an id alone is
given to another process sooner or later. Where death cannot be proved (another machine or
container, a system without /proc) a process counts as alive, and its orders are left to it until
the time of its call has run out.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """The name of this process."""
    return f"{_place()} {os.getpid()} {_start_of(os.getpid())}"


def is_surely_dead(name: str) -> bool:
    """True if the process of this name has ended; False where that cannot be known."""
    place, _, rest = name.partition(" ")
    pid, _, start = rest.partition(" ")
    if place != _place() or not pid.isdecimal() or not start or not _PROC.is_dir():
        return False
    return _start_of(int(pid)) != start


def _place() -> str:
    try:
        namespace = (_PROC / "self/ns/pid").readlink().name
    except OSError:
        namespace = "-"
    return f"{socket.gethostname()}/{namespace}".replace(" ", "_")


def _start_of(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty if there is none, or a zombie."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return "" if not fields or fields[0] in "ZX" else fields[19]

"""Opens connections and tells how much the process grew for each: one run, one contender."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from .contenders import BareSocket, Contender, Ours
from .server import Site
from .work import SMALL

CONNECTIONS = 200
_STATM = Path("/proc/self/statm")


def can_measure() -> bool:
    """True where the system tells a process its size."""
    return _STATM.exists()


def bytes_each(site: Site, name: str) -> float:
    """Resident bytes per connection that the contender holds open."""
    if name == Ours.name:
        return _growth(Ours(site, width=CONNECTIONS + 1), _warm_up)
    return _growth(BareSocket(site), _connect)


def _growth(contender: Contender, open_one_more: Callable[[Contender, int], None]) -> float:
    try:
        contender.time_calls(SMALL, 20)  # all that is there for the first connection only
        before = _resident_bytes()
        for number in range(CONNECTIONS):
            open_one_more(contender, number + 2)
        return (_resident_bytes() - before) / CONNECTIONS
    finally:
        contender.close()


def _warm_up(contender: Contender, wanted: int) -> None:
    assert isinstance(contender, Ours)
    contender.opened().warm_up(wanted)


def _connect(contender: Contender, wanted: int) -> None:
    assert isinstance(contender, BareSocket)
    contender.keep_one_more()


def _resident_bytes() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    found = bytes_each(Site(**json.loads(sys.argv[2])), sys.argv[1])
    sys.stdout.write(json.dumps(found))

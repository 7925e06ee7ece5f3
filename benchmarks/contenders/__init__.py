"""The contenders, from the barest to the fullest."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TypeVar

from benchmarks.server import Site

from .aio import Aiohttp
from .bare import BareSocket
from .base import Contender
from .curl import PyCurl
from .httpclient import HttpClient
from .httpx_client import Httpx
from .ours import OurOrders, Ours, OurSession
from .peers import Ccxt, Pybit
from .pool import Urllib3
from .sessions import Requests

__all__ = [
    "ALL",
    "Aiohttp",
    "BareSocket",
    "Ccxt",
    "Contender",
    "HttpClient",
    "Httpx",
    "Kind",
    "OurOrders",
    "OurSession",
    "Ours",
    "PyCurl",
    "Pybit",
    "Requests",
    "Urllib3",
    "in_turn",
    "missing",
    "on_site",
]

T = TypeVar("T")
Kind = type[Contender]

ALL: tuple[Kind, ...] = (
    BareSocket,
    PyCurl,
    HttpClient,
    Urllib3,
    Requests,
    Httpx,
    Aiohttp,
    Pybit,
    Ccxt,
    Ours,
    OurSession,
)


def missing() -> list[str]:
    """The peers that are not installed, and so are left out."""
    return [kind.name for kind in ALL if not _is_installed(kind)]


def _is_installed(kind: Kind) -> bool:
    return not kind.needs or find_spec(kind.needs) is not None


@contextmanager
def on_site(
    site: Site, kinds: Sequence[Kind], *, width: int = 1, is_fresh: bool = False
) -> Iterator[list[Contender]]:
    """Those contenders of these kinds that are installed; closed at the end."""
    with ExitStack() as stack:
        found = [
            kind(site, width=width, is_fresh=is_fresh) for kind in kinds if _is_installed(kind)
        ]
        for contender in found:
            stack.callback(contender.close)
        # What the peers' modules hold would be walked by the collector in everybody's time.
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        yield found


def in_turn(
    contenders: Sequence[Contender], rounds: int, measure: Callable[[Contender], T]
) -> dict[str, list[T]]:
    """What each contender took in each round, by name; every round another one begins."""
    taken: dict[str, list[T]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for contender in [*contenders[first:], *contenders[:first]]:
            taken[contender.name].append(measure(contender))
    return taken

"""What every row of the fault matrix gets: scripted servers, a network of its own, a clean end.

``MATRIX_ORDER=random`` (or a seed) in the environment runs the rows in random order; the seed is
printed, and the same seed gives the same order.
"""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bybit_sync.net import adapter
from tests.net.conftest import (  # noqa: F401  # fixtures are found by their names here
    _no_name_server,
    hasty,
    make_adapter,
    make_plain,
    make_session,
    plain,
    serve,
    session,
    tally,
    trust,
)

from . import alone

_SETTLE_SECONDS = 3.0


def pytest_configure(config: pytest.Config) -> None:
    """Register what only the matrix uses."""
    config.addinivalue_line(
        "markers", "alone(*programs): runs in a network and file system view of its own, as root"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle the rows where that was asked for."""
    wish = os.environ.get("MATRIX_ORDER")
    if not wish:
        return
    seed = random.randrange(10**6) if wish == "random" else int(wish)
    print(f"\nMATRIX_ORDER={seed}")  # noqa: T201  # whoever meets a failure has to repeat it
    random.Random(seed).shuffle(items)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run a test that is marked ``alone`` in a child of its own."""
    marker = pyfuncitem.get_closest_marker("alone")
    if marker is None or alone.is_inside():
        return None
    alone.run(pyfuncitem, marker.args)
    return True


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def _left(descriptors: int, threads: set[threading.Thread]) -> list[Any]:
    """What is still there that was not there before."""
    left: list[Any] = [
        f"{pool!r}: {stats.active} active, {stats.waiting} waiting"
        for pool in list(adapter._LIVING)
        if (stats := pool.stats()).active or stats.waiting
    ]
    left += [t for t in threading.enumerate() if t not in threads and t.is_alive()]
    now = _descriptors()
    if now > descriptors:
        left.append(f"{now - descriptors} descriptors more than the {descriptors} before")
    return left


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """After a row no slot is held, nobody waits, and no descriptor or thread was added."""
    descriptors, threads = _descriptors(), set(threading.enumerate())
    yield
    end = time.monotonic() + _SETTLE_SECONDS
    while left := _left(descriptors, threads):
        gc.collect()
        assert time.monotonic() < end, left
        time.sleep(0.02)

"""What must not be left when a row is over."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bybit_sync.net import adapter

_SETTLE_SECONDS = 3.0


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

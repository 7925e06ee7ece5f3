"""A forked child finds every lock free that another thread held in the moment of the fork."""

from __future__ import annotations

import os
import threading

import pytest

from bybit_sync.forking import renew_after_fork


class Owner:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        renew_after_fork(self, "lock")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_lock_that_was_held_in_the_moment_of_a_fork_is_free_in_the_child():
    owner = Owner()

    with owner.lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if owner.lock.acquire(timeout=1) else 1)
        _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert owner.lock.acquire(blocking=False)


def test_an_owner_is_not_kept_alive():
    import gc
    import weakref

    owner = Owner()
    seen = weakref.ref(owner)
    del owner
    gc.collect()

    assert seen() is None

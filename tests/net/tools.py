"""What the tests of the transport share: threads that are joined, waits that are bounded."""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bybit_sync.clock import Deadline
from bybit_sync.exceptions import BybitError
from bybit_sync.net.answer import Answer, HeaderBlock
from bybit_sync.net.session import PooledSession

AGENT = HeaderBlock({"User-Agent": "tests"})
TOTAL = 0.4
"""The ``total_timeout`` of tests about time."""


def send(
    session: PooledSession,
    base: str,
    method: str = "GET",
    target: str = "/",
    *,
    body: bytes = b"",
    timeout: float | None = None,
    sign: Any = None,
    headers: HeaderBlock = AGENT,
    deadline: Deadline | None = None,
) -> Answer:
    """One call, the client's way."""
    deadline = deadline or session.adapter.deadline(timeout)
    return session.send(
        base, method, target, headers=headers, body=body, deadline=deadline, sign=sign
    )


def failure(session: PooledSession, base: str, method: str = "GET", **how: Any) -> BybitError:
    """The error that a call ends with; it must be one of ours."""
    with pytest.raises(BybitError) as caught:
        send(session, base, method, **how)
    return caught.value


def latest(total: float) -> float:
    """The most that a call with this total timeout may take.

    The matrix allows a tenth or 50 ms. These tests allow both: their timeouts are a fraction of
    its 2 s, and a collection of the test run's own garbage may fall into any of them.
    """
    return total * 1.1 + 0.05


@contextlib.contextmanager
def ends_within(total: float) -> Iterator[None]:
    """The block takes no longer than a call with this total timeout may."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started <= latest(total)


def eventually(holds: Callable[[], Any], within: float = 3.0) -> None:
    """Wait until something holds that another thread or the kernel brings about."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.002)


def through_pickle(thing: Any) -> Any:
    """What comes out where a pickle of it is read."""
    return pickle.loads(pickle.dumps(thing))  # noqa: S301  # it is ours


class Crew:
    """Threads that run functions; leaving the block joins them and raises what they raised."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[[], Any], times: int = 1) -> None:
        """Run a function in so many threads."""
        for _ in range(times):
            thread = threading.Thread(target=self._run, args=(work,), name="crew")
            self._threads.append(thread)
            thread.start()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self.results.append(work())
        except BaseException as error:
            self.errors.append(error)

    def join(self, within: float = 20.0) -> None:
        """Wait for all of them."""
        end = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
            assert not thread.is_alive(), "a thread of the crew did not end"

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: Any, *rest: object) -> None:
        self.join()
        if kind is None and self.errors:
            raise self.errors[0]


def open_sockets() -> int:
    """Sockets that this process has open, as the kernel lists them."""
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the descriptor of the listing itself is gone
            count += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    return count


def is_at_rest(session: PooledSession) -> bool:
    """No connection is held and nobody waits."""
    stats = session.adapter.stats()
    return stats.active == 0 and stats.waiting == 0

"""What every contender can do: make a call, a batch of them, or as many as a crowd can."""

from __future__ import annotations

import contextlib
import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from benchmarks.crowd import time_crowd
from benchmarks.measure import Batch, BenchmarkError, Call, Crowd, time_calls
from benchmarks.server import Site
from benchmarks.work import Work

_WARMING_CALLS = 3


class Contender(ABC):
    """One way of making calls. Each signs for real and decodes the JSON.

    `width` is how many connections it may hold; with `is_fresh` it opens one for every call.
    """

    name: ClassVar[str]
    needs: ClassVar[str] = ""
    """The package that has to be installed."""

    def __init__(self, site: Site, *, width: int = 1, is_fresh: bool = False) -> None:
        self.site = site
        self.width = width
        self.is_fresh = is_fresh
        self._calls: dict[str, Call] = {}
        self._stack = contextlib.ExitStack()

    @abstractmethod
    def call_for(self, work: Work) -> Call:
        """A function that makes one call and returns its envelope, for one thread."""

    def close(self) -> None:
        """Close every connection."""
        self._stack.close()

    def time_calls(self, work: Work, calls: int) -> Batch:
        """A batch by this thread, over a connection that is warm."""
        if work.name not in self._calls:
            self._calls[work.name] = self.call_for(work)
            check_answer(self.name, self._calls[work.name]())
        call = self._calls[work.name]
        for _ in range(0 if self.is_fresh else _WARMING_CALLS):
            call()
        return time_calls(call, calls)

    def time_crowd(self, work: Work, workers: int, seconds: float) -> Crowd:
        """What a crowd of threads gets done."""
        return time_crowd(lambda: self.call_for(work), workers, seconds)

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the server, for those that are given one."""
        return ssl.create_default_context(cafile=self.site.ca_file)


def check_answer(name: str, answer: object) -> None:
    """Make sure that a contender got what it is timed for.

    Raises:
        BenchmarkError: it did not.
    """
    if not isinstance(answer, Mapping) or answer.get("retCode") != 0 or not answer.get("result"):
        raise BenchmarkError(f"{name} got {str(answer)[:200]}")

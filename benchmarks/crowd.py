"""A crowd of threads that call for some seconds, all from one start."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .measure import BenchmarkError, Call, Crowd

_PATIENCE = 20.0
"""Seconds that a crowd may take to get ready, and to end once its time is up."""


def time_crowd(make_call: Callable[[], Call], workers: int, seconds: float) -> Crowd:
    """Let so many threads call for so long, each with a call of its own.

    Raises:
        BenchmarkError: a thread failed, or did not end.
    """
    crowd = _Threads(workers, seconds)
    # Daemons: one that hangs must not keep the program from ending.
    threads = [
        threading.Thread(target=crowd.work, args=(make_call,), daemon=True) for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    return crowd.outcome(threads)


class _Threads:
    """What the threads of one crowd share; appending to a list needs no lock."""

    def __init__(self, workers: int, seconds: float) -> None:
        self._seconds = seconds
        self._barrier = threading.Barrier(workers + 1)
        self._latencies: list[list[float]] = []
        self._errors: list[BaseException] = []

    def work(self, make_call: Callable[[], Call]) -> None:
        """One thread: get ready, wait for the others, call until the time is up."""
        latencies: list[float] = []
        try:
            call = make_call()
            call()
            self._barrier.wait(_PATIENCE)
            self._call(call, latencies)
        except BaseException as error:  # noqa: BLE001 - told by `outcome`, on the caller's thread
            self._errors.append(error)
            self._barrier.abort()
        self._latencies.append(latencies)

    def _call(self, call: Call, latencies: list[float]) -> None:
        clock = time.perf_counter
        ended = clock()
        end = ended + self._seconds
        while ended < end:
            started = clock()
            call()
            ended = clock()
            latencies.append(ended - started)

    def outcome(self, threads: list[threading.Thread]) -> Crowd:
        """Start the crowd and wait for its end."""
        try:
            self._barrier.wait(_PATIENCE)
        except threading.BrokenBarrierError as error:
            raise BenchmarkError(f"the crowd did not start: {self._first_error()}") from error
        started, cpu = time.perf_counter(), time.process_time()
        last = started + self._seconds + _PATIENCE
        for thread in threads:
            thread.join(max(0.0, last - time.perf_counter()))
        taken = time.perf_counter() - started
        if self._errors or any(thread.is_alive() for thread in threads):
            raise BenchmarkError(f"the crowd did not end well: {self._first_error()}")
        return Crowd(self._latencies, taken, time.process_time() - cpu)

    def _first_error(self) -> str:
        real = [e for e in self._errors if not isinstance(e, threading.BrokenBarrierError)]
        return repr(real[0]) if real else "it took too long"

"""A runner's engine on a clock that stands still, with workers that work when they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from bybit_sync.runner.agenda import Agenda
from bybit_sync.runner.engine import Engine
from bybit_sync.runner.roster import Roster
from bybit_sync.runner.settings import StrategySettings
from bybit_sync.runner.steps import Lease
from bybit_sync.runner.strategy import Strategy
from tests.conftest import FakeClock

CLIENT = object()
"""What the steps of these tests are given; they do not call it."""


class HandExecutor(Executor):
    """Keeps what it is handed until `work` is called; with `at_once` it runs it on the spot."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.at_once = at_once
        self.waiting: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.refuses: Exception | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.refuses is not None:
            raise self.refuses
        future: Future[Any] = Future()
        self.waiting.append((future, fn, args))
        if self.at_once:
            self.work()
        return future

    def work(self) -> None:
        """Run all that waits."""
        waiting, self.waiting = self.waiting, []
        for future, fn, args in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(fn(*args))


class Bench:
    """An engine whose agenda is worked off by `pass_time`."""

    def __init__(self, clock: FakeClock, *, spread: float = 0.0, lease: Lease | None = None):
        self.clock = clock
        self.began = clock.monotonic()
        self.agenda = Agenda(clock, "bench")
        self.executor = HandExecutor()
        self.roster = Roster(clock)
        self.told: list[str] = []
        self.engine = Engine(
            self.roster,
            CLIENT,
            clock,
            executor=self.executor,
            max_workers=1,
            spread=spread,
            lease=lease,
            tell=self.told.append,
            agenda=self.agenda,
        )

    def add(self, target: Any, name: str | None = None, **settings: Any) -> Strategy:
        args = settings.pop("args", ())
        strategy = self.roster.add(target, name, args, {}, StrategySettings(**settings))
        self.engine.enroll(strategy)
        return strategy

    @property
    def now(self) -> float:
        """Seconds since the bench was set up."""
        return round(self.clock.monotonic() - self.began, 6)

    def pass_time(self, seconds: float) -> None:
        """Let everything happen that is due until then; steps may take time of their own."""
        end = self.clock.monotonic() + seconds
        while (pause := self.agenda.run_due()) is not None:
            if self.clock.monotonic() + pause > end:
                break
            self.clock.advance(max(pause, 0.0))
        self.clock.advance(max(0.0, end - self.clock.monotonic()))

    def drain(self, seconds: float) -> list[str]:
        """`Engine.drain`, with somebody who works the agenda off meanwhile."""
        stop = threading.Event()

        def work_off() -> None:
            while not stop.wait(0.001):
                self.agenda.run_due()

        helper = threading.Thread(target=work_off)
        helper.start()
        try:
            return self.engine.drain(seconds)
        finally:
            stop.set()
            helper.join()

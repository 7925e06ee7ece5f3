"""The soak's load: threads that read and trade at a steady pace, and what their calls came to."""

from __future__ import annotations

import threading
import traceback
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from bybit_sync.call.client_ids import new_order_id
from bybit_sync.client import BybitClient
from bybit_sync.exceptions import BybitError

from .measure import percentile

_ORDER_EVERY = 100
"""Few: the exchange remembers every order, and a day is long."""
_SWEEP_EVERY = 50
"""Orders between two cancellations of whatever lost answers have left open."""
_MOST_FOREIGN = 20
"""Kinds that are told apart: the report of a broken run need not be as long as the run."""
_ORDER: dict[str, Any] = {
    "category": "spot",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.001",
    "price": "10000",
}


@dataclass(slots=True)
class Interval:
    """The calls between two samples."""

    latencies: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """Seconds; 0 where there was no call."""
        return percentile(self.latencies, 0.5)


class Load:
    """Threads that call until they are stopped. The lock guards the counts."""

    def __init__(self, client: BybitClient, threads: int, rate: float, patience: float) -> None:
        self.calls = 0
        self.errors: Counter[str] = Counter()
        """Our own errors, by class; refusals by retCode."""
        self.foreign: Counter[str] = Counter()
        """Exceptions of any other class, and where they were raised: there should be none."""
        self.late = 0
        """Calls that ended after their time-out and a tenth."""
        self.slowest = 0.0
        self._client = client
        self._clock = client.clock
        self._pause = threads / rate if rate else 0.0
        self._patience = patience
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._interval = Interval()
        self._turns = count()
        self._threads = [
            threading.Thread(target=self._work, args=(number / threads,), name=f"soak-{number}")
            for number in range(threads)
        ]

    @property
    def failed(self) -> int:
        """Calls that ended in an error."""
        return sum(self.errors.values()) + sum(self.foreign.values())

    def start(self) -> None:
        """Let them work."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End them, each after the call that it is in. Twice is fine."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def next_interval(self) -> Interval:
        """The calls since this was last asked."""
        with self._lock:
            ended, self._interval = self._interval, Interval()
        return ended

    def connections(self) -> int:
        """How many connections the pool knows of."""
        pool = self._client.pool_stats()
        return pool.active + pool.idle

    # --- in the threads -------------------------------------------------------------------

    def _work(self, phase: float) -> None:
        _touch_stack()
        due = self._clock.monotonic() + phase * self._pause
        while not self._stop.is_set():
            wait = due - self._clock.monotonic()
            if wait > 0 and self._clock.wait(self._stop, wait):
                return
            # A thread that was held up does not hurry after: that would be a burst.
            due = max(due + self._pause, self._clock.monotonic())
            self._take_turn(next(self._turns))

    def _take_turn(self, turn: int) -> None:
        client, ticker = self._client, {"category": "spot", "symbol": "BTCUSDT"}
        if turn % _ORDER_EVERY == 0:
            self._trade(turn // _ORDER_EVERY)
        elif turn % 4 == 0:
            self._call(lambda: client.trade.get_open_orders(**ticker))  # type: ignore[arg-type]
        elif turn % 4 == 1:
            self._call(lambda: client.market.get_orderbook(**ticker))  # type: ignore[arg-type]
        elif turn % 4 == 2:
            self._call(lambda: client.market.get_tickers(**ticker))  # type: ignore[arg-type]
        else:
            self._call(client.market.get_server_time)

    def _trade(self, number: int) -> None:
        trade, name = self._client.trade, new_order_id()
        self._call(lambda: trade.place_order(**_ORDER, orderLinkId=name))
        self._call(lambda: trade.cancel_order(category="spot", symbol="BTCUSDT", orderLinkId=name))
        if number % _SWEEP_EVERY == _SWEEP_EVERY - 1:
            self._call(lambda: trade.cancel_all_orders(category="spot"))

    def _call(self, call: Any) -> None:
        started = self._clock.monotonic()
        fault = foreign = ""
        try:
            call()
        except BybitError as error:
            fault = _name(error)
        except Exception as error:  # noqa: BLE001  (that none gets here is what is tested)
            foreign = _place(error)
        seconds = self._clock.monotonic() - started
        with self._lock:
            self._note(seconds, fault, foreign)

    def _note(self, seconds: float, fault: str, foreign: str) -> None:
        self.calls += 1
        self._interval.latencies.append(seconds)
        self.slowest = max(self.slowest, seconds)
        self.late += seconds > self._patience * 1.1 + 0.05
        if fault:
            self.errors[fault] += 1
        if foreign and (foreign in self.foreign or len(self.foreign) < _MOST_FOREIGN):
            self.foreign[foreign] += 1


def _touch_stack(depth: int = 250) -> int:
    """Have the pages of this thread's stack in memory from the start: deep paths are rare, and
    with many threads their first times are spread over hours, which looks like a leak."""
    return max([depth], key=lambda _: _touch_stack(depth - 1)) if depth else 0


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {last.name}, line {last.lineno} of {last.filename}"


def _name(error: BybitError) -> str:
    code = getattr(error, "ret_code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"

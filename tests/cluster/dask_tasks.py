"""What the workers of a Dask cluster are asked to do; they import it."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

from bybit_sync import BybitClient

from .budget_child import Departures, call_all_the_time


class Noted:
    """A strategy that notes in a file when its steps begin and end, and where."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.file = file
        self.steps = 0

    def step(self, client: BybitClient) -> None:
        self.steps += 1
        self._note("begin")
        client.market.get_server_time()
        time.sleep(0.1)
        self._note("end")

    def _note(self, what: str) -> None:
        line = f"{self.name} {what} {os.getpid()} {self.steps} {time.monotonic()}\n"
        # One write to the end: lines of several processes do not mix.
        with open(self.file, "ab", buffering=0) as file:
            file.write(line.encode())


def forget_keys() -> None:
    """As on a worker that was set up without them."""
    del os.environ["BYBIT_API_KEY"], os.environ["BYBIT_API_SECRET"]


def use_budget(
    client: BybitClient, start: float, seconds: float
) -> tuple[int, Counter[str], list[float]]:
    """Call as often as allowed, from a moment of the machine's monotonic clock on.

    Returns the process, how calls ended, and when they left.
    """
    client.warm_up(8)
    time.sleep(max(0.0, start - time.monotonic()))
    departures = Departures()
    client.pipeline.hooks.add(departures)
    ends = call_all_the_time(client, time.monotonic() + seconds, threads=8)
    client.pipeline.hooks.remove(departures)
    return os.getpid(), ends, departures.moments

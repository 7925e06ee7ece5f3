"""The limiter under many threads, in real time."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from bybit_sync.call.rate_limit import RateLimiter
from bybit_sync.call.records import Endpoint, Limit
from bybit_sync.clock import SYSTEM_CLOCK, Deadline

CALLS = 50
THREADS = 20
SECONDS = 3.0


@pytest.mark.stress
def test_twenty_threads_never_pass_the_limit_use_it_up_and_take_turns() -> None:
    limits = RateLimiter(SYSTEM_CLOCK)
    endpoint = Endpoint("x", "y", "GET", "/v5/x", limit=Limit(CALLS))
    departures: list[float] = []
    served: Counter[int] = Counter()
    lock = threading.Lock()
    end = time.monotonic() + SECONDS

    def work(me: int) -> None:
        while time.monotonic() < end:
            grant = limits.acquire(endpoint, {}, Deadline.after(10.0))
            grant.depart()
            with lock:
                departures.append(time.monotonic())
                served[me] += 1
            time.sleep(0.01)  # the call itself

    threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    departures.sort()
    # What a server counts that books arrivals a little late: 10 ms of the margin of 30.
    busiest = max(sum(at <= other < at + 0.99 for other in departures) for at in departures)
    assert busiest <= CALLS
    # The last burst is cut short by the end of the test; up to it, windows were full.
    last_burst = departures[-1] - 0.5
    full = [at for at in departures if at < last_burst]
    assert len(full) >= 0.95 * CALLS * (departures[-1] - departures[0])
    assert max(served.values()) - min(served.values()) <= 4, served

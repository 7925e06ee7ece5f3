"""What threads that compute cost those that call: ``python -m benchmarks.switch_interval``.

One thread at a time runs Python. One that computes keeps the interpreter for up to
`sys.getswitchinterval()` seconds while another, whose answer has come, waits for it. Threads call
a local exchange at a steady pace beside none, one and two that compute, at several intervals;
shown are the calls' latencies. The exchange is a process of its own.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import quantiles

from bybit_sync import BybitClient, Config, RateLimitConfig

INTERVALS = (0.005, 0.001, 0.0005, 0.0001)
BUSY = (0, 1, 2)
PACE = 0.05
"""Seconds from one call of a thread to its next."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every pair of interval and computing threads, and print them as a table."""
    parser = argparse.ArgumentParser("python -m benchmarks.switch_interval", description=__doc__)
    parser.add_argument("--threads", type=int, default=10, help="threads that call")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each line of the table")
    parser.add_argument("--latency", type=float, default=0.02, help="round trip, in seconds")
    args = parser.parse_args(argv)
    say("| switch interval | threads that compute | p50 | p99 | rounds computed |")
    say("|---|---|---|---|---|")
    config = Config(rate_limit=RateLimitConfig(mode="off"))
    with BybitClient.local(
        latency=args.latency, config=config, limits=False, ip_limit=None
    ) as client:
        client.warm_up(args.threads)
        for busy in BUSY:
            for interval in INTERVALS:
                with switch_interval(interval):
                    line = measure(client, args.threads, busy, args.seconds)
                say(f"| {interval * 1000:g} ms | {busy} | {line}")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def switch_interval(seconds: float) -> Iterator[None]:
    """Meanwhile, let a thread keep the interpreter for at most so long."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def measure(client: BybitClient, threads: int, busy: int, seconds: float) -> str:
    """The cells p50, p99 and computed rounds per second of one line."""
    end = time.monotonic() + seconds
    taken: list[float] = []
    rounds: list[int] = []
    everyone = [
        threading.Thread(target=_call, args=(client, end, taken, n / threads * PACE))
        for n in range(threads)
    ]
    everyone += [threading.Thread(target=_compute, args=(end, rounds)) for _ in range(busy)]
    for thread in everyone:
        thread.start()
    for thread in everyone:
        thread.join()
    cuts = quantiles(taken, n=100, method="inclusive")
    return (
        f"{cuts[49] * 1000:.1f} ms | {cuts[98] * 1000:.1f} ms | {sum(rounds) / seconds:,.0f} /s |"
    )


def _call(client: BybitClient, end: float, taken: list[float], start: float) -> None:
    due = time.monotonic() + start
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        began = time.monotonic()
        client.market.get_tickers(category="linear", symbol="BTCUSDT")
        taken.append(time.monotonic() - began)
        due = max(due + PACE, time.monotonic())


def _compute(end: float, rounds: list[int]) -> None:
    done = 0
    while time.monotonic() < end:
        sum(n * n for n in range(1000))  # pure Python: it gives the interpreter up only when asked
        done += 1
    rounds.append(done)


if __name__ == "__main__":
    main()

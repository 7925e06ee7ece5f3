"""Many workers against the budget of one account: ``python -m benchmarks.scale``.

Each worker stands for a process: it has a store of its own and asks a real Redis, started for the
purpose, for every call; the call itself is a pause. Shown is what the limit lets through, how it
is shared, and what it costs in Redis. ``--kill`` ends Redis in the middle and starts it anew.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

from bybit_sync.call.redis_store import RedisStore

SPAN, SLIP = 1.04, 0.01  # as the client has them
WINDOW = "simulated account trade.get_open_orders"


@dataclass
class Worker:
    """One process's use of the budget."""

    url: str
    calls: int
    trip: float
    end: float
    granted: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    questions: int = 0

    def run(self) -> None:
        """Call whenever it is allowed, until the end."""
        store = RedisStore(self.url)
        number = 0
        while (began := time.monotonic()) < self.end:
            number += 1
            if not self._wait(store, f"{id(self)}-{number}"):
                break
            self.granted.append(time.monotonic())
            self.waits.append(self.granted[-1] - began)
            time.sleep(self.trip)
        store.close()

    def _wait(self, store: RedisStore, ticket: str) -> bool:
        while time.monotonic() < self.end:
            self.questions += 1
            asked = time.monotonic()
            said = store.take(WINDOW, ticket, 1, self.calls, SPAN)
            if said.granted:
                if time.monotonic() - asked > SLIP:  # as the client does: it leaves only now
                    store.take(WINDOW, ticket, 1, self.calls, SPAN)
                return True
            time.sleep(max(0.001, said.wait))
        store.give_back(WINDOW, ticket)
        return False


class Server:
    """A redis-server of our own."""

    def __init__(self) -> None:
        if shutil.which("redis-server") is None:
            sys.exit("redis-server is not installed")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(  # noqa: S603  (of our own words)
            [*command, "--dir", tempfile.gettempdir()], stdout=subprocess.DEVNULL
        )
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def busiest(moments: list[float]) -> int:
    """The most calls in any second."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def script_cost(url: str) -> str:
    """What Redis says that one question took."""
    from bybit_sync.call.redis_store import connect

    stats = connect(url).info("commandstats")
    script = stats.get("cmdstat_evalsha", {})
    return f"{script.get('usec_per_call', 0.0):.0f} us"


def simulate(workers: int, calls: int, seconds: float, trip: float, *, kill: bool) -> None:
    """Run it, and print the figures."""
    server = Server()
    server.start()
    try:
        began = time.monotonic()
        crowd = [Worker(server.url, calls, trip, began + seconds) for _ in range(workers)]
        threads = [threading.Thread(target=each.run) for each in crowd]
        for thread in threads:
            thread.start()
        if kill:
            time.sleep(seconds / 3)
            server.kill()
            time.sleep(seconds / 3)
            server.start()
        for thread in threads:
            thread.join()
        tell(crowd, calls, seconds, script_cost(server.url))
    finally:
        server.kill()


def tell(crowd: list[Worker], calls: int, seconds: float, cost: str) -> None:
    """The figures of a run that is over."""
    moments = sorted(moment for each in crowd for moment in each.granted)
    waits = sorted(wait for each in crowd for wait in each.waits)
    shares = [len(each.granted) for each in crowd]
    questions = sum(each.questions for each in crowd)
    most = calls * (moments[-1] - moments[0] + 1.03)
    lines = (
        f"{len(crowd)} workers, {calls} calls a second, {seconds:g} s",
        f"  used               {len(moments) / most:.1%}",
        f"  busiest second     {busiest(moments)}",
        f"  per worker         {min(shares)} to {max(shares)}",
        f"  wait               {statistics.median(waits):.2f} s, longest {waits[-1]:.2f} s",
        f"  questions a call   {questions / len(moments):.1f}",
        f"  questions a second {questions / seconds:.0f}",
        f"  a question costs   {cost} of Redis' time",
    )
    sys.stdout.write("\n".join(lines) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--calls", type=int, default=50, help="per second, of the account")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--trip", type=float, default=0.05, help="seconds that a call takes")
    parser.add_argument("--kill", action="store_true", help="kill Redis in the middle")
    given = parser.parse_args()
    logging.disable()  # each worker would say that Redis is away
    simulate(given.workers, given.calls, given.seconds, given.trip, kill=given.kill)


if __name__ == "__main__":
    main()

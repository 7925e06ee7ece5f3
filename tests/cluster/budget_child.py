"""One of several processes that call as often as they may, for so many seconds."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter

from bybit_sync import BybitClient, BybitError, Config, RateLimitConfig, TlsConfig
from bybit_sync.call.hooks import Observer
from bybit_sync.call.records import Endpoint


class Departures(Observer):
    """Notes when calls are let go, on the clock that all processes of a machine share."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def on_attempt(self, endpoint: Endpoint) -> None:
        self.moments.append(time.monotonic())


def call_all_the_time(client: BybitClient, end: float, threads: int) -> Counter[str]:
    """How the calls of all threads ended."""
    ends: Counter[str] = Counter()
    lock = threading.Lock()

    def work() -> None:
        while time.monotonic() < end:
            outcome = "ok"
            try:
                client.trade.get_open_orders(category="linear", symbol="BTCUSDT")
            except BybitError as error:
                outcome = f"{type(error).__name__}: {error}"
            with lock:
                ends[outcome] += 1

    crowd = [threading.Thread(target=work) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return ends


def main(url: str, ca_file: str, store: str, seconds: str, threads: str) -> None:
    config = Config(
        tls=TlsConfig(ca_file=ca_file), rate_limit=RateLimitConfig(store=store, ip_limit=100_000)
    )
    with BybitClient(base_url=url, config=config) as client:
        client.warm_up(int(threads))
        client.market.get_server_time()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        departures = Departures()
        client.pipeline.hooks.add(departures)
        ends = call_all_the_time(client, time.monotonic() + float(seconds), int(threads))
    sys.stdout.write(json.dumps({"ends": ends, "departures": departures.moments}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What other processes are asked to do; they import it."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable

from bybit_sync import BybitClient

Seen = tuple[int, int, int, bool]


def look(client: BybitClient, symbol: str) -> Seen:
    """Call, and tell the process, its client, how many connections it opened, and if it signs."""
    client.market.get_tickers(category="spot", symbol=symbol)  # type: ignore[arg-type]
    time.sleep(0.02)  # others of the pool's processes take the next task
    return os.getpid(), id(client), client.pool_stats().created, client.has_credentials


def balance(client: BybitClient) -> str:
    """A signed call."""
    reply = client.account.get_wallet_balance(accountType="UNIFIED")
    return str(reply.result["list"][0]["accountType"])


class Unpacked:
    """Becomes, where it is unpickled, the client that was pickled into `packed`."""

    def __init__(self, packed: bytes) -> None:
        self.packed = packed

    def __reduce__(self) -> tuple[Callable[[bytes], object], tuple[bytes]]:
        return pickle.loads, (self.packed,)


class Counter:
    """A strategy that counts its steps and the processes it was in."""

    def __init__(self) -> None:
        self.steps = 0
        self.pids: set[int] = set()

    def step(self, client: BybitClient) -> None:
        client.market.get_server_time()
        self.steps += 1
        self.pids.add(os.getpid())

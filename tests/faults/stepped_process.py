"""A trading process whose wall clock is set while it runs, as a person or an NTP client does it."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bybit_sync import BybitClient, BybitError, CallOptions
from bybit_sync.simulator import LocalAccount, LocalExchange
from tests.exchange.tools import RESTING, connect

SECONDS = 1.0
"""What ``read`` may take."""
_SHIM = Path(__file__).with_name("wall_clock.c")
_PAUSE_SECONDS = 0.1
"""Between the calls of a thread: what the client waits for must not be its own rate limits."""


class WallClockShim:
    """The wall clock of processes that have its environment; skips the test where there is none."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None or not sys.platform.startswith("linux"):
            pytest.skip("needs Linux and a C compiler, to step one process's wall clock")
        library, self._file = folder / "wall_clock.so", folder / "step"
        flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, "-o", library, _SHIM, "-ldl"], check=True)
        self._file.write_bytes(bytes(8))
        self.environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "WALL_CLOCK_STEP": str(self._file),
        }

    def step(self, seconds: float) -> None:
        """Be so much ahead of the true time from now on."""
        with self._file.open("r+b", buffering=0) as file:
            file.write(struct.pack("=q", int(seconds * 1e9)))


class SteppedProcess:
    """The process, seen from the test: it does one thing after the other, and says what came."""

    def __init__(self, exchange: LocalExchange, account: Any, shim: WallClockShim) -> None:
        where = (exchange.url, exchange.ca_file or "", account.api_key, account.api_secret)
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, *where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=shim.environment,
        )

    def begin(self, task: str) -> None:
        """Have it do something: ``read``, ``start`` or ``stop``."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{task}\n")
        self._child.stdin.flush()

    def said(self) -> Any:
        """What came of it."""
        assert self._child.stdout is not None
        return json.loads(self._child.stdout.readline())

    def ask(self, task: str) -> Any:
        """Both of them."""
        self.begin(task)
        return self.said()

    def close(self) -> None:
        """Let it end."""
        try:
            self._child.communicate(timeout=15)
        finally:
            self._child.kill()


class _Program:
    """The process, seen from the inside."""

    def __init__(self, client: BybitClient) -> None:
        self._client = client
        self._made: list[int] = []
        self._failed: list[str] = []
        self._stop = threading.Event()
        self._begun_at = time.time() - time.monotonic()
        calls = (self._read, self._read, self._read, self._place)
        self._threads = [threading.Thread(target=self._work, args=(call,)) for call in calls]

    def _read(self, options: CallOptions | None = None) -> Any:
        return self._client.trade.get_open_orders(
            category="spot", symbol="BTCUSDT", options=options
        )

    def _place(self) -> Any:
        return self._client.trade.place_order(**RESTING)

    def _work(self, call: Callable[[], Any]) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            try:
                call()
            except BybitError as error:
                self._failed.append(repr(error))
            else:  # and how far the wall clock had gone off by then
                self._made.append(round(time.time() - time.monotonic() - self._begun_at))

    def read(self) -> dict[str, Any]:
        """One call: how long it took, and the name of its error."""
        error = ""
        started = time.monotonic()
        try:
            self._read(CallOptions(timeout=SECONDS))
        except BybitError as raised:
            error = type(raised).__name__
        return {"seconds": time.monotonic() - started, "error": error}

    def start(self) -> None:
        """Go on calling in four threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> dict[str, Any]:
        """Call no more; all that was done."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return {"made": self._made, "failed": self._failed}


def main(url: str, ca_file: str, key: str, secret: str) -> None:
    """Do what each line of the input says."""
    there: Any = SimpleNamespace(url=url, ca_file=ca_file)
    account = LocalAccount(key, secret, "")
    with connect(there, account=account) as client:
        program = _Program(client)
        for line in sys.stdin:
            said = getattr(program, line.strip())()
            os.write(1, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

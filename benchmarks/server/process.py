"""The server's process, seen from the program that measures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import TypedDict

from benchmarks.cores import allowed_cores

from .site import Site

_START_PATIENCE = 20.0
_STOP_PATIENCE = 5.0
_ROOT = Path(__file__).parents[2]


class _Ready(TypedDict):
    """What the process says once it serves."""

    host: str
    port: int
    small_port: int
    far_port: int
    packed_port: int
    slow_ports: dict[str, int]
    core: int | None


class ServerError(Exception):
    """The server did not start; the message says why."""


class ServerProcess:
    """A running server: ``with ServerProcess() as site``. It ends with the block, or with this
    process."""

    def __init__(self, round_trip: float = 0.05) -> None:
        self._round_trip = round_trip
        self.core: int | None = None
        """The core that it keeps to, if it does."""

    def __enter__(self) -> Site:
        self._directory = Path(tempfile.mkdtemp(prefix="bybit-benchmarks-"))
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [
                sys.executable,
                "-m",
                "benchmarks.server",
                str(self._directory),
                str(self._round_trip),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
        )
        try:
            ready = self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.core = ready["core"]
        return Site(
            ready["host"],
            ready["port"],
            ready["small_port"],
            ready["far_port"],
            str(self._directory / "ca.pem"),
            self._round_trip,
            ready["packed_port"],
            ready["slow_ports"],
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _wait(self) -> _Ready:
        assert self._process.stdout is not None
        impatience = threading.Timer(_START_PATIENCE, self._process.kill)
        impatience.start()
        try:
            line = self._process.stdout.readline()
        finally:
            impatience.cancel()
            impatience.join()
        if not line:
            raise ServerError(f"the benchmark server did not start (cores {allowed_cores()})")
        ready: _Ready = json.loads(line)
        return ready

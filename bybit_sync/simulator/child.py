"""The process of a local exchange, seen from the program that started it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from .errors import SimulatorError
from .ready import Ready
from .settings import Settings

_START_PATIENCE = 30.0
_STOP_PATIENCE = 10.0
_LOG = "errors.log"


class ChildProcess:
    """A running exchange. It ends when `stop` is called or when this process does."""

    def __init__(self, settings: Settings) -> None:
        """Start it and wait until it accepts connections.

        Raises:
            SimulatorError: it did not start; the message says why.
        """
        self._owner = os.getpid()
        self._directory = Path(tempfile.mkdtemp(prefix="bybit-exchange-"))
        try:
            self._process = self._start(settings)
            self.ready = self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process and remove its files. Twice is fine; the copy in a fork does nothing."""
        if self._owner != os.getpid():
            return
        process = getattr(self, "_process", None)
        if process is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            if sys.platform != "win32":  # there, terminate() leaves no time to save
                process.terminate()
            try:
                process.wait(_STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def explain(self) -> str:
        """What the process wrote before it failed, for an error message."""
        code = self._process.poll()
        state = "" if code is None else f"; its process has ended with {code}"
        try:
            log = (self._directory / _LOG).read_text(encoding="utf-8", errors="replace")
        except OSError:
            log = ""
        return f"{state}\n{log[-2000:]}" if log else state

    def _start(self, settings: Settings) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "bybit_sync.simulator", "--child", settings.to_json()]
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        own_group: dict[str, Any] = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        with (self._directory / _LOG).open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own module
                [*command, "--directory", str(self._directory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path},
                **own_group,
            )

    def _wait(self) -> Ready:
        assert self._process.stdout is not None
        started = time.monotonic()
        impatience = threading.Timer(_START_PATIENCE, self._process.kill)
        impatience.start()
        try:
            with self._process.stdout as output:
                line = output.readline()
        finally:
            impatience.cancel()
            impatience.join()
        if not line:
            self._process.wait()
            took = time.monotonic() - started
            raise SimulatorError(f"the local exchange did not start ({took:.0f} s){self.explain()}")
        said = json.loads(line)
        if "error" in said:
            raise SimulatorError(said["error"])
        return Ready(**said)

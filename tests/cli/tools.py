"""Running commands: in this process, in one of their own, and on a terminal."""

from __future__ import annotations

import errno
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from bybit_sync.cli import run
from bybit_sync.exceptions import BybitError
from bybit_sync.simulator import LocalExchange


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Invoke = Callable[..., Done]


def invoker(capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Runs a command line in this process."""

    def invoke(*arguments: str) -> Done:
        capsys.readouterr()
        code = run(list(arguments))
        return Done(code, *capsys.readouterr())

    return invoke


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "bybit_sync", *arguments]


def process(*arguments: str, env: Mapping[str, str] | None = None) -> Done:
    """Runs a command line in a process of its own, without a terminal."""
    done = subprocess.run(
        python(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(env or {})},
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Terminal:
    """A command on a terminal of its own: what it shows, and keys to press."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            python(*arguments),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **(env or {})},
            start_new_session=True,
        )
        self._theirs = theirs
        self.shown = ""

    def wait_for(self, text: str, within: float = 30.0) -> None:
        """Read until this is shown."""
        end = time.monotonic() + within
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} was not shown: {self.shown[-2000:]}"
            self._read(0.2)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self, within: float = 30.0) -> int:
        """Its exit code, once it has ended."""
        end = time.monotonic() + within
        while self._process.poll() is None:
            assert time.monotonic() < end, f"it does not end: {self.shown[-2000:]}"
            self._read(0.1)
        self._read(0.1)
        return self._process.returncode

    def echoes(self) -> bool:
        """True where the terminal is in its ordinary mode."""
        import termios

        return bool(termios.tcgetattr(self._theirs)[3] & termios.ICANON)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self, patience: float) -> None:
        while select.select([self._ours], [], [], patience)[0]:
            try:
                self.shown += os.read(self._ours, 65536).decode("utf-8", "replace")
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return
            patience = 0.0


@contextmanager
def terminal(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """A command on a terminal; it is ended if it has not ended itself."""
    made = Terminal(*arguments, env=env)
    try:
        yield made
    finally:
        made.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def at(exchange: LocalExchange) -> tuple[str, ...]:
    """The options that lead a command to a local exchange."""
    return ("--base-url", exchange.url, "--ca-file", exchange.ca_file or "")


@contextmanager
def busy(step: Callable[[], object], threads: int = 1) -> Iterator[None]:
    """Meanwhile, so many threads do this again and again; our own errors do not end them."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                step()
            except BybitError:
                stop.wait(0.02)

    crew = [threading.Thread(target=work, name=f"busy-{i}") for i in range(threads)]
    for each in crew:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in crew:
            each.join(30)

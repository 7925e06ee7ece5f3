"""A Prometheus of the test's own, on a loopback port and in a folder of its own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class Prometheus:
    """Runs with a configuration file until the ``with`` block ends."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._address = f"127.0.0.1:{free_port()}"

    def __enter__(self) -> Prometheus:
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [
                PROGRAM,
                f"--config.file={self._config}",
                f"--storage.tsdb.path={self._config.parent / 'data'}",
                f"--web.listen-address={self._address}",
                "--log.level=warn",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self._process.poll() is None, "prometheus has ended"
            try:
                with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("prometheus does not get ready")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, path: str, **params: str) -> Any:
        """The data that one of its API's paths answers with."""
        asked = f"{path}?{urllib.parse.urlencode(params)}"
        try:
            with urllib.request.urlopen(
                f"http://{self._address}/api/v1/{asked}", timeout=20
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def values(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series that an expression comes to now, with their values."""
        result = self.ask("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]

    def firing(self) -> dict[tuple[str, str], str]:
        """The summaries of the alerts that fire, by their names and ``exchange`` labels."""
        return {
            (each["labels"]["alertname"], each["labels"].get("exchange", "")): each["annotations"][
                "summary"
            ]
            for each in self.ask("alerts")["alerts"]
            if each["state"] == "firing"
        }

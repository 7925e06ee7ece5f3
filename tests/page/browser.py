"""A headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = shutil.which("chromium")
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


class Browser:
    """A browser of its own, with a profile that goes with it; use it in a ``with`` block."""

    def __enter__(self) -> Browser:
        assert PROGRAM is not None
        self._profile = tempfile.mkdtemp(prefix="page-")
        self._process = subprocess.Popen(
            [PROGRAM, *_SWITCHES, f"--user-data-dir={self._profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # its helpers end with it
        )
        try:
            self._port = self._wait_for_port()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait_for_port(self) -> int:
        told = Path(self._profile) / "DevToolsActivePort"
        end = time.monotonic() + 60  # a busy machine starts it slowly
        while time.monotonic() < end:
            if told.exists() and (lines := told.read_text().split()):
                return int(lines[0])
            assert self._process.poll() is None, "chromium has ended"
            time.sleep(0.1)
        raise AssertionError("chromium does not start")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, url: str, *, width: int = 1120, height: int = 900) -> Tab:
        """A page in a tab of its own; close it."""
        ask = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT"
        )
        with urllib.request.urlopen(ask, timeout=30) as answer:  # noqa: S310  (http, and our own)
            socket_url = json.load(answer)["webSocketDebuggerUrl"]
        tab = Tab(socket_url)
        tab.size(width, height)
        tab.go(url)
        return tab


class Tab:
    """One page: what it shows, what is clicked, what it complained about."""

    def __init__(self, socket_url: str) -> None:
        import websocket

        self._socket = websocket.create_connection(socket_url, timeout=60)
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        """Errors of the page's script, and what its policy has blocked."""
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message["method"] == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif message["method"] == "Log.entryAdded":
            entry = message["params"]["entry"]
            if entry["level"] == "error":
                self.complaints.append(f"{entry['text']} {entry.get('url', '')}")

    def size(self, width: int, height: int, *, is_phone: bool = False) -> None:
        """The window's size; a phone has more dots to the pixel."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if is_phone else 1,
            mobile=is_phone,
        )

    def prefer(self, scheme: str) -> None:
        """What the system says about ``light`` and ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", features=features)

    def go(self, url: str) -> None:
        """Open another page."""
        self.ask("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def js(self, expression: str) -> Any:
        """What an expression comes to in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """What is to be read there; empty where there is nothing."""
        found: str = self.js(
            f"(document.querySelector({json.dumps(selector)})||{{}}).innerText||''"
        )
        return found

    def wait_for(self, expression: str, within: float = 20.0) -> None:
        """Wait until it is true in the page."""
        end = time.monotonic() + within
        while not self.js(expression):
            assert time.monotonic() < end, f"{expression}: not so within {within} s"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """A click of the mouse in the middle of it."""
        place = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.ask("Input.insertText", text=text)

    def picture(self, path: Path | None = None, *, full: bool = False) -> bytes:
        """The page as PNG, all of its height if asked; also into a file."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        png = base64.b64decode(shot["data"])
        if path is not None:
            path.write_bytes(png)
        return png

    def close(self) -> None:
        """Leave it."""
        with contextlib.suppress(Exception):
            self.ask("Page.close")
        self._socket.close()

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

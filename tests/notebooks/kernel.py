"""A Jupyter kernel, driven as a notebook drives it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def environment() -> dict[str, str]:
    """What a kernel needs to find this package, wherever it runs."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "default"}


@dataclass
class Cell:
    """What a cell has shown."""

    printed: str = ""
    warned: str = ""
    html: list[str] = field(default_factory=list)
    """What was shown, in order."""
    value: str = ""
    """Its last expression, as text."""
    updates: list[str] = field(default_factory=list)
    """What took the place of something that was shown, while the cell ran."""
    error: str = ""
    """``Name: message``."""


class Kernel:
    """One kernel; cells run one after the other."""

    def __init__(self, folder: Path) -> None:
        from jupyter_client.manager import start_new_kernel

        self._manager, self._client = start_new_kernel(
            startup_timeout=PATIENCE, kernel_name="python3", cwd=str(folder), env=environment()
        )
        self._started = ""

    def start(self, code: str) -> None:
        """Let a cell run; `end` waits for it."""
        self._started = self._client.execute(code)

    def end(self, within: float = PATIENCE) -> Cell:
        """What the cell has shown, once it has ended."""
        cell = Cell()
        until = time.monotonic() + within
        while True:
            message = self._client.get_iopub_msg(timeout=max(0.1, until - time.monotonic()))
            kind, content = message["msg_type"], message["content"]
            is_own = message["parent_header"].get("msg_id") == self._started
            if kind == "status" and content["execution_state"] == "idle" and is_own:
                return cell
            _note(cell, kind, content)

    def run(self, code: str) -> Cell:
        """Run a cell that must not fail."""
        self.start(code)
        cell = self.end()
        assert not cell.error, cell.error
        return cell

    def interrupt(self) -> None:
        """The notebook's ■."""
        self._manager.interrupt_kernel()

    def close(self) -> None:
        """End it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.context.destroy(linger=0)


def _note(cell: Cell, kind: str, content: dict[str, Any]) -> None:
    data = content.get("data", {})
    if kind == "stream" and content["name"] == "stdout":
        cell.printed += content["text"]
    elif kind == "stream":
        cell.warned += content["text"]
    elif kind in ("display_data", "execute_result") and "text/html" in data:
        cell.html.append(data["text/html"])
    elif kind == "update_display_data":
        cell.updates.append(data.get("text/html", ""))
    elif kind == "error":
        cell.error = f"{content['ename']}: {content['evalue']}"
    if kind == "execute_result":
        cell.value = data.get("text/plain", "")

"""Counts what the interpreter does in one call: lines of byte code, functions, C functions."""

from __future__ import annotations

import gc
import platform
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import toml

from .wire import canned_call

KEPT = Path(__file__).with_name("counts.toml")
"""What was counted when it was last looked at, for each version of Python."""
_WARM_CALLS = 50


def counted() -> dict[str, int]:
    """What one warm call takes. The same code takes the same, save for a handful."""
    with canned_call() as call:
        for _ in range(_WARM_CALLS):
            call()
        gc.disable()
        try:
            codes = _traced(call)
            functions, c_functions = _profiled(call)
        finally:
            gc.enable()
    return {"byte_codes": codes, "functions": functions, "c_functions": c_functions}


def kept() -> dict[str, int]:
    """The counts in the file for this Python; empty where nobody has counted."""
    found: dict[str, int] = (toml.load(KEPT) if KEPT.exists() else {}).get(_version(), {})
    return found


def keep(counts: dict[str, int]) -> None:
    """Write these counts to the file."""
    every = toml.load(KEPT) if KEPT.exists() else {}
    every[_version()] = counts
    KEPT.write_text(toml.dumps(every), encoding="utf-8")


def _version() -> str:
    return f"python-{'.'.join(platform.python_version_tuple()[:2])}"


def _traced(call: Callable[[], Any]) -> int:
    codes = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal codes
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        codes += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return codes


def _profiled(call: Callable[[], Any]) -> tuple[int, int]:
    events: list[str] = []

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        events.append(event)

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]  # None ends it
    return events.count("call"), events.count("c_call")

"""Where a thread is just now, for the log line about a step that hangs."""

from __future__ import annotations

import os
import sys
import traceback

_HOUSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def where_is(thread: int | None, before: str = "") -> str:
    """``strategy.py:12 in step``: the innermost line of the user's that the thread is in.

    Empty where the thread is not known, or gone; else with `before` in front. It tells code only,
    never a value.
    """
    frame = None if thread is None else sys._current_frames().get(thread)
    if frame is None:
        return ""
    stack = traceback.extract_stack(frame)
    theirs = [each for each in stack if _is_theirs(each.filename)]
    if not theirs:
        return ""
    line = theirs[-1]
    return f"{before}at {os.path.basename(line.filename)}:{line.lineno} in {line.name}"


def _is_theirs(filename: str) -> bool:
    library = os.path.dirname(os.__file__)
    return not filename.startswith((_HOUSE, library, "<frozen"))

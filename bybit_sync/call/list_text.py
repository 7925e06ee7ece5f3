"""A large list taken out of an answer before it is parsed, for who needs its text only.

To make a thousand rows into objects costs most of what a call costs, and it is in vain where the
rows end up as text again. So the list is cut out, and what is left, the envelope with an empty
list, goes the usual way with all its checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TakeList = Callable[[bytes], bool]
"""Offered the text between ``[[`` and ``]]`` of ``result.list``, which nobody has looked at: the
outer brackets may enclose anything. True says that it was taken, and was a list of lists from end
to end; then the reply's list is empty. False has the whole answer parsed."""

_KEY = b'"list"'
_OPENS = _KEY + b":[["
_CLOSES = b"]]"


def cut_list(raw: bytes | bytearray) -> tuple[bytes, bytes] | None:
    """An answer without the rows of its list, and their text; None where that is not plain to see.

    Whether the list is ``result.list`` the parsed rest tells: `is_cut`.
    """
    opens = raw.find(_OPENS)
    begin, end = opens + len(_OPENS), raw.rfind(_CLOSES)
    if opens < 0 or end < begin:
        return None
    rest = bytes(raw[: begin - 1] + raw[end + 1 :])
    # Without a backslash every quote is the beginning or the end of a text. So the key stands
    # there once, whatever the texts of the answer say, and no spelling such as "\u006cist" hides
    # a second one.
    if b"\\" in rest or rest.count(_KEY) != 1:
        return None
    return rest, bytes(memoryview(raw)[begin:end])  # copied once, also from a bytearray


def is_cut(body: dict[str, Any]) -> bool:
    """Whether the empty list of what `cut_list` left is the result's."""
    result = body.get("result")
    return isinstance(result, dict) and result.get("list") == []

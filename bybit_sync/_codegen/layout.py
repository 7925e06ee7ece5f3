"""Lays code out as ``ruff format`` would: on one line if it fits, else one item a line.

Whatever is broken up gets a trailing comma, which tells ruff to leave it so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH = 100
_STEP = 4


@dataclass(frozen=True, slots=True)
class Brackets:
    """Items between brackets, such as the arguments of a call; an item may be another one."""

    opening: str
    items: tuple[str | Brackets, ...]
    closing: str


def call(name: str, *items: str | Brackets) -> Brackets:
    """``name(item, item)``."""
    return Brackets(f"{name}(", items, ")")


def subscript(name: str, items: Iterable[str | Brackets]) -> Brackets:
    """``name[item, item]``."""
    return Brackets(f"{name}[", tuple(items), "]")


def mapping(pairs: Iterable[tuple[str, str]]) -> Brackets:
    """``{key: value}``."""
    return Brackets("{", tuple(f"{key}: {value}" for key, value in pairs), "}")


def sequence(prefix: str, items: Iterable[str | Brackets]) -> Brackets:
    """``prefix(item, item)``, a tuple."""
    return Brackets(f"{prefix}(", tuple(items), ")")


def flat(node: str | Brackets) -> str:
    """The code on one line."""
    if isinstance(node, str):
        return node
    # A tuple of one needs its comma; a call or a subscript must not have it.
    is_tuple = node.opening in ("(",) or node.opening.endswith("=(")
    comma = "," if is_tuple and len(node.items) == 1 else ""
    return node.opening + ", ".join(flat(item) for item in node.items) + comma + node.closing


def lay_out(node: str | Brackets, indent: int = 0, before: str = "", after: str = "") -> str:
    """The code with `before` and `after` on its first and last line, indented."""
    margin = " " * indent
    line = f"{margin}{before}{flat(node)}{after}"
    if isinstance(node, str) or len(line) <= WIDTH or not node.items:
        return line
    inner = [lay_out(item, indent + _STEP, after=",") for item in node.items]
    return "\n".join([f"{margin}{before}{node.opening}", *inner, f"{margin}{node.closing}{after}"])


def literal(value: object) -> str:
    """A text, number or boolean as Python source; texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)

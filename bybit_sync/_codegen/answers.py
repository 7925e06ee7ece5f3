"""Reads ``spec/answers/*.toml``: what the methods of a group bring back in ``result``.

``[answers]`` names the type of each method's result; each ``[shapes.<Name>]`` is an object, one
line per field: ``[?]TYPE[, NOTE][: VALUE | VALUE]``. ``?`` marks a field that may be absent. TYPE
is ``str``, ``int``, ``float``, ``bool``, ``any``, ``empty``, a shape's name, ``[TYPE]`` for an
array, ``{TYPE}`` for an object whose keys are data, or several of them with `` | `` between
(``null`` is one). NOTE tells the meaning and the unit; the values are those that the
documentation lists, or the columns where each row is an array.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import toml

_WORDS: Mapping[str, str] = {
    "str": "str",
    "int": "int",
    "float": "float",
    "bool": "bool",
    "any": "Any",
    "null": "None",
    "empty": "dict[str, Any]",
}
_FIELD = re.compile(r"(?P<optional>\??)(?P<type>[^,:]+)(?:, (?P<note>[^:]+))?(?:: (?P<values>.+))?")
_SHAPE = re.compile(r"[A-Z][A-Za-z0-9]*")
_TAKEN = frozenset(("Any", "TypedDict"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRow:
    """One field of an answer's object."""

    name: str
    type: str
    """In the notation of the tables."""
    is_optional: bool = False
    note: str = ""
    values: tuple[str, ...] = ()

    @property
    def hint(self) -> str:
        """The type as Python writes it."""
        return python_type(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """One file of ``spec/answers/``."""

    methods: Mapping[str, FieldRow] = field(default_factory=dict)
    """What is in ``result``, by method; those that no page documents are not there."""
    shapes: Mapping[str, tuple[FieldRow, ...]] = field(default_factory=dict)


def python_type(text: str) -> str:
    """``[str | null]`` as ``list[str | None]``."""
    parts = [_python_part(part) for part in _union(text)]
    return " | ".join(parts)


def shapes_in(text: str) -> list[str]:
    """The names of the shapes that a type mentions."""
    return _SHAPE.findall(text)


def load_answers(folder: Path, group: str, methods: Iterable[str], faults: list[str]) -> Answers:
    """The answers of a group; adds to `faults` what is wrong with them."""
    path = folder / "answers" / f"{group}.toml"
    if not path.exists():
        return Answers()
    where = f"answers/{path.name}"
    try:
        table = toml.loads(path.read_text(encoding="utf-8"))
    except (toml.TomlDecodeError, IndexError, ValueError) as error:
        faults.append(f"{where}: {error}")
        return Answers()
    found = list(_faults(table, set(methods)))
    faults += [f"{where}: {fault}" for fault in found]
    if found:
        return Answers()
    shapes = {
        shape: tuple(_row(name, text) for name, text in fields.items())
        for shape, fields in table.get("shapes", {}).items()
    }
    named = {name: _row(name, text) for name, text in table["answers"].items()}
    return Answers(methods=named, shapes=shapes)


def _union(text: str) -> list[str]:
    """The parts of ``A | [B | C]`` between the outermost strokes."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _python_part(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        return f"list[{python_type(text[1:-1])}]"
    if text.startswith("{") and text.endswith("}"):
        return f"dict[str, {python_type(text[1:-1])}]"
    return _WORDS.get(text, text)


def _row(name: str, text: str) -> FieldRow:
    found = _FIELD.fullmatch(text)
    assert found is not None  # `_faults` has looked
    return FieldRow(
        name=name,
        type=found["type"],
        is_optional=bool(found["optional"]),
        note=found["note"] or "",
        values=tuple((found["values"] or "").split(" | ")) if found["values"] else (),
    )


# --- what may be wrong --------------------------------------------------------------------


def _faults(table: Mapping[str, Any], methods: set[str]) -> Iterator[str]:
    unknown = set(table) - {"answers", "shapes"}
    yield from (f"unknown table [{name}]" for name in sorted(unknown))
    answers, shapes = table.get("answers"), table.get("shapes", {})
    if not isinstance(answers, dict):
        yield "no [answers]"
        return
    yield from (f"the group has no method {name}" for name in answers if name not in methods)
    used: set[str] = set()
    for name, text in answers.items():
        yield from _type_faults(name, text, shapes, used)
    for shape, fields in shapes.items():
        if not _SHAPE.fullmatch(shape) or shape in _TAKEN:
            yield f"{shape!r} cannot name a shape"
        for name, text in fields.items():
            yield from _type_faults(f"{shape}.{name}", text, shapes, used)
            if str(text).startswith("?") and not name.isidentifier():
                yield f"{shape}.{name}: only a field that Python can name may be absent"
    yield from (f"nobody uses the shape {name}" for name in shapes if name not in used)


def _type_faults(where: str, text: Any, shapes: Mapping[str, Any], used: set[str]) -> Iterator[str]:
    found = _FIELD.fullmatch(text) if isinstance(text, str) else None
    if found is None or text != text.strip() or "\n" in text:
        yield f"{where}: {text!r} is not [?]TYPE[, NOTE][: VALUE | VALUE]"
        return
    for word in re.findall(r"\w+", found["type"]):
        if word in shapes:
            used.add(word)
        elif word not in _WORDS:
            yield f"{where}: {word!r} is no type and no shape"
    if not _is_balanced(found["type"]):
        yield f"{where}: the brackets of {found['type']!r} do not match"


def _is_balanced(text: str) -> bool:
    inner = None
    while inner != text:
        inner = text
        text = re.sub(r"\[[\w |]+\]|\{[\w |]+\}", "x", text)
    return re.fullmatch(r"\w+(?: \| \w+)*", text) is not None

"""The module of one group's answers: a TypedDict for every object that ``result`` may hold."""

from __future__ import annotations

import keyword
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from .answers import Answers, FieldRow, shapes_in
from .layout import WIDTH, Brackets, lay_out, literal, mapping
from .spec import GroupRow

_HEAD = '''\
# {header}
"""What the methods of ``client.{name}`` bring back in ``result``.

For type checkers and readers: nothing here is imported when a program runs. The words after a
field are its meaning or unit, then the values that the documentation lists.
"""

from __future__ import annotations

from typing import {names}
'''

_PACKAGE = '''\
# {header}
"""The shapes of the answers, one module of TypedDicts per group.

``from bybit_sync.api.answers.market import Ticker`` names a row of ``client.market.get_tickers``.
"""
'''


def answers_package(header: str) -> str:
    """The source of ``api/answers/__init__.py``."""
    return _PACKAGE.format(header=header)


def answers_module(group: GroupRow, header: str) -> str:
    """The source of ``api/answers/<group>.py``."""
    answers = group.answers
    users = _users(answers)
    classes = [_shape(name, answers.shapes[name], users[name]) for name in answers.shapes]
    body = "\n\n\n".join(classes)
    any_type = ["Any"] if any("Any" in row.hint for row in _all_fields(answers)) else []
    head = _HEAD.format(header=header, name=group.name, names=", ".join([*any_type, "TypedDict"]))
    return f"{head}\n\n{body}\n" if body else head


def _all_fields(answers: Answers) -> Iterable[FieldRow]:
    return (row for fields in answers.shapes.values() for row in fields)


def _users(answers: Answers) -> Mapping[str, list[str]]:
    """The methods that bring each shape back, directly."""
    users = defaultdict(list)
    for method, row in answers.methods.items():
        for name in shapes_in(row.type):
            users[name].append(method)
    return users


def _shape(name: str, fields: Sequence[FieldRow], users: list[str]) -> str:
    must = [row for row in fields if not row.is_optional]
    may = [row for row in fields if row.is_optional]
    told = _told(users)
    if not may:
        return _dict(name, "TypedDict", must, told)
    if not must:
        return _dict(name, "TypedDict, total=False", may, told)
    # The two halves of one object: Python 3.10 has no NotRequired.
    base = _dict(f"_{name}", "TypedDict", must, "")
    return f"{base}\n\n\n{_dict(name, f'_{name}, total=False', may, told)}"


def _told(users: list[str]) -> str:
    if not users:
        return ""
    text = f"Of {', '.join(users)}."
    return text if len(text) <= WIDTH - 10 else f"Of {users[0]} and {len(users) - 1} more."


def _dict(name: str, bases: str, fields: Sequence[FieldRow], told: str) -> str:
    if any(_is_no_name(row.name) for row in fields):
        return _by_call(name, fields)
    lines = [f"class {name}({bases}):"]
    if told:
        lines += [f'    """{told}"""', ""]
    return "\n".join([*lines, *(_field(row) for row in fields)])


def _is_no_name(name: str) -> bool:
    return not name.isidentifier() or keyword.iskeyword(name)


def _by_call(name: str, fields: Sequence[FieldRow]) -> str:
    """For fields that are named like a word of Python, such as ``from``."""
    hints = [(literal(row.name), _quoted(row)) for row in fields]
    call = Brackets("TypedDict(", (literal(name), mapping(hints)), ")")
    return lay_out(call, before=f"{name} = ")


def _quoted(row: FieldRow) -> str:
    return literal(row.hint) if shapes_in(row.type) else row.hint


def _field(row: FieldRow) -> str:
    line = f"    {row.name}: {row.hint}"
    words = _comment(row, WIDTH - len(line) - 4)
    return f"{line}  # {words}" if words else line


def _comment(row: FieldRow, room: int) -> str:
    """Meaning and values, as many as fit."""
    values = list(row.values)
    while True:
        cut = ["…"] if len(values) < len(row.values) else []
        text = "; ".join(part for part in (row.note, ", ".join([*values, *cut])) if part)
        if len(text) <= room or not values:
            return text if len(text) <= room else ""
        values.pop()

"""What the docstrings say about an endpoint's answer and its refusals."""

from __future__ import annotations

from collections.abc import Iterator

from .answers import Answers, FieldRow, shapes_in
from .ret_codes import error_class
from .spec import EndpointRow, GroupRow

_MOST_CHARACTERS = 360  # a tooltip is read at a glance; the TypedDict has the rest
_MOST_FIELDS = (60, 24, 16, 12, 8, 5, 3)
_OPENINGS, _CLOSINGS = ("[", "{"), ("]", "}")


def result_words(group: GroupRow, row: EndpointRow) -> Iterator[str]:
    """The lines under ``Returns:``, without margin, to be wrapped."""
    result = group.answers.methods.get(row.name)
    where = "the answer itself" if row.envelope == "none" else "result"
    if result is None:
        yield f"{where}: not documented"
        return
    is_empty = result.type.startswith("empty")
    yield f"{where}: {'empty' if is_empty else _sketch(result, group.answers)}"
    named = shapes_in(result.type)
    if named:
        yield f"typed as {named[0]} in bybit_sync.api.answers.{group.name}"


def error_words(row: EndpointRow) -> Iterator[str]:
    """The lines under ``Raises:``, one per error class."""
    by_class: dict[str, list[str]] = {}
    for code, meaning in row.errors.items():
        by_class.setdefault(error_class(int(code)), []).append(f"{meaning} ({code})")
    for name, meanings in by_class.items():
        yield f"{name}: {'; '.join(meanings)}."
    if row.repeat == "if_unsent":
        yield "FailedRequestError: no usable answer; perhaps it was done: see `effect_unknown`."


def _sketch(result: FieldRow, answers: Answers) -> str:
    """The shape on a few lines: ``{category, list: [{symbol, lastPrice, …}]}``."""
    text = ""
    for most in _MOST_FIELDS:
        text = _type(result, answers, most, depth=0)
        if len(text) <= _MOST_CHARACTERS:
            break
    return text


def _type(row: FieldRow, answers: Answers, most: int, depth: int) -> str:
    """A field's type, with the objects in it spelt out."""
    text = row.type
    if row.values and text.startswith("[["):
        return f"[[{', '.join(row.values)}]]"
    opening = closing = ""
    while text.startswith(_OPENINGS) and text.endswith(_CLOSINGS):
        opening += "[" if text[0] == "[" else "{…: "
        closing = text[-1] + closing
        text = text[1:-1]
    shapes = shapes_in(text)
    if not shapes:
        return f"{opening}{'…' if opening and text == 'any' else text}{closing}"
    return f"{opening}{_object(answers.shapes[shapes[0]], answers, most, depth)}{closing}"


def _object(fields: tuple[FieldRow, ...], answers: Answers, most: int, depth: int) -> str:
    if depth > 2:
        return "{…}"
    shown = fields[:most] if len(fields) > most + 1 else fields
    names = [_field(row, answers, most, depth) for row in shown]
    left = [f"… {len(fields) - len(shown)} more"] if len(shown) < len(fields) else []
    return f"{{{', '.join([*names, *left])}}}"


def _field(row: FieldRow, answers: Answers, most: int, depth: int) -> str:
    if not shapes_in(row.type) and not row.type.startswith(("[", "{")):
        return row.name
    return f"{row.name}: {_type(row, answers, most, depth + 1)}"

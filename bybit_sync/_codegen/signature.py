"""How parameters are typed in a method's signature, and what must be imported for it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .answers import Answers, shapes_in
from .layout import Brackets, flat, literal, subscript
from .spec import EndpointRow, ParamRow

_TYPES: Mapping[str, str] = {
    "string": "str",
    "decimal": "Decimal | str | int",
    "integer": "int",
    "number": "Decimal | float",
    "boolean": "bool",
    "object": "Mapping[str, Any]",
    "time_ms": "datetime | int",
    "file": "bytes | str | PathLike[str] | BinaryIO | tuple[str, bytes]",
}
IMPORTS: Mapping[str, str] = {
    "BinaryIO": "typing",
    "Decimal": "decimal",
    "Literal": "typing",
    "Mapping": "collections.abc",
    "PathLike": "os",
    "Sequence": "collections.abc",
    "datetime": "datetime",
    "get_args": "typing",
}
"""Where the names come from that an annotation may need."""


def annotation(param: ParamRow) -> str:
    """The type that callers are told, without ``| None``."""
    if param.enum_name:
        return param.enum_name
    if param.enum:
        return flat(literal_type(param.enum))
    if param.type == "array":
        return _array(param)
    if param.joined:
        return "str | Sequence[str]"
    return "int | str" if param.digits else _TYPES[param.type]


def literal_type(values: tuple[str | int, ...]) -> Brackets:
    """``Literal["a", "b"]``."""
    return subscript("Literal", [literal(value) for value in values])


def signature(row: EndpointRow, params: list[ParamRow], answers: Answers) -> list[str]:
    """The lines of ``def …:``, to be indented by 4."""
    given = [_given(param) for param in params]
    return [
        f"def {row.name}(",
        "    self,",
        "    *,",
        *(f"    {line}," for line in given),
        "    options: CallOptions | None = None,",
        "    extra: Mapping[str, Any] | None = None,",
        "    **unknown: NoReturn,",
        f") -> Reply[{result_type(row, answers)}]:",
    ]


def result_type(row: EndpointRow, answers: Answers) -> str:
    """The type of an answer's ``result``, shapes by way of the module ``answers``."""
    result = answers.methods.get(row.name)
    if result is None:
        return "dict[str, Any]"
    return re.sub(rf"\b({'|'.join(shapes_in(result.type)) or 'x^'})\b", r"answers.\1", result.hint)


def _given(param: ParamRow) -> str:
    kind = annotation(param)
    return f"{param.name}: {kind}" if param.required else f"{param.name}: {kind} | None = None"


def _array(param: ParamRow) -> str:
    if param.fields:
        # A Sequence, because a list of dict[str, str] is no list of dict[str, Any].
        return "Sequence[Mapping[str, Any]]"
    if param.item_enum:
        return f"Sequence[{flat(literal_type(param.item_enum))}]"
    # Not Sequence[str], which a bare text would satisfy.
    return "list[str] | tuple[str, ...]"

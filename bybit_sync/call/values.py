"""One parameter's value as it goes on the wire: exact, in plain notation, with nothing smuggled in.

Numbers keep their decimal digits: ``Decimal("1E-7")`` becomes ``0.0000001`` and a float what it
prints, never an exponent. What a trader cannot have meant (NaN, a bool as a price, a naive
datetime, a control character in an id) is refused before anything is sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from numbers import Integral
from typing import Any

import orjson

from .records import Kind, Param

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_MOST_DIGITS = 60  # on either side of the point; a larger exponent is a slip, and a long text
_DEEPEST = 16
_JSON_LOW, _JSON_HIGH = -(2**63), 2**64 - 1
_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_PRINTABLE_ASCII = re.compile(r"[ -~]*")
# Controls, bidi marks (they make one id look like another) and halves of surrogate pairs.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class ValueFaultError(Exception):
    """A value is not allowed. `encode` turns it into a ConfigError that names the parameter."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def inside(self, name: str) -> ValueFaultError:
        """This fault, one level further out: ``request[0]``, then ``request[0].qty``."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{name}{dot}{self.path}"
        return self


# --- texts and numbers --------------------------------------------------------------------


def checked_text(text: str) -> str:
    """The text itself.

    Raises:
        ValueFaultError: it holds a control character, a bidi mark or half a character. The
            message names the character, not the text, which may be a key pasted by mistake.
    """
    if _PRINTABLE_ASCII.fullmatch(text):
        return text
    if (bad := _FORBIDDEN.search(text)) is not None:
        raise ValueFaultError(
            f"character U+{ord(bad[0]):04X} at position {bad.start()} is not allowed: "
            "no control characters, line breaks or bidi marks"
        )
    return text


def plain_number(value: Decimal | float) -> str:
    """Exact decimal text without an exponent; a float's is the text that Python prints for it."""
    if isinstance(value, int):
        if not -(10**_MOST_DIGITS) < value < 10**_MOST_DIGITS:
            raise ValueFaultError(f"a whole number of more than {_MOST_DIGITS} digits")
        return int.__repr__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueFaultError(f"{float.__repr__(value)} is not a finite number")
        if value.is_integer() and abs(value) < 10**15:
            return int.__repr__(int(value))
        value = Decimal(float.__repr__(value))
    if not value.is_finite():
        raise ValueFaultError(f"{value} is not a finite number")
    if not value:
        return "0"  # also for -0 and 0E+9
    exponent = value.as_tuple().exponent
    if abs(value.adjusted()) > _MOST_DIGITS or abs(int(exponent)) > _MOST_DIGITS:
        raise ValueFaultError(f"{value} has more than {_MOST_DIGITS} digits")
    return format(value, "f")


def _bare(value: Any) -> Any:
    """What an Enum member or a numpy integer stands for; anything else as it is."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and type(value) is not str:
        return str.__str__(value)
    if isinstance(value, Integral) and not isinstance(value, int):
        return int(value)
    return value


def _refused(value: Any, allowed: str) -> ValueFaultError:
    return ValueFaultError(f"{_shown(value)} is not allowed: {allowed}")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        # A text in the wrong place may be a secret; what is short enough for a number is none.
        return repr(value) if len(value) <= 16 and value.isprintable() else "this text"
    if isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
        return f"a whole number of more than {_MOST_DIGITS} digits"
    if isinstance(value, int | float | Decimal):
        return f"{value!r} ({type(value).__name__})"[:80]
    return f"a value of type {type(value).__name__}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal | float) and not isinstance(value, bool)


def _string(value: Any) -> str:
    if type(value) is str:
        return checked_text(value)
    value = _bare(value)
    if isinstance(value, str):
        return checked_text(value)
    if _is_number(value):
        return plain_number(value)
    if isinstance(value, datetime):
        return str(_milliseconds(value))
    raise _refused(value, "a text, or a number that is sent as text")


def _decimal(value: Any) -> str:
    value = _bare(value)
    if isinstance(value, str):
        return _number_in_text(value)
    if _is_number(value):
        return plain_number(value)
    raise _refused(value, "a decimal number as str, Decimal, int or float")


def _number_in_text(text: str) -> str:
    if text == "" or _PLAIN_NUMBER.fullmatch(text):  # "" is Bybit's own way to say "none"
        return text
    if len(text) <= _MOST_DIGITS and re.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+", text, re.ASCII):
        try:
            return plain_number(Decimal(text))
        except ArithmeticError:
            pass
    raise _refused(text, "a decimal number such as 0.001")


def _integer(value: Any) -> int:
    value = _bare(value)
    if _says_whole_number(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused(value, "a whole number")
    if not _JSON_LOW <= value <= _JSON_HIGH:
        raise ValueFaultError("a whole number of more than 64 bits")
    return value


def _says_whole_number(value: Any) -> bool:
    if isinstance(value, str):
        return _WHOLE_NUMBER.fullmatch(value) is not None
    if isinstance(value, Decimal):
        # The size first: int() of Decimal("1E+1000000") would write a million digits.
        return value.is_finite() and abs(value) < 2**65 and value == int(value)
    return isinstance(value, float) and value.is_integer()


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    raise _refused(value, "True or False")


def _milliseconds(value: datetime) -> int:
    # pandas' NaT is a datetime too, and naive.
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueFaultError("a datetime without time zone is ambiguous: give it one (tzinfo)")
    return (value - _EPOCH) // _MILLISECOND


def _time_ms(value: Any) -> int | str:
    value = _bare(value)
    if isinstance(value, datetime):
        return _milliseconds(value)
    if isinstance(value, str):
        if value == "" or _WHOLE_NUMBER.fullmatch(value):
            return value
    elif _is_number(value):
        return _integer(value)
    raise _refused(value, "unix milliseconds as a whole number, or a datetime with time zone")


# --- into a query -------------------------------------------------------------------------

_TEXTS: dict[Kind, Callable[[Any], Any]] = {
    "string": _string,
    "decimal": _decimal,
    "integer": _integer,
    "number": _decimal,
    "time_ms": _time_ms,
    "boolean": _boolean,
    "array": _string,
    "object": _string,
    "file": _string,
}


def query_text(kind: Kind | None, value: Any) -> str:
    """A value as the text of a query, not yet percent-encoded; lists are joined by commas.

    A `kind` of None takes whatever the value's own type says.
    """
    if isinstance(value, list | tuple):
        return ",".join([_query_item(item) for item in value])
    if isinstance(value, bool):
        if kind not in (None, "boolean", "string"):
            raise _refused(value, f"the parameter is of kind {kind}")
        return "true" if value else "false"
    if kind == "boolean":
        return "true" if _boolean(value) else "false"
    return str(_TEXTS[kind or "string"](value))


def _query_item(value: Any) -> str:
    if isinstance(value, bool | list | tuple):
        raise _refused(value, "a list in a query holds texts and numbers")
    return _string(value)


# --- into a JSON body ---------------------------------------------------------------------


def json_value(param: Param | None, value: Any, depth: int = 0) -> Any:
    """A value as orjson is to write it; None for `param` takes what the value's own type says."""
    if param is None:
        return _json_as_it_is(value, depth)
    kind = param.kind
    if kind == "array":
        return _json_array(param, value, depth)
    if kind == "object":
        return _json_object(param, value, depth)
    if kind == "number":
        return _bare_number(_decimal(value))
    return _TEXTS[kind](value)


def _bare_number(text: str) -> Any:
    """A JSON number with exactly these digits, which a float could not hold."""
    if not _JSON_NUMBER.fullmatch(text):
        raise _refused(text, "a decimal number such as 0.001")
    return orjson.Fragment(text)


def _json_array(param: Param, value: Any, depth: int) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _refused(value, "a list")
    item = Param(param.name, "object", fields=param.fields) if param.fields else None
    return [_numbered(i, item, each, depth + 1) for i, each in enumerate(value)]


def _numbered(index: int, param: Param | None, value: Any, depth: int) -> Any:
    if value is None:
        raise ValueFaultError("None inside a list has no meaning").inside(f"[{index}]")
    try:
        return json_value(param, value, depth)
    except ValueFaultError as fault:
        raise fault.inside(f"[{index}]") from None


def _json_object(param: Param, value: Any, depth: int) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _refused(value, "a dict")
    known = {field.name: field for field in param.fields}
    for field in param.fields:
        if field.required and value.get(field.name) is None:
            raise ValueFaultError("required, but not given").inside(field.name)
    return {
        _checked_key(name): _named(name, known.get(name), each, depth + 1)
        for name, each in value.items()
        if each is not None
    }


def _checked_key(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ValueFaultError(f"the name {name!r} is not a text"[:120])
    return checked_text(name)


def _named(name: Any, param: Param | None, value: Any, depth: int) -> Any:
    try:
        converted = json_value(param, value, depth)
        if param is not None and param.allowed:
            check_allowed(param, converted)
    except ValueFaultError as fault:
        raise fault.inside(str(name)) from None
    return converted


def _json_as_it_is(value: Any, depth: int) -> Any:
    if type(value) is str:
        return checked_text(value)
    if depth > _DEEPEST:
        raise ValueFaultError(f"nested more than {_DEEPEST} levels deep")
    value = _bare(value)
    if isinstance(value, str):
        return checked_text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, float):
        return _bare_number(plain_number(value))
    if isinstance(value, datetime):
        return _milliseconds(value)
    if isinstance(value, Mapping):
        return _json_object(Param("", "object"), value, depth)
    if isinstance(value, list | tuple):
        return _json_array(Param("", "array"), value, depth)
    raise _refused(value, "texts, numbers, booleans, lists and dicts")


def check_allowed(param: Param, converted: Any) -> None:
    """Raise ValueFaultError unless the table lists the value, compared as text."""
    if isinstance(converted, list):
        for item in converted:
            check_allowed(param, item)
        return
    text = converted if isinstance(converted, str) else str(converted)
    if text in param.allowed or any(str(each) == text for each in param.allowed):
        return
    listed = ", ".join(str(each) for each in param.allowed)
    raise ValueFaultError(f"{_shown(converted)} is not one of {listed}")

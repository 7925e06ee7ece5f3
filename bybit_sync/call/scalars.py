"""A single value as it goes on the wire: exact, in plain notation, with nothing smuggled in.

Numbers keep their decimal digits: ``Decimal("1E-7")`` becomes ``0.0000001`` and a float what it
prints, never an exponent. What a trader cannot have meant (NaN, a bool as a price, a naive
datetime, a control character in an id) is refused before anything is sent.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from numbers import Integral
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_MOST_DIGITS = 60  # on either side of the point; a larger exponent is a slip, and a long text
_JSON_LOW, _JSON_HIGH = -(2**63), 2**64 - 1
PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_BARE = frozenset((str, int, float, Decimal, datetime))
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


def bare(value: Any) -> Any:
    """What an Enum member or a numpy integer stands for; anything else as it is."""
    if type(value) in _BARE:
        return value  # the usual case: to ask `Integral` costs as much as all else here
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and type(value) is not str:
        return str.__str__(value)
    if isinstance(value, Integral) and not isinstance(value, int):
        return int(value)
    return value


def refused(value: Any, allowed: str) -> ValueFaultError:
    """The fault of a value that is of the wrong kind; `allowed` says what is right."""
    return ValueFaultError(f"{shown(value)} is not allowed: {allowed}")


def shown(value: Any) -> str:
    """A value as an error may show it: short, and never a text that may be a secret."""
    if isinstance(value, str):
        # A text in the wrong place may be a secret; what is short enough for a number is none.
        return repr(value) if len(value) <= 16 and value.isprintable() else "this text"
    if isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
        return f"a whole number of more than {_MOST_DIGITS} digits"
    if isinstance(value, int | float | Decimal):
        return f"{value!r} ({type(value).__name__})"[:80]
    return f"a value of type {type(value).__name__}"


def is_number(value: Any) -> bool:
    """Whether it counts as a number, which a bool does not."""
    return isinstance(value, int | Decimal | float) and not isinstance(value, bool)


def text_of(value: Any) -> str:
    """A text, or a number or moment that is sent as text."""
    if type(value) is str:
        return checked_text(value)
    value = bare(value)
    if isinstance(value, str):
        return checked_text(value)
    if is_number(value):
        return plain_number(value)
    if isinstance(value, datetime):
        return str(milliseconds_of(value))
    raise refused(value, "a text, or a number that is sent as text")


def decimal_of(value: Any) -> str:
    """A number as exact decimal text."""
    value = bare(value)
    if isinstance(value, str):
        return _number_in_text(value)
    if is_number(value):
        return plain_number(value)
    raise refused(value, "a decimal number as str, Decimal, int or float")


def _number_in_text(text: str) -> str:
    if text == "" or PLAIN_NUMBER.fullmatch(text):  # "" is Bybit's own way to say "none"
        return text
    if len(text) <= _MOST_DIGITS and re.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+", text, re.ASCII):
        try:
            return plain_number(Decimal(text))
        except ArithmeticError:
            pass
    raise refused(text, "a decimal number such as 0.001")


def integer_of(value: Any) -> int:
    """A whole number of at most 64 bits."""
    value = bare(value)
    if type(value) is not int and _says_whole_number(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refused(value, "a whole number")
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


def boolean_of(value: Any) -> bool:
    """True or False, or the texts of the wire for them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    raise refused(value, "True or False")


def milliseconds_of(value: datetime) -> int:
    """Unix milliseconds of a datetime, which must have a time zone."""
    # pandas' NaT is a datetime too, and naive.
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueFaultError("a datetime without time zone is ambiguous: give it one (tzinfo)")
    return (value - _EPOCH) // _MILLISECOND


def time_of(value: Any) -> int | str:
    """Unix milliseconds from a datetime with time zone, a whole number, or its text."""
    value = bare(value)
    if isinstance(value, datetime):
        return milliseconds_of(value)
    if isinstance(value, str):
        if value == "" or _WHOLE_NUMBER.fullmatch(value):
            return value
    elif is_number(value):
        return integer_of(value)
    raise refused(value, "unix milliseconds as a whole number, or a datetime with time zone")

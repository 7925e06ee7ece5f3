"""What the world answers to a call, and how it reads the call's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from .refusal import bad_params

Params = Mapping[str, Any]

MAY_REPEAT = "#mayRepeat"
"""Goes with an order whose orderLinkId may have been used before: a fault asks for that."""


@dataclass(slots=True)
class Answer:
    """The parts of an envelope that depend on the call."""

    result: Any
    ext_info: Any = field(default_factory=dict)
    ret_msg: str = "OK"


def text(params: Params, name: str) -> str:
    """A parameter as text, "" when it is not there."""
    value = params.get(name)
    return "" if value is None else str(value)


def number(params: Params, name: str) -> int | None:
    """A whole number, None when it is not there.

    Raises:
        Refusal: it is no number.
    """
    value = text(params, name)
    if not value:
        return None
    try:
        return int(value)
    except ValueError:
        raise bad_params(f"params error: {name} invalid") from None


def limit_of(params: Params, default: int, most: int) -> int:
    """The page length asked for, within what the endpoint gives."""
    asked = number(params, "limit")
    return default if asked is None else min(max(asked, 1), most)


def decimal(params: Params, name: str) -> Decimal | None:
    """A price or a quantity, None when it is not there.

    Raises:
        Refusal: it is no number, or a negative one.
    """
    value = params.get(name)
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise bad_params(f"params error: {name} invalid") from None
    if not found.is_finite() or found < 0:
        raise bad_params(f"params error: {name} invalid")
    return found


def flag(params: Params, name: str) -> bool:
    """True when the parameter is there and true."""
    return str(params.get(name, "")).lower() in ("true", "1")

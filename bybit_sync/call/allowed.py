"""What the endpoint table allows a value to be; whatever else there is goes into ``extra``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .records import Param
from .scalars import PLAIN_NUMBER, ValueFaultError, refused, shown
from .unknown import nearest


def check_value(param: Param, converted: Any) -> None:
    """Raise ValueFaultError unless the table allows what is to be sent."""
    if param.allowed:
        _check_allowed(param, converted)
    if param.bounds is not None:
        _check_bounds(param.bounds, converted)
    if param.longest is not None and len(str(converted)) > param.longest:
        raise ValueFaultError(
            f"a text of {len(str(converted))} characters; at most {param.longest} are allowed"
        )


def _check_allowed(param: Param, converted: Any) -> None:
    """Values are compared as text; each of a list by itself."""
    if param.joined and isinstance(converted, str) and "," in converted:
        converted = converted.split(",")
    if isinstance(converted, list):
        for item in converted:
            _check_allowed(param, item)
        return
    text = converted if isinstance(converted, str) else str(converted)
    if text in param.allowed or any(str(each) == text for each in param.allowed):
        return
    raise _not_allowed(param, converted, text)


def _not_allowed(param: Param, converted: Any, text: str) -> ValueFaultError:
    listed = [str(each) for each in param.allowed]
    near = f" (nearest: {nearest(text[:60], listed)!r})" if len(listed) > 1 else ""
    return ValueFaultError(f"{shown(converted)} is not one of {', '.join(listed)}{near}")


def _check_bounds(bounds: tuple[float | None, float | None], converted: Any) -> None:
    if converted == "":  # Bybit's own way to say "none"
        return
    low, high = bounds
    number = float(_number_of(converted))
    if (low is None or number >= low) and (high is None or number <= high):
        return
    if low is not None and high is not None:
        allowed = f"from {low:.12g} to {high:.12g}"
    else:
        allowed = f"at least {low:.12g}" if low is not None else f"at most {high:.12g}"
    raise ValueFaultError(f"{shown(converted)} is not allowed: {allowed}")


def _number_of(converted: Any) -> str | int:
    if isinstance(converted, int):
        return converted
    if isinstance(converted, str) and PLAIN_NUMBER.fullmatch(converted):
        return converted
    raise refused(converted, "a number")


def unknown_name(name: str, known: Iterable[str]) -> ValueFaultError:
    """The fault of a name inside an object that the table does not list."""
    return ValueFaultError(
        f"the name is not known (nearest: {nearest(name, known)!r}); what the table does not know "
        "yet goes into an extra={...} beside it"
    ).inside(name)

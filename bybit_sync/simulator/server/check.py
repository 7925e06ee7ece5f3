"""Are the parameters as the documentation asks? If not: 10001 and the parameter's name.

Not stricter than the documentation: unknown parameters pass, an empty one counts as left out, and
numbers may stand where text is documented, save where they are prices and sizes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from bybit_sync.simulator.refusal import Refusal

from .table import Endpoint, Parameter

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
# What Go's strconv.ParseBool reads; Python clients send True, others true.
_BOOLEANS = frozenset({"1", "t", "T", "true", "True", "TRUE", "0", "f", "F", "false", "False"})


def checked(endpoint: Endpoint, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, empty ones left out.

    Raises:
        Refusal: 10001, one of them is not as documented.
    """
    in_query = endpoint.http == "GET"
    checks = _QUERY_CHECKS if in_query else _BODY_CHECKS
    found = _fields(endpoint.params, params, checks, params.get("category"))
    if endpoint.span_ms is not None:
        _span(found, endpoint.span_ms)
    return found


def check_item(parameter: Parameter, item: Any, category: Any) -> dict[str, Any]:
    """One item of a batch, checked by itself.

    Raises:
        Refusal: 10001, the item is not as documented.
    """
    if not isinstance(item, dict):
        raise refused(parameter.name)
    return _fields(parameter.fields, item, _BODY_CHECKS, category)


def refused(name: str, why: str = "invalid") -> Refusal:
    """10001 that names the parameter."""
    return Refusal(10001, f"params error: {name} {why}")


def _fields(
    expected: Iterable[Parameter],
    given: Mapping[str, Any],
    checks: Mapping[str, Check],
    category: Any,
) -> dict[str, Any]:
    found = {name: value for name, value in given.items() if value is not None and value != ""}
    for parameter in expected:
        name = parameter.name
        if name in found:
            value = checks[parameter.type](parameter, found[name])
            _bounds(parameter, value, found, category)
            found[name] = value
        elif parameter.required and parameter.type != "file":
            raise refused(name, "is missing or empty")
    return found


def _bounds(parameter: Parameter, value: Any, given: Mapping[str, Any], category: Any) -> None:
    if parameter.enum:
        _choice(parameter, value)
    if parameter.max is not None or parameter.min is not None:
        high = parameter.max_by_category.get(str(category), parameter.max)
        _range(parameter.name, value, parameter.min, high)
    if parameter.max_length is not None and len(str(value)) > parameter.max_length:
        raise refused(parameter.name, f"is longer than {parameter.max_length}")
    if parameter.max_decimals is not None and _decimals(value) > parameter.max_decimals:
        raise refused(parameter.name, f"has more than {parameter.max_decimals} decimals")
    if parameter.range_by_type:
        span = parameter.range_by_type.get(str(given.get(f"{parameter.name}Type")))
        if span is not None:
            _range(parameter.name, value, *span)


def _choice(parameter: Parameter, value: Any) -> None:
    values = value if isinstance(value, list) else [value]
    for one in values:
        # A list of choices in a query is joined by commas.
        if str(one) not in parameter.enum and not parameter.enum.issuperset(str(one).split(",")):
            raise refused(parameter.name)


def _range(name: str, value: Any, low: float | None, high: float | None) -> None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise refused(name) from None
    if not number.is_finite():
        raise refused(name)
    # Through text: 0.01 as a float is not the 0.01 that the documentation means.
    if low is not None and number < Decimal(str(low)):
        raise refused(name, f"is below {low}")
    if high is not None and number > Decimal(str(high)):
        raise refused(name, f"is above {high}")


def _decimals(value: Any) -> int:
    return len(str(value).partition(".")[2])


def _span(params: Mapping[str, Any], span_ms: int) -> None:
    start, end = params.get("startTime"), params.get("endTime")
    if start is None or end is None:
        return
    if not (_INTEGER.fullmatch(str(start)) and _INTEGER.fullmatch(str(end))):
        return
    if int(end) - int(start) > span_ms:
        raise refused("startTime", f"to endTime is more than {span_ms // 86_400_000} days")


# --- one value, by its documented type ----------------------------------------------------

Check = Callable[[Parameter, Any], Any]


def _any(parameter: Parameter, value: Any) -> Any:
    return value


def _query_integer(parameter: Parameter, value: Any) -> Any:
    if not _INTEGER.fullmatch(value):
        raise refused(parameter.name)
    return value


def _query_boolean(parameter: Parameter, value: Any) -> Any:
    if value not in _BOOLEANS:
        raise refused(parameter.name)
    return value


def _number(parameter: Parameter, value: Any) -> Any:
    if isinstance(value, bool):
        raise refused(parameter.name)
    _range(parameter.name, value, None, None)
    return value


def _string(parameter: Parameter, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or parameter.text_only:
        raise refused(parameter.name)
    return str(value) if isinstance(value, int) else f"{value:f}"


def _integer(parameter: Parameter, value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise refused(parameter.name)
    return value


def _boolean(parameter: Parameter, value: Any) -> bool:
    if not isinstance(value, bool):
        raise refused(parameter.name)
    return value


def _array(parameter: Parameter, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise refused(parameter.name)
    if parameter.max_items is not None and len(value) > parameter.max_items:
        raise refused(parameter.name, f"has more than {parameter.max_items} items")
    if parameter.item_enum:
        for item in value:
            if str(item) not in parameter.item_enum:
                raise refused(parameter.name)
    # Orders in a batch are judged one by one: one that is wrong does not stop its neighbours.
    if parameter.fields and not parameter.max_items_by_category:
        return [check_item(parameter, item, None) for item in value]
    return value


def _object(parameter: Parameter, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refused(parameter.name)
    return _fields(parameter.fields, value, _BODY_CHECKS, None)


_QUERY_CHECKS: Mapping[str, Check] = {
    "string": _any,
    "integer": _query_integer,
    "number": _number,
    "boolean": _query_boolean,
    "array": _any,
    "object": _any,
    "file": _any,
}
_BODY_CHECKS: Mapping[str, Check] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "object": _object,
    "file": _any,
}

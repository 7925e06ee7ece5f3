"""``api/_paging.py``: how the endpoints that have pages hand them out."""

from __future__ import annotations

from collections.abc import Iterable

from .layout import Brackets, call, lay_out, literal, mapping
from .module import HEADER
from .spec import EndpointRow, GroupRow

_DAY_MS = 86_400_000
_UNITS = {"ms": 1, "s": 1000}

_PAGING = '''\
# {header}
"""How the endpoints that have pages hand them out, by ``group.name``."""

from __future__ import annotations

from bybit_sync.call.paging import Paging

PAGING: dict[str, Paging] = {{
{rows}
}}
'''


def paging(groups: Iterable[GroupRow]) -> str:
    """The source of ``api/_paging.py``."""
    rows = {
        f"{group.name}.{row.name}": _row(row)
        for group in groups
        for row in group.endpoints
        if row.paging
    }
    return _PAGING.format(
        header=HEADER.format("*.toml"),
        rows="\n".join(
            lay_out(rows[key], 4, before=f"{literal(key)}: ", after=",") for key in sorted(rows)
        ),
    )


def _row(row: EndpointRow) -> Brackets:
    given = row.paging
    items: list[str | Brackets] = [
        f"kind={literal(given['kind'])}",
        f"rows={literal(given['list_field'])}",
    ]
    for name in ("cursor_param", "next_field", "page_param", "limit_param", "limit_max"):
        if name in given:
            items.append(f"{name}={literal(given[name])}")
    items += _limits(row)
    items += _window(row)
    if given.get("order") == "oldest_first":
        items.append("is_oldest_first=True")
    if "time_field" in given:
        items.append(f"time_field={literal(given['time_field'])}")
    if "unique" in given:
        items.append(f"unique={literal(given['unique'])}")
    return call("Paging", *items)


def _limits(row: EndpointRow) -> list[str | Brackets]:
    limits = next(
        (p.max_by_category for p in row.params if p.name == row.paging.get("limit_param")), {}
    )
    if not limits:
        return []
    numbers = mapping((literal(name), literal(int(most))) for name, most in limits.items())
    return [Brackets("limit_by_category={", numbers.items, "}")]


def _window(row: EndpointRow) -> list[str | Brackets]:
    """The window's parameters, where they are moments of a unit that is known."""
    window = row.paging.get("window", row.paging)
    start, end = window.get("start_param"), window.get("end_param")
    kinds = {param.name: param.type for param in row.params}
    unit = window.get("unit") or ("ms" if kinds.get(start) == "time_ms" else "")
    if not unit:
        return []
    items: list[str | Brackets] = [f"start_param={literal(start)}", f"end_param={literal(end)}"]
    if _UNITS[unit] != 1:
        items.append(f"unit_ms={_UNITS[unit]}")
    span = window.get("max_span", "")
    if span.endswith("d"):
        items.append(f"max_span_ms={int(span[:-1]) * _DAY_MS}")
    return items

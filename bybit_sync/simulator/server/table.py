"""The endpoint table: what each path is called, wants and costs; and the documented samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import orjson

Kind = Literal["string", "integer", "number", "boolean", "array", "object", "file"]
Envelope = Literal["v5", "p2p", "none"]

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One documented parameter and the bounds that the documentation gives it."""

    name: str
    type: Kind
    required: bool = False
    text_only: bool = False
    """A JSON number is refused: a price or a size that has passed through a float."""
    enum: frozenset[str] = frozenset()
    item_enum: frozenset[str] = frozenset()
    min: float | None = None
    max: float | None = None
    max_by_category: Mapping[str, float] = field(default_factory=dict)
    range_by_type: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    max_length: int | None = None
    max_items: int | None = None
    max_items_by_category: Mapping[str, int] = field(default_factory=dict)
    max_decimals: int | None = None
    max_span: str = ""
    fields: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many calls an account may make in `window` seconds."""

    calls: int
    window: float = 1.0
    by_category: Mapping[str, int] = field(default_factory=dict)
    per_order: frozenset[str] = frozenset()
    """The categories in which each order of a batch costs one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One row of the table."""

    key: str
    http: Literal["GET", "POST"]
    path: str
    auth: Literal["required", "optional", "none"]
    mutates: bool = False
    envelope: Envelope = "v5"
    limit: Limit | None = None
    params: tuple[Parameter, ...] = ()
    span_ms: int | None = None
    """The widest window that startTime and endTime may span, in milliseconds."""


@cache
def table() -> Mapping[str, Endpoint]:
    """Every endpoint by its path; no path has two verbs."""
    return {row["path"]: _endpoint(row) for row in _read("endpoints.json")}


@cache
def samples() -> Mapping[str, list[dict[str, Any]]]:
    """The documented answers by endpoint: ``body`` each, and ``title`` where there are several."""
    found: Mapping[str, list[dict[str, Any]]] = _read("samples.json")
    return found


def _read(name: str) -> Any:
    return orjson.loads(files("bybit_sync.simulator").joinpath("data").joinpath(name).read_bytes())


def _endpoint(row: dict[str, Any]) -> Endpoint:
    params = tuple(_parameter(p) for p in row.pop("params"))
    limit = row.pop("limit", None)
    return Endpoint(
        **row,
        params=params,
        limit=None if limit is None else _limit(limit),
        span_ms=_span_ms(params),
    )


def _parameter(row: dict[str, Any]) -> Parameter:
    for name in ("enum", "item_enum"):
        if name in row:
            row[name] = frozenset(str(value) for value in row[name])
    if "fields" in row:
        row["fields"] = tuple(_parameter(field) for field in row["fields"])
    return Parameter(**row)


def _limit(row: dict[str, Any]) -> Limit:
    return Limit(**{**row, "per_order": frozenset(row.get("per_order", ()))})


def _span_ms(params: tuple[Parameter, ...]) -> int | None:
    for parameter in params:
        span = parameter.max_span
        if parameter.name in ("startTime", "endTime") and span.endswith("d"):
            return int(span[:-1]) * _DAY_MS
    return None

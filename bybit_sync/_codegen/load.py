"""Reads ``spec/*.toml`` into records and tells every fault of every file at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import toml

from .answers import load_answers
from .rules import check_house, check_row
from .spec import EndpointRow, GroupRow, LimitRow, ParamRow, SpecError

SPEC = Path(__file__).with_name("spec")
"""Where the tables are."""

_Types = Mapping[str, type | tuple[type, ...]]
_NUMBER = (int, float)
_GROUP: _Types = {"name": str, "class_name": str, "summary": str}
_ENDPOINT: _Types = {
    "name": str,
    "aliases": list,
    "summary": str,
    "method": str,
    "path": str,
    "auth": str,
    "repeat": str,
    "sets_a_target": bool,
    "idempotency": str,
    "single_use_token": str,
    "envelope": str,
    "limit": dict,
    "paging": dict,
    "deprecated": str,
    "demo": bool,
    "demo_categories": list,
    "doc": str,
    "also_doc": list,
    "pybit": bool,
    "pybit_class": str,
    "pybit_quirks": dict,
    "note": str,
    "errors": dict,
    "params": dict,
    "fields": dict,
}
_ENDPOINT_MUST = ("name", "summary", "method", "path", "auth", "repeat")
_LIMIT: _Types = {
    "calls": _NUMBER,
    "window": _NUMBER,
    "scope": str,
    "by_category": dict,
    "upgradable": bool,
    "note": str,
}
_PARAM: _Types = {
    "type": str,
    "digits": bool,
    "joined": bool,
    "required": bool,
    "enum": (list, str),
    "item_enum": list,
    "default": (str, int, float, bool),
    "min": _NUMBER,
    "max": _NUMBER,
    "max_by_category": dict,
    "default_by_category": dict,
    "range_by_type": dict,
    "max_decimals": int,
    "max_length": int,
    "max_items": int,
    "max_items_by_category": dict,
    "max_span": str,
    "summary": str,
}


def load(folder: Path = SPEC) -> tuple[GroupRow, ...]:
    """The groups in the order of their names.

    Raises:
        SpecError: a file is not TOML, or a row breaks a rule.
    """
    faults: list[str] = []
    groups = []
    for path in sorted(folder.glob("*.toml")):
        group = _group(path, faults)
        if group is not None:
            groups.append(group)
    if not groups and not faults:
        faults.append(f"{folder.name}: holds no *.toml")
    if not faults:
        faults += check_house(groups)
    if faults:
        raise SpecError(faults)
    return tuple(groups)


def _group(path: Path, faults: list[str]) -> GroupRow | None:
    try:
        table = toml.loads(path.read_text(encoding="utf-8"))
    except (toml.TomlDecodeError, IndexError, ValueError) as error:
        # The package raises bare IndexErrors on some broken inline tables.
        faults.append(f"{path.name}: {error}")
        return None
    before = len(faults)
    _keys(path.name, table, {"group": dict, "enums": dict, "endpoint": list}, ("group",), faults)
    head = table.get("group", {})
    _keys(f"{path.name} [group]", head, _GROUP, tuple(_GROUP), faults)
    if len(faults) > before:
        return None
    if head["name"] != path.stem:
        faults.append(f"{path.name} [group]: name is {head['name']!r}, not the file's")
    enums = {name: tuple(values) for name, values in table.get("enums", {}).items()}
    rows = []
    for number, raw in enumerate(table.get("endpoint", []), 1):
        row = _endpoint(f"{path.name} {raw.get('name', f'endpoint {number}')}", raw, enums, faults)
        if row is not None:
            rows.append(row)
    answers = load_answers(path.parent, path.stem, [row.name for row in rows], faults)
    return GroupRow(**head, enums=enums, endpoints=tuple(rows), answers=answers)


def _endpoint(
    where: str, raw: Mapping[str, Any], enums: Mapping[str, Any], faults: list[str]
) -> EndpointRow | None:
    before = len(faults)
    _keys(where, raw, _ENDPOINT, _ENDPOINT_MUST, faults)
    if len(faults) > before:
        return None
    facts = {name: _frozen(value) for name, value in raw.items() if name != "fields"}
    fields = dict(raw.get("fields", {}))
    facts["params"] = _params(where, raw.get("params", {}), "", fields, enums, faults)
    faults += [f"{where}: fields.{name} belongs to no array or object" for name in fields]
    if "limit" in raw:
        _keys(f"{where}.limit", raw["limit"], _LIMIT, ("calls",), faults)
    if len(faults) > before:
        return None
    if "limit" in raw:
        facts["limit"] = LimitRow(**raw["limit"])
    row = EndpointRow(**facts)
    faults += [f"{where}: {fault}" for fault in check_row(row)]
    return row


def _params(
    where: str,
    table: Mapping[str, Any],
    prefix: str,
    fields: dict[str, Any],
    enums: Mapping[str, tuple[str | int, ...]],
    faults: list[str],
) -> tuple[ParamRow, ...]:
    """The rows of a table; takes those of their fields out of `fields`."""
    rows = []
    for name, raw in table.items():
        path = prefix + name
        here = f"{where}.{path}"
        before = len(faults)
        if not isinstance(raw, dict):
            faults.append(f"{here}: is not a table")
            continue
        _keys(here, raw, _PARAM, ("type", "summary"), faults)
        if len(faults) > before:
            continue
        facts = {key: _frozen(value) for key, value in raw.items()}
        if isinstance(facts.get("enum"), str):
            facts["enum_name"] = facts["enum"]
            facts["enum"] = enums.get(facts["enum_name"], ())
            if not facts["enum"]:
                faults.append(f"{here}: [enums] has no {facts['enum_name']!r}")
        if raw["type"] in ("array", "object"):
            inner = fields.pop(path, {})
            facts["fields"] = _params(where, inner, f"{path}.", fields, enums, faults)
        rows.append(ParamRow(name=name, **facts))
    return tuple(rows)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _keys(
    where: str, table: Mapping[str, Any], types: _Types, must: Iterable[str], faults: list[str]
) -> None:
    """Add a fault for every key that is unknown, missing or of another type."""
    for name, value in table.items():
        kind = types.get(name)
        if kind is None:
            near = difflib.get_close_matches(name, types, 1)
            faults.append(f"{where}: unknown key {name!r}" + (f": {near[0]}?" if near else ""))
        elif not isinstance(value, kind) or (isinstance(value, bool) and not _takes_bool(kind)):
            faults.append(f"{where}: {name} is {value!r}")
    faults += [f"{where}: no {name}" for name in must if name not in table]


def _takes_bool(kind: type | tuple[type, ...]) -> bool:
    return bool in (kind if isinstance(kind, tuple) else (kind,))

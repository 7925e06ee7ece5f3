"""Settings as TOML text, fit to be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from .secret import Secret
from .table import Table


def written(records: Mapping[str, Table]) -> str:
    """The tables as TOML. A secret that is set becomes a comment, so that the text, loaded
    again, does not sign with a mask."""
    return "\n".join(line for record in records.values() for line in _table(record))


def _table(record: Table) -> Iterator[str]:
    yield f"[{record.table}]"
    below: dict[str, Mapping[str, float]] = {}
    for key in record.key_names():
        value = getattr(record, key)
        if isinstance(value, Mapping):
            below[key] = value
        elif isinstance(value, Secret) and value:
            yield f"# {key} = {_text(str(value))}  (set, not shown)"
        else:
            yield f"{key} = {_value(value)}"
    for key, table in below.items():
        yield ""
        yield f"[{record.table}.{key}]"
        for name, value in table.items():
            yield f"{_text(name)} = {_value(value)}"
    yield ""


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(int(value))
    return _text(str(value))


def _text(text: str) -> str:
    # A JSON string is a TOML string where no character needs two escapes.
    return json.dumps(text, ensure_ascii=False)

"""What the fields of answers hold, by endpoint and name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, cast, get_args

ColumnKind = Literal["time_ms", "time_s", "time_ns", "decimal", "integer", "as_sent"]
"""``as_sent`` is a text, a boolean, a number of JSON or a nested object: it stays what it is."""


def kind_of(endpoint: str, name: str) -> ColumnKind:
    """What a field of an endpoint's rows holds; ``as_sent`` where nothing is known."""
    table = _table()
    own = table["endpoints"].get(endpoint)
    if own is not None and name in own:
        return cast(ColumnKind, own[name])
    return cast(ColumnKind, table["by_name"].get(name, "as_sent"))


def columns_of(endpoint: str) -> Sequence[str]:
    """The names of the places, where an endpoint's rows are arrays; else none."""
    found: Sequence[str] = _table()["positional"].get(endpoint, ())
    return found


def rows_field(endpoint: str) -> str:
    """The field of the result that holds the rows; "" where it is one of the usual ones."""
    found: str = _table()["rows"].get(endpoint, "")
    return found


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    from importlib.resources import files  # here: a program that makes no frame needs neither

    import toml

    text = files(__package__).joinpath("data/columns.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = toml.loads(text)
    everywhere = table.pop("everywhere")
    unknown = set(everywhere) - set(get_args(ColumnKind))
    assert not unknown, f"columns.toml: unknown kinds {unknown}"
    table["by_name"] = {name: kind for kind, names in everywhere.items() for name in names}
    return table

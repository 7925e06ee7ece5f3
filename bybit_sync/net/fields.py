"""requests' dict of headers, filled and read at once: its own methods run for each field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from requests.structures import CaseInsensitiveDict


def case_insensitive(fields: Iterable[tuple[str, Any]]) -> CaseInsensitiveDict[Any]:
    """The fields as requests keeps them; of equal names the last one counts."""
    made: CaseInsensitiveDict[Any] = CaseInsensitiveDict()
    made._store.update([(field[0].lower(), field) for field in fields])
    return made


def merged(
    ours: CaseInsensitiveDict[Any], theirs: Mapping[str, Any] | None
) -> CaseInsensitiveDict[Any]:
    """Both; where they share a name, theirs."""
    made: CaseInsensitiveDict[Any] = CaseInsensitiveDict()
    made._store.update(ours._store)
    if theirs:
        made._store.update([(field[0].lower(), field) for field in theirs.items()])
    return made


def pairs(headers: CaseInsensitiveDict[Any]) -> list[tuple[str, Any]]:
    """Names and values."""
    return list(headers._store.values())


def as_dict(headers: Mapping[str, Any]) -> dict[str, Any]:
    """A plain dict of them."""
    return dict(pairs(headers) if type(headers) is CaseInsensitiveDict else headers)

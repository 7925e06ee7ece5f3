"""The headers of requests and of urllib3, filled and read at once: their own methods run for each
field, and check again what is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import urllib3
from requests.structures import CaseInsensitiveDict


def as_urllib3_has_them(fields: Iterable[tuple[bytes, bytes]]) -> urllib3.HTTPHeaderDict:
    """Fields of an answer; of equal names each one is kept."""
    headers = urllib3.HTTPHeaderDict()
    held = headers._container
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip()
        key = name.lower()
        if key in held:
            held[key].append(value)
        else:
            held[key] = [name, value]
    return headers


def as_requests_has_them(headers: urllib3.HTTPHeaderDict) -> CaseInsensitiveDict[Any]:
    """The same; those of equal names as one."""
    made: CaseInsensitiveDict[Any] = CaseInsensitiveDict()
    made._store.update(
        [
            (key, (name, values[0] if len(values) == 1 else ", ".join(values)))
            for key, (name, *values) in headers._container.items()
        ]
    )
    return made


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

"""The files of ``api/`` that are about all groups: the way in, the index and the map."""

from __future__ import annotations

from collections.abc import Iterable

from .layout import lay_out, literal, mapping, sequence
from .module import HEADER
from .signature import result_type
from .spec import EndpointRow, GroupRow
from .words import limit_words, page

_BASE = '''\
# {header}
"""What all groups share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bybit_sync.call.records import Call


class Group:
    """Endpoints of one kind. Holds the function that makes a call, and nothing else."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def __repr__(self) -> str:
        return f"<{{type(self).__module__}}.{{type(self).__qualname__}}>"
'''

_INIT = '''\
# {header}
"""Every endpoint of Bybit v5 as a typed method, one class per group; README.md is the map.

A group's module is imported when the group is first used.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bybit_sync.call.records import Call, Endpoint

{imports}

{names}
"""The names of the groups."""


class Groups:
    """All groups; each is made when it is first asked for. `call` makes the calls of all."""

    def __init__(self, call: Call) -> None:
        self._call = call

{properties}


@lru_cache(maxsize=1024)
def find(method: str, path: str) -> Endpoint | None:
    """The endpoint of a verb and path, or None where the table has none."""
    from ._index import HOMES

    home = HOMES.get(f"{{method}} {{path}}")
    if home is None:
        return None
    return next(e for e in _endpoints_of(home) if e.path == path and e.method == method)


def endpoints() -> Iterator[Endpoint]:
    """All endpoints, group by group; imports every group."""
    for group in GROUPS:
        yield from _endpoints_of(group)


def _endpoints_of(group: str) -> tuple[Endpoint, ...]:
    found: tuple[Endpoint, ...] = import_module(f".{{group}}", __name__).ENDPOINTS
    return found
'''

_PROPERTY = '''\
    @cached_property
    def {name}(self) -> {class_name}:
        """{summary}"""
        from .{name} import {class_name}

        return {class_name}(self._call)'''

_INDEX = '''\
# {header}
"""Which group knows a path."""

from __future__ import annotations

{homes}
'''

_MAP = """\
<!-- {header} -->

# The {count} endpoints

`client.<group>.<method>(...)`; parameters are keyword-only and spelt as Bybit spells them. Every
method also takes `options=CallOptions(...)` for this one call and `extra={{...}}` for parameters
that the table does not know yet; an order in a batch may hold an `extra` of its own. An answer's
`.result` is typed: *answer* names its shape in `bybit_sync.api.answers.<group>`; where nothing
stands, it is empty or not documented. To mend a row, edit `_codegen/spec/<group>.toml`, for its
answer `_codegen/spec/answers/<group>.toml`, and run `python -m bybit_sync._codegen`.

Signed: *yes*, *no* (public), or *keys* (signed if there are keys). Repeat: *always* safe, or only
while *unsent*. Methods in ~~strokes~~ are deprecated.

{contents}

{groups}
"""


def base() -> str:
    """The source of ``api/_group.py``."""
    return _BASE.format(header=_header())


def init(groups: Iterable[GroupRow]) -> str:
    """The source of ``api/__init__.py``."""
    groups = sorted(groups, key=lambda group: group.name)
    names = sequence("", [literal(group.name) for group in groups])
    return _INIT.format(
        header=_header(),
        imports="\n".join(f"    from .{g.name} import {g.class_name}" for g in groups),
        names=lay_out(names, before="GROUPS = "),
        properties="\n\n".join(
            _PROPERTY.format(name=g.name, class_name=g.class_name, summary=g.summary)
            for g in groups
        ),
    )


def index(groups: Iterable[GroupRow]) -> str:
    """The source of ``api/_index.py``."""
    homes = [
        (literal(f"{row.method} {row.path}"), literal(group.name))
        for group in groups
        for row in group.endpoints
    ]
    return _INDEX.format(header=_header(), homes=lay_out(mapping(sorted(homes)), before="HOMES = "))


def readme(groups: Iterable[GroupRow]) -> str:
    """``api/README.md``."""
    groups = sorted(groups, key=lambda group: group.name)
    return _MAP.format(
        header=_header(),
        count=sum(len(group.endpoints) for group in groups),
        contents="\n".join(
            f"- [`{g.name}`](#{g.name}) ({len(g.endpoints)}): {g.summary}" for g in groups
        ),
        groups="\n\n".join(_group_map(group) for group in groups),
    )


def _header() -> str:
    return HEADER.format("*.toml")


def _group_map(group: GroupRow) -> str:
    return "\n".join(
        [
            f"## {group.name}",
            "",
            "| method | call | signed | repeat | limit | what you get | answer |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *(_line(group, row) for row in group.endpoints),
        ]
    )


def _answer(group: GroupRow, row: EndpointRow) -> str:
    hint = result_type(row, group.answers)
    return f"`{hint.replace('answers.', '')}`" if "answers." in hint else ""


def _line(group: GroupRow, row: EndpointRow) -> str:
    names = ", ".join(f"`{name}`" for name in (row.name, *row.aliases))
    call = f"{row.method} {row.path}"
    cells = [
        f"~~{names}~~" if row.deprecated else names,
        f"[{call}]({page(row.doc)})" if row.doc else call,
        {"required": "yes", "none": "no", "optional": "keys"}[row.auth],
        {"always": "always", "if_unsent": "unsent"}[row.repeat],
        limit_words(row.limit) if row.limit else "",
        row.summary,
        _answer(group, row),
    ]
    return f"| {' | '.join(cells)} |"

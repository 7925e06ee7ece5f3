"""The methods of ``unified_trading.HTTP``: one for each of pybit's names, over the same rows.

They are written out, not made when the module is imported, so that editors and type checkers know
them too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

from .layout import call, lay_out, literal
from .module import HEADER
from .spec import EndpointRow, GroupRow
from .words import in_order, remarks, traits

FACE = Path(__file__).parents[1] / "unified_trading" / "methods.py"
"""Where the file belongs."""

_MODULE = '''\
# {header}
"""pybit's {count} methods."""

from __future__ import annotations

from typing import Any

from .face import Face, Given


class Methods(Face):
    """One method for each of pybit's.

    Parameters are keywords in Bybit's spelling, or one dict of them; those with a ``?`` may be left
    out. What is None is not sent, and what the table does not know is passed on. The methods return
    the answer, or the tuple that ``record_request_time`` or ``return_response_headers`` asks for.
    """

{methods}
'''


def methods(groups: Iterable[GroupRow]) -> str:
    """The source of ``unified_trading/methods.py``."""
    found = {
        name: _method(name, group, row)
        for group in sorted(groups, key=lambda group: group.name)
        for row in group.endpoints
        if row.pybit
        for name in (row.name, *row.aliases)
    }
    return _MODULE.format(
        header=HEADER.format("*.toml"), count=len(found), methods="\n\n".join(found.values())
    )


def face_faults(text: str, path: Path = FACE) -> list[str]:
    """What is wrong with the file that is there; nothing where the package is not."""
    if not path.parent.is_dir():
        return []  # a copy of api/ alone
    if not path.is_file():
        return [f"{path.name} is missing"]
    return [] if path.read_bytes() == text.encode() else [f"{path.name} differs"]


def write_face(text: str, path: Path = FACE) -> list[str]:
    """Write the file if it differs; return what was done."""
    if not face_faults(text, path):
        return []
    path.write_bytes(text.encode())
    return [f"wrote {path.parent.name}/{path.name}"]


def _method(name: str, group: GroupRow, row: EndpointRow) -> str:
    asked = call(
        "self._ask", literal(row.method), literal(row.path), "given", "kwargs", _signed(row)
    )
    head = call(f"def {name}", "self", "given: Given = None", "/", "**kwargs: Any")
    return "\n".join(
        [
            lay_out(head, 4, after=" -> Any:"),
            *_docstring(group, row),
            lay_out(asked, 8, before="return "),
        ]
    )


def _signed(row: EndpointRow) -> str:
    """As pybit does it, which signs some public calls and leaves unsigned what may be either."""
    if row.pybit_quirks.get("signed"):
        return "signed=None"
    return f"signed={row.auth == 'required'}"


def _docstring(group: GroupRow, row: EndpointRow) -> list[str]:
    told = [f"{row.method} {row.path} ({traits(row)}): `BybitClient.{group.name}.{row.name}`."]
    told += remarks(row)
    names = [f"{each.name}{'' if each.required else '?'}" for each in in_order(row.params)]
    if names:
        told.append(f"Takes {', '.join(names)}.")
    margin = " " * 8
    wrapped = textwrap.wrap(
        " ".join(told),
        100,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [f'{margin}"""{row.summary}', "", *wrapped, f'{margin}"""']

"""The endpoint reference of the documentation: one page per group, made from the tables.

The pages are not kept in the repository: the documentation's build makes them anew each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .result_words import error_words, result_words
from .spec import EndpointRow, GroupRow, ParamRow
from .words import in_order, limit_words, page, param_words, remarks

_SIGNED = {"none": "no", "required": "yes", "optional": "if there are keys"}
_REPEATED = {"always": "always", "if_unsent": "if nothing was sent"}

_INDEX = """\
# Endpoint reference

All {count} endpoints of Bybit v5, `client.<group>.<method>(...)`. Parameters are keyword-only and
spelt as Bybit spells them. What the tables do not allow is refused before anything is sent.

* Every method also takes `options=CallOptions(...)` for this one call, and `extra={{...}}` for
  parameters that the tables do not know yet.
* A call that creates something is given a client id (`orderLinkId`, `transferId`, …) where you give
  none.
* `client.request(method, path, parameters)` calls any path.

| group | methods | what |
|---|---|---|
{groups}
"""


def reference(groups: Iterable[GroupRow]) -> dict[str, str]:
    """The text of every page, in Markdown, by its file's name."""
    groups = sorted(groups, key=lambda group: group.name)
    pages = {f"{group.name}.md": _group_page(group) for group in groups}
    return {"index.md": _index_page(groups), **pages}


def _index_page(groups: list[GroupRow]) -> str:
    rows = [
        f"| [`{group.name}`]({group.name}.md) | {len(group.endpoints)} | {_cell(group.summary)} |"
        for group in groups
    ]
    count = sum(len(group.endpoints) for group in groups)
    return _INDEX.format(count=count, groups="\n".join(rows))


def _group_page(group: GroupRow) -> str:
    sections = [f"# {group.name}\n\n{group.summary}\n"]
    sections += ["\n\n".join(_section(group, row)) + "\n" for row in group.endpoints]
    return "\n".join(sections)


def _section(group: GroupRow, row: EndpointRow) -> Iterator[str]:
    yield f"## {row.name} {{ #{row.name} }}"
    yield row.summary
    yield f"```python\n{_call(group, row)}\n```"
    yield "\n".join(_facts(row))
    if told := " ".join(remarks(row)):
        yield _code(told)
    if row.params:
        yield "\n".join(_parameters(row.params))
    answer, *typed = result_words(group, row)
    yield f"**Answer.** `{answer}`" + "".join(map(_typed, typed))
    if refusals := [f"* {_class_as_code(words)}" for words in error_words(row)]:
        yield "**Refusals to expect.**\n\n" + "\n".join(refusals)
    if row.doc:
        yield f"[Bybit's page]({page(row.doc)})"


def _call(group: GroupRow, row: EndpointRow) -> str:
    """The call with what it cannot do without."""
    must = ", ".join(f"{param.name}=..." for param in in_order(row.params) if param.required)
    return f"client.{group.name}.{row.name}({must})"


def _facts(row: EndpointRow) -> Iterator[str]:
    yield "| request | signed | repeated | limit |"
    yield "|---|---|---|---|"
    limit = limit_words(row.limit) if row.limit else "not documented"
    cells = (f"`{row.method} {row.path}`", _SIGNED[row.auth], _REPEATED[row.repeat], limit)
    yield f"| {' | '.join(cells)} |"


def _parameters(params: Iterable[ParamRow]) -> Iterator[str]:
    yield "| parameter | | meaning |"
    yield "|---|---|---|"
    yield from _rows(params, "")


def _rows(params: Iterable[ParamRow], prefix: str) -> Iterator[str]:
    for param in in_order(params):
        name = f"{prefix}{param.name}"
        must = "required" if param.required else ""
        yield f"| `{name}` | {must} | {_cell(param_words(param))} |"
        yield from _rows(param.fields, f"{name}[]." if param.type == "array" else f"{name}.")


def _cell(text: str) -> str:
    return _code(text).replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    """Names that docstrings put between two backticks, as Markdown has them."""
    return text.replace("``", "`")


def _typed(words: str) -> str:
    """``typed as Kline in bybit_sync.api.answers.market``, with the name to import."""
    *start, name, _, module = words.split()
    return f", {' '.join(start)} `{module}.{name}`"


def _class_as_code(words: str) -> str:
    name, _, meanings = words.partition(": ")
    return f"`{name}`: {_code(meanings)}"

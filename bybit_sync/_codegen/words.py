"""What the docstrings and the map say about an endpoint, in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from .layout import WIDTH
from .result_words import error_words, result_words
from .spec import EndpointRow, GroupRow, LimitRow, ParamRow

DOCS = "https://bybit-exchange.github.io/docs/"
_MOST_LISTED = 24
_AUTH = {"none": "public", "required": "signed", "optional": "signed if there are keys"}
_REPEAT = {"always": "always safe to repeat", "if_unsent": "repeated only if nothing was sent"}
_WINDOWS: Mapping[float, str] = {1: "s", 60: "min"}
_UNITS = {"d": "days", "mo": "months"}


def docstring(group: GroupRow, row: EndpointRow) -> list[str]:
    """The lines of a method's docstring, without quotes and margin."""
    lines = [row.summary, "", *_wrapped(f"{row.method} {row.path} ({traits(row)})")]
    if told := " ".join(remarks(row)):
        lines += ["", *_wrapped(told)]
    if row.params:
        lines += ["", "Args:"]
        for param in in_order(row.params):
            lines += _wrapped(f"{param.name}: {param_words(param)}", indent=4)
    lines += _section("Returns:", result_words(group, row))
    lines += _section("Raises:", error_words(row))
    if row.doc:
        lines += ["", page(row.doc)]
    return lines


def traits(row: EndpointRow) -> str:
    """Signed or public, safe to repeat or not, how often."""
    words = f"{_AUTH[row.auth]}, {_REPEAT[row.repeat]}"
    return f"{words}; {limit_words(row.limit)}" if row.limit else words


def limit_words(limit: LimitRow) -> str:
    """Such as ``10 calls/s, spot 20``."""
    if limit.scope == "ip" and limit.window not in _WINDOWS:
        return f"{limit.calls / limit.window:g} calls/s per IP, shared"
    unit = _WINDOWS.get(limit.window) or f"{limit.window:g} s"
    words = f"{limit.calls:g} {'call' if limit.calls == 1 else 'calls'}/{unit}"
    other = [f"{name} {n:g}" for name, n in limit.by_category.items() if n != limit.calls]
    if other:
        words = ", ".join([words, *other])
    return f"{words} per IP" if limit.scope == "ip" else words


def remarks(row: EndpointRow) -> Iterator[str]:
    """Sentences that a caller should know before the first call."""
    if row.deprecated:
        yield f"Deprecated: {row.deprecated}."
    if row.note:
        yield f"{row.note[0].upper()}{row.note[1:]}."
    if row.idempotency:
        array, _, name = row.idempotency.rpartition("[].")
        what = "An item" if array else "A call"
        yield f"{what} with the same ``{name}`` as an earlier one is not done again."
    if row.sets_a_target:
        yield "A second call with the same values changes nothing more."
    if row.single_use_token:
        yield f"``{row.single_use_token}`` can be used once."
    if row.demo_categories:
        yield f"Demo accounts may call it for {_all(row.demo_categories)}."
    elif row.demo:
        yield "Demo accounts may call it."


def _section(title: str, paragraphs: Iterable[str]) -> list[str]:
    lines = [line for text in paragraphs for line in _wrapped(text, indent=4)]
    return ["", title, *lines] if lines else []


def param_words(param: ParamRow) -> str:
    """A parameter's meaning, unit, allowed values and default."""
    facts = ", ".join(_facts(param))
    return f"{param.summary}; {facts}." if facts else f"{param.summary}."


def in_order(params: Iterable[ParamRow]) -> list[ParamRow]:
    """Required ones first, as Python wants them."""
    return sorted(params, key=lambda param: not param.required)


def page(doc: str) -> str:
    """The address of a documentation page."""
    return DOCS + quote(doc)


def _facts(param: ParamRow) -> Iterator[str]:
    if param.type == "time_ms":
        yield "unix milliseconds or a datetime with time zone"
    if param.type == "file":
        yield "a path, bytes, an open binary file, or (name, bytes)"
    if param.joined:
        yield "a list, or several with commas between"
    yield from _bounds(param)
    if param.fields:
        yield _dict_words(param)
    if param.allowed:
        yield _allowed_words(param)
    if param.default is not None:
        yield f"{_shown(param.default)} by default"
    elif param.default_by_category:
        yield f"by default {_by_category(param.default_by_category)}"


def _bounds(param: ParamRow) -> Iterator[str]:
    if param.min is not None and param.max is not None:
        yield f"{param.min:g} to {param.max:g}"
    elif param.max is not None:
        yield f"at most {param.max:g}"
    elif param.min is not None:
        yield f"at least {param.min:g}"
    if param.max_by_category:
        yield f"at most {_by_category(param.max_by_category)}"
    for name, (low, high) in param.range_by_type.items():
        yield f"{name} {low:g} to {high:g}"
    if param.max_decimals is not None and "decimals" not in param.summary:
        yield f"at most {param.max_decimals} decimals"
    if param.max_length is not None and str(param.max_length) not in param.summary:
        yield f"at most {param.max_length} characters"
    if param.max_items is not None and str(param.max_items) not in param.summary:
        yield f"at most {param.max_items}"
    if param.max_items_by_category:
        yield f"at most {_by_category(param.max_items_by_category)}"
    if param.max_span:
        unit = param.max_span.lstrip("0123456789")
        yield f"at most {param.max_span.removesuffix(unit)} {_UNITS[unit]} from start to end"


def _dict_words(param: ParamRow) -> str:
    must = [inner.name for inner in param.fields if inner.required]
    may = [inner.name for inner in param.fields if not inner.required]
    what = "a list of dicts" if param.type == "array" else "a dict"
    if must and may:
        return f"{what} with {_all(must)}, and if wanted {', '.join(may)}"
    return f"{what} with {_all(must)}" if must else f"{what} that may hold {', '.join(may)}"


def _allowed_words(param: ParamRow) -> str:
    if len(param.allowed) > _MOST_LISTED:
        return f"one of {param.enum_name or f'{len(param.allowed)} values'}"
    one = "any of" if param.item_enum else "one of"
    listed = ", ".join(str(value) for value in param.allowed)
    return listed if len(param.allowed) == 1 else f"{one} {listed}"


def _by_category(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{number:g} for {name}" for name, number in numbers.items())


def _shown(value: object) -> str:
    return str(value) if not isinstance(value, bool) else repr(value)


def _all(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _wrapped(text: str, indent: int = 0) -> list[str]:
    margin = " " * indent
    # Methods are indented by 8; a name or an address must stay whole.
    return textwrap.wrap(
        text,
        WIDTH - 8,
        initial_indent=margin,
        subsequent_indent=margin + "    " if indent else "",
        break_long_words=False,
        break_on_hyphens=False,
    )

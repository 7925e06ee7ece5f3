"""What a call returns: the envelope as Bybit sent it, with a few facts beside it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .rate_limit import RateLimit
from .redact import MASK

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")

__all__ = ["RateLimit", "Reply"]

_ROW_FIELDS = ("list", "rows", "orders", "records", "items")
_SHOWN_ROWS = 20
_SHOWN_CHARACTERS = 120


class Reply(dict[str, Any], Generic[T]):
    """The whole envelope as a dict, so that ``reply["result"]["list"]`` works as in pybit.

    Copying and pickling keep the attributes; ``json.dumps`` writes the envelope.
    """

    __slots__ = ("elapsed", "endpoint", "headers", "rate_limit")

    def __init__(
        self,
        body: Mapping[str, Any],
        *,
        headers: Mapping[str, str],
        elapsed: float,
        rate_limit: RateLimit | None = None,
        endpoint: str = "",
    ) -> None:
        super().__init__(body)
        self.headers = headers
        """The answer's headers; names in any case."""
        self.elapsed = elapsed
        """Seconds on the wire, from the first byte sent to the last one read."""
        self.rate_limit = rate_limit
        """What the headers say about the endpoint's limit, or None."""
        self.endpoint = endpoint
        """``group.name`` of the endpoint that answered."""

    @property
    def result(self) -> T:
        """The ``result`` of the envelope; all of an answer that has no envelope."""
        return self["result"] if "result" in self or "retCode" in self else self  # type: ignore[return-value]

    def rows(self) -> list[Any]:
        """The rows of the result: its list, or the result itself as the only row."""
        found = _rows_in(self.get("result", dict(self)))
        return found if found is not None else []

    def to_frame(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame, values as Bybit sent them.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas  # here: an extra, and most programs do without it
        except ImportError as error:
            raise ImportError(
                'to_frame() needs pandas: pip install "bybit-sync[jupyter]"'
            ) from error
        return pandas.DataFrame(self.rows())

    def __reduce__(self) -> tuple[Any, ...]:
        facts = (dict(self), self.headers, self.elapsed, self.rate_limit, self.endpoint)
        return _rebuild, (type(self), *facts)

    def copy(self) -> Reply[T]:
        """A shallow copy that is a Reply, too."""
        copied: Reply[T] = self.__reduce__()[0](*self.__reduce__()[1])
        return copied

    def _repr_html_(self) -> str:
        rows = self.rows()
        head = f"{self.endpoint or 'reply'}: {len(rows)} row{'' if len(rows) == 1 else 's'}"
        left = len(rows) - _SHOWN_ROWS
        more = f"<p>… and {left} more; see <code>.to_frame()</code></p>" if left > 0 else ""
        return f"<p>{html.escape(head)}</p>{_table(rows[:_SHOWN_ROWS])}{more}"


def _rebuild(
    cls: type[Reply[Any]],
    body: dict[str, Any],
    headers: Mapping[str, str],
    elapsed: float,
    rate_limit: RateLimit | None,
    endpoint: str,
) -> Reply[Any]:
    return cls(body, headers=headers, elapsed=elapsed, rate_limit=rate_limit, endpoint=endpoint)


def _rows_in(result: Any) -> list[Any] | None:
    if isinstance(result, list):
        return result
    if not isinstance(result, dict) or not result:
        return None
    for name in _ROW_FIELDS:
        if isinstance(result.get(name), list):
            found: list[Any] = result[name]
            return found
    return [result]


def _table(rows: list[Any]) -> str:
    if not rows:
        return ""
    if all(isinstance(row, dict) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[_shown(name, row.get(name, "")) for name in names] for row in rows]
        head = "".join(f"<th>{html.escape(str(name))}</th>" for name in names)
    else:
        cells = [
            [_shown("", cell) for cell in (row if isinstance(row, list) else [row])] for row in rows
        ]
        head = ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _shown(name: str, value: Any) -> str:
    # Notebooks are passed on: a key that was just made must not travel in a page.
    if "secret" in name.lower():
        return MASK
    text = str(value)
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 1] + "…"
    return html.escape(text)

"""What a call returns: the envelope as Bybit sent it, with a few facts beside it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from bybit_sync.net.answer import Headers

from .rate_limit import RateLimit, rate_limit_in
from .redact import MASK

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")

__all__ = ["RateLimit", "Reply", "RowTable", "rows_told_by"]

_ROW_FIELDS = ("list", "rows", "orders", "records", "items")
_SHOWN_ROWS = 20
_SHOWN_CHARACTERS = 120
_SECRET_WORDS = ("secret", "password")


class RowTable(Protocol):
    """Who knows what the rows of an endpoint hold; `bybit_sync.frames` does."""

    def rows_field(self, endpoint: str) -> str:
        """The field of the result that holds the rows; "" where it is one of the usual ones."""
        ...

    def names_of(self, endpoint: str) -> Sequence[str]:
        """The names of the places, where rows come as arrays."""
        ...

    def frame(self, reply: Reply[Any], decimals: type[float | Decimal]) -> pandas.DataFrame:
        """The rows with typed columns."""
        ...


_row_table: RowTable | None = None


def rows_told_by(table: RowTable) -> None:
    """Let `table` tell what rows hold: it knows endpoints by name, which this floor does not."""
    global _row_table  # one for all replies, as there is one table of endpoints
    _row_table = table


class Reply(dict[str, Any], Generic[T]):
    """The whole envelope as a dict, so that ``reply["result"]["list"]`` works as in pybit.

    Copying and pickling keep the attributes; ``json.dumps`` writes the envelope.
    """

    __slots__ = ("_rate_limit", "elapsed", "endpoint", "headers")

    def __init__(
        self,
        body: Mapping[str, Any],
        *,
        headers: Mapping[str, str],
        elapsed: float,
        rate_limit: RateLimit | None = None,
        endpoint: str = "",
    ) -> None:
        self.update(body)
        self.headers = headers
        """The answer's headers; names in any case."""
        self.elapsed = elapsed
        """Seconds on the wire, from the first byte sent to the last one read."""
        self._rate_limit = rate_limit
        self.endpoint = endpoint
        """``group.name`` of the endpoint that answered."""

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the headers say about the endpoint's limit, or None; read when somebody asks."""
        if self._rate_limit is None and isinstance(self.headers, Headers):
            self._rate_limit = rate_limit_in(self.headers)
        return self._rate_limit

    @property
    def result(self) -> T:
        """The ``result`` of the envelope; all of an answer that has no envelope."""
        return self["result"] if "result" in self or "retCode" in self else self  # type: ignore[return-value]

    def rows(self) -> list[Any]:
        """The rows of the result: its list, or the result itself as the only row."""
        field = _row_table.rows_field(self.endpoint) if _row_table is not None else ""
        found = _rows_in(self.get("result", dict(self)), field)
        return found if found is not None else []

    def to_frame(self, *, decimals: type[float | Decimal] = float) -> pandas.DataFrame:
        """The rows as a pandas DataFrame with typed columns.

        Times are UTC datetimes, prices and sizes float64 or, with ``decimals=Decimal``, exact;
        integers stay integers, and the places of rows that come as arrays have their names. A
        column that holds something else than the documentation says stays as it was sent.

        Raises:
            ImportError: pandas is not installed; the message names the command.
            ConfigError: `decimals` is neither float nor Decimal.
        """
        if _row_table is None:  # a reply that was made, or unpickled, where no client is
            raise ImportError("to_frame() needs the endpoint table: import bybit_sync.frames")
        return _row_table.frame(self, decimals)

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
        names = _row_table.names_of(self.endpoint) if _row_table is not None else ()
        left = len(rows) - _SHOWN_ROWS
        more = f"<p>… and {left} more; see <code>.to_frame()</code></p>" if left > 0 else ""
        facts = html.escape(" · ".join(self._facts()))
        table = _table(rows[:_SHOWN_ROWS], names)
        return f"<p>{html.escape(head)}<br><small>{facts}</small></p>{table}{more}"

    def _facts(self) -> list[str]:
        """What happened on the wire, for people."""
        facts = [f"{self.elapsed * 1000:.1f} ms"]
        if self.rate_limit is not None and self.rate_limit.remaining is not None:
            of = f" of {self.rate_limit.limit}" if self.rate_limit.limit is not None else ""
            facts.append(f"{self.rate_limit.remaining}{of} calls left")
        if self.get("retCode", 0) != 0:
            facts.append(f"retCode {self['retCode']}: {self.get('retMsg', '')}")
        return facts


def _rebuild(
    cls: type[Reply[Any]],
    body: dict[str, Any],
    headers: Mapping[str, str],
    elapsed: float,
    rate_limit: RateLimit | None,
    endpoint: str,
) -> Reply[Any]:
    return cls(body, headers=headers, elapsed=elapsed, rate_limit=rate_limit, endpoint=endpoint)


def _rows_in(result: Any, field: str = "") -> list[Any] | None:
    if isinstance(result, list):
        return result
    if not isinstance(result, dict) or not result:
        return None
    for name in (field, *_ROW_FIELDS) if field else _ROW_FIELDS:
        if isinstance(result.get(name), list):
            found: list[Any] = result[name]
            return found
    return [result]


def _table(rows: list[Any], names: Sequence[str] = ()) -> str:
    if not rows:
        return ""
    if all(isinstance(row, dict) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[_shown(name, row.get(name, "")) for name in names] for row in rows]
    else:
        lists = [row if isinstance(row, list) else [row] for row in rows]
        names = names if all(len(row) == len(names) for row in lists) else ()
        cells = [[_shown("", cell) for cell in row] for row in lists]
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _shown(name: str, value: Any) -> str:
    text = str(_without_secrets(name, value))
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 1] + "…"
    return html.escape(text)


def _without_secrets(name: str, value: Any) -> Any:
    # Notebooks are passed on: a key that was just made must not travel in a page.
    if any(word in name.lower() for word in _SECRET_WORDS) and value not in ("", None):
        return MASK
    if isinstance(value, dict):
        return {key: _without_secrets(str(key), each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_secrets("", each) for each in value]
    return value

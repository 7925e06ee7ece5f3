"""From rows, as Bybit sends them, to a pandas DataFrame.

A column that holds anything else than the documentation says stays as it was sent: half a
conversion would be worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from bybit_sync.exceptions import ConfigError

from .columns import ColumnKind, columns_of, kind_of

if TYPE_CHECKING:
    import pandas

    from bybit_sync.call.reply import Reply

_Decimals = type[float | Decimal]
_UNITS = {"time_ms": "ms", "time_s": "s", "time_ns": "ns"}
_SIDES = (("b", "bid"), ("a", "ask"))


def frame_of(reply: Reply[Any], *, decimals: _Decimals = float) -> pandas.DataFrame:
    """A reply's rows with typed columns; an order book's have their ``side`` first.

    Raises:
        ImportError: pandas is not installed.
        ConfigError: `decimals` is neither float nor Decimal.
    """
    names = columns_of(reply.endpoint)
    result = reply.get("result")
    if names and isinstance(result, dict) and all(field in result for field, _ in _SIDES):
        rows = [[side, *level] for field, side in _SIDES for level in result[field] or ()]
        return _frame(rows, ("side", *names), reply.endpoint, decimals)
    return frame_of_rows(reply.rows(), reply.endpoint, decimals=decimals)


def frame_of_rows(
    rows: Iterable[Any],
    endpoint: str = "",
    *,
    names: Sequence[str] = (),
    decimals: _Decimals = float,
) -> pandas.DataFrame:
    """Rows with typed columns. `endpoint` is its ``group.name``; without one, or for a field that
    its documentation does not list, the field's usual meaning counts. `names` are the columns,
    in order; every field that is there by default.

    Raises:
        ImportError, ConfigError: as `frame_of`.
    """
    return _frame(list(rows), names or columns_of(endpoint), endpoint, decimals)


def _frame(
    rows: list[Any], names: Sequence[str], endpoint: str, decimals: _Decimals
) -> pandas.DataFrame:
    if decimals not in (float, Decimal):
        raise ConfigError(f"decimals: {decimals!r} is not allowed: float or Decimal")
    pandas = _pandas()
    values = _by_column(rows, names)
    columns = {
        name: _typed(pandas, column, kind_of(endpoint, str(name)), decimals)
        for name, column in values.items()
    }
    return pandas.DataFrame(columns, columns=list(values))


def _pandas() -> Any:
    try:
        import pandas  # here: an extra, and most programs do without it
    except ImportError as error:
        raise ImportError('to_frame() needs pandas: pip install "bybit-sync[history]"') from error
    return pandas


def _by_column(rows: list[Any], names: Sequence[str]) -> dict[Any, list[Any]]:
    """The values of each column, by its name or, where it has none, its place."""
    if not rows:
        return {name: [] for name in names}
    if all(isinstance(row, dict) for row in rows):
        fields = list(names) or list(dict.fromkeys(name for row in rows for name in row))
        return {name: [row.get(name) for row in rows] for name in fields}
    lists = [row if isinstance(row, list) else [row] for row in rows]
    width = max(len(row) for row in lists)
    heads: list[Any] = [*names[:width], *range(len(names), width)]
    if any(len(row) != width for row in lists):
        lists = [row + [None] * (width - len(row)) for row in lists]
    return dict(zip(heads, map(list, zip(*lists, strict=True)), strict=True))


# --- columns ------------------------------------------------------------------------------


def _typed(pandas: Any, values: list[Any], kind: ColumnKind, decimals: _Decimals) -> Any:
    convert = _CONVERTERS.get(kind)
    if kind == "decimal" and decimals is Decimal:
        convert = _exact
    if convert is not None:
        try:
            return convert(pandas, values, kind)
        except (ValueError, TypeError, OverflowError, InvalidOperation):
            pass  # not what the documentation says
    return _as_sent(pandas, values)


def _times(pandas: Any, values: list[Any], kind: str) -> Any:
    numbers = _numbers(pandas, values)
    # 0 is Bybit's "never", as the delivery time of a perpetual contract.
    return pandas.to_datetime(numbers.where(numbers > 0), unit=_UNITS[kind], utc=True)


def _floats(pandas: Any, values: list[Any], kind: str) -> Any:
    return _numbers(pandas, values).astype("float64")


def _exact(pandas: Any, values: list[Any], kind: str) -> Any:
    found = [None if value in ("", None) else Decimal(str(value)) for value in values]
    return pandas.Series(found, dtype="object")


def _integers(pandas: Any, values: list[Any], kind: str) -> Any:
    found = [None if value in ("", None) else int(value) for value in values]
    return _whole(pandas, found)


def _numbers(pandas: Any, values: list[Any]) -> Any:
    """The numbers that texts write; "" is none."""
    return pandas.to_numeric(pandas.Series(values, dtype="object"))


def _as_sent(pandas: Any, values: list[Any]) -> Any:
    if {int} <= set(map(type, values)) <= {int, type(None)}:
        return _whole(pandas, values)
    return pandas.Series(values, dtype=None if values else "object")


def _whole(pandas: Any, values: list[Any]) -> Any:
    """Integers that stay integers where some are missing, or do not fit into 64 bits."""
    try:
        return pandas.Series(values, dtype="Int64" if None in values else "int64")
    except (OverflowError, TypeError):
        return pandas.Series(values, dtype="object")


_CONVERTERS: dict[str, Callable[[Any, list[Any], str], Any]] = {
    "time_ms": _times,
    "time_s": _times,
    "time_ns": _times,
    "decimal": _floats,
    "integer": _integers,
}

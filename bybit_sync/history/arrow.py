"""Rows as Arrow tables, and what is read back from Parquet files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from bybit_sync.exceptions import BadAnswerError, ConfigError

from .fetch import Row
from .series import Column, ColumnType, Series

META = b"bybit_sync"
"""The key of a file's metadata under which it says what it holds."""

_EXACT = (38, 18)  # digits, and digits after the point: Bybit's longest have 18


def the_package() -> tuple[Any, Any]:
    """pyarrow, with what reads and writes parts, and pyarrow.parquet.

    Raises:
        ImportError: pyarrow or numpy is not installed; the message names the command.
    """
    try:
        import numpy  # noqa: F401 - used beside it, and does not come with every pyarrow
        import pyarrow  # here: an extra, and slow to import
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            'a Parquet file needs pyarrow and numpy: pip install "bybit-sync[history]"'
        ) from error
    return pyarrow, pyarrow.parquet


def schema_of(series: Series, decimals: str) -> Any:
    """The columns of a file; `decimals` is ``float`` or ``exact``."""
    arrow, _ = the_package()
    types: dict[ColumnType, Any] = {
        "time": arrow.timestamp("ms", tz="UTC"),
        "decimal": arrow.float64() if decimals == "float" else arrow.decimal128(*_EXACT),
        "integer": arrow.int64(),
        "boolean": arrow.bool_(),
        "text": arrow.string(),
    }
    return arrow.schema([(column.name, types[column.type]) for column in series.columns])


def arrow_table(series: Series, schema: Any, rows: Sequence[Row]) -> Any:
    """Rows as a table.

    Raises:
        BadAnswerError: a value is not what its column holds.
    """
    arrow, _ = the_package()
    if not rows:
        return schema.empty_table()
    columns = [
        _column(arrow, series, column, field.type, values)
        for column, field, values in zip(
            series.columns, schema, zip(*rows, strict=True), strict=True
        )
    ]
    return arrow.Table.from_arrays(columns, schema=schema)


def table_from_text(series: Series, schema: Any, text: bytes) -> Any:
    """Rows as a table, from the lines that `csv_text` makes of them.

    Raises:
        BadAnswerError: a value is not what its column holds.
    """
    arrow, _ = the_package()
    if not text:
        return schema.empty_table()
    from pyarrow import csv as arrow_csv

    types = {field.name: field.type for field in schema}
    types[series.time] = arrow.int64()
    try:
        table = arrow_csv.read_csv(
            arrow.py_buffer(text),
            read_options=arrow_csv.ReadOptions(
                column_names=schema.names, use_threads=False, block_size=len(text) + 1
            ),
            parse_options=arrow_csv.ParseOptions(quote_char='"' if b'"' in text else False),
            convert_options=arrow_csv.ConvertOptions(column_types=types),
        )
        return table.cast(schema)
    except arrow.ArrowInvalid:  # which column it was, the slow way tells
        return arrow_table(series, schema, list(csv.reader(io.StringIO(text.decode()))))


def _column(arrow: Any, series: Series, column: Column, kind: Any, values: Sequence[Any]) -> Any:
    try:
        return _CONVERTERS[column.type](arrow, kind, values)
    except (ValueError, TypeError, OverflowError) as error:  # Arrow's own errors are ValueErrors
        raise BadAnswerError(
            f"{series.endpoint}: {column.name} holds something else than its documentation says: "
            f"{error}"[:300],
            effect_unknown=False,
        ) from error


def _texts(arrow: Any, kind: Any, values: Sequence[Any]) -> Any:
    return arrow.array([_text(value) for value in values], kind)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _cast(arrow: Any, kind: Any, values: Sequence[Any]) -> Any:
    return _numbers(arrow, kind, values)


def _times(arrow: Any, kind: Any, values: Sequence[Any]) -> Any:
    return _numbers(arrow, arrow.int64(), values).cast(kind)


def _numbers(arrow: Any, kind: Any, values: Sequence[Any]) -> Any:
    """Numbers from texts, which Arrow reads faster than Python does; "" is none."""
    try:
        return arrow.array(values, arrow.string()).cast(kind)
    except (arrow.ArrowTypeError, arrow.ArrowInvalid):  # numbers of JSON, or a ""
        texts = [None if value in ("", None) else str(value) for value in values]
        return arrow.array(texts, arrow.string()).cast(kind)


def _as_they_are(arrow: Any, kind: Any, values: Sequence[Any]) -> Any:
    return arrow.array(values, kind)


_CONVERTERS: dict[ColumnType, Callable[[Any, Any, Sequence[Any]], Any]] = {
    "time": _times,
    "decimal": _cast,
    "integer": _cast,
    "boolean": _as_they_are,
    "text": _texts,
}


def write_part(table: Any, file: IO[bytes]) -> None:
    """Write a table in Arrow's own format, as it lies in memory."""
    arrow, _ = the_package()
    with arrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_part(path: Path) -> Any:
    """The table that `write_part` wrote.

    Raises:
        ConfigError: it cannot be read.
    """
    arrow, _ = the_package()
    try:
        # Not mapped: Windows lets nobody remove a file that is.
        with arrow.OSFile(str(path)) as file, arrow.ipc.open_file(file) as reader:
            return reader.read_all()
    except arrow.ArrowInvalid as error:
        raise ConfigError(f"{path}: cannot be read ({error}); remove it"[:300]) from error


def read_metadata(path: Path) -> Any:
    """What a finished file says that it holds; None where there is no file.

    Raises:
        ConfigError: it is no Parquet file of ours.
    """
    arrow, parquet = the_package()
    if not path.exists():
        return None
    try:
        metadata = parquet.read_schema(path).metadata or {}
    except arrow.ArrowInvalid as error:
        raise ConfigError(f"{path}: is no Parquet file: {error}"[:300]) from error
    if META not in metadata:
        raise ConfigError(f"{path}: was not written by bybit_sync; choose another name")
    return json.loads(metadata[META])

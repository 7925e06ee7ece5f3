"""Candles as an Arrow table, read by Arrow from the texts of answers as they came.

To take the quotes and brackets off a text, and to prove that nothing else went with them, costs
more than to read what is left. So Arrow gets the text with the quote for the separator of columns.
Then what stands between two values is a column too, and has to be a comma in every row: that Arrow
could read it proves that JSON would have read the same. It is read late, many windows at once; one
that fails then is fetched once more, as rows.

    "1704067260000","1.5"],      a row: nothing, a value, a comma, a value, a bracket and a comma
    "1704067200000","1.4"],
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .arrow import the_package
from .plan import Task
from .series import Series
from .sink import Packed

_BETWEEN, _END = b",", b"],"
# In a text of JSON no control character stands as it is, but Arrow would take these for the end of
# a line or for nothing at all. The letters are in all that Arrow takes for no number (nan, NULL,
# N/A), and in hexadecimal ones.
_UNWANTED = b"\t\n\rnNxX"
_TIME_BYTES = 15  # of unix milliseconds from 2001 to 2286, with their quotes


class Unread(NamedTuple):
    """A window's rows as text, newest first, each but the last with the line's end behind it."""

    task: Task
    text: bytes


class TextReader:
    """Makes tables of windows of one series, whose columns are plain, the time being the first."""

    def __init__(self, series: Series, schema: Any) -> None:
        arrow, _ = the_package()
        self._schema = schema
        self._names = series.names
        self._types: dict[str, Any] = {" begin": arrow.binary()}
        for field in schema:
            self._types |= {field.name: field.type, f" {field.name}": arrow.null()}
        self._types[series.time] = arrow.int64()
        self._types[f" {self._names[-1]}"] = arrow.binary(len(_END))

    def __call__(self, task: Task, text: bytes) -> Packed | None:
        """The inside of a JSON list of rows, newest first, for `table`; any thread may ask.

        None unless it looks like all of the window: its first row is whole, its last one at the
        window's start (a page that ends later is followed by another).
        """
        newest, oldest = text[:_TIME_BYTES], text[text.rfind(b"[") + 1 :][:_TIME_BYTES]
        if (
            _time(oldest) != task.start_ms
            or not task.start_ms <= _time(newest) < task.end_ms
            or text[: text.find(b"]")].count(b'","') != len(self._names) - 1
            or any(byte in text for byte in _UNWANTED)
        ):
            return None
        return Packed(_count(b"[", text) + 1, Unread(task, text.replace(b"[", b"\n")))

    def table(self, windows: Sequence[Unread]) -> Any:
        """The rows of windows that follow one another, oldest first.

        None unless all that was said of them is so: rows of numbers in quotes with nothing between
        but what has to be, as many in each as the series has columns, each row a moment later than
        the one before.
        """
        arrow, _ = the_package()
        texts = [window.text for window in reversed(windows)]
        try:
            table = self._read((_END + b"\n").join([*texts, b""]))
        except arrow.ArrowInvalid:  # a comma, a number or a whole column is something else
            return None
        begin, *columns, end = (column.chunk(0) for column in table.columns)
        values = columns[::2]
        # Only between two values is a comma alone right, and there Arrow has taken it for nothing.
        if (
            any(column.null_count for column in (begin, *values, end))
            or len(begin.buffers()[2] or b"")
            or bytes(_buffer(end)) != _END * len(end)
            or not _falls(values[0])
        ):
            return None
        turned = map(_turned, values, self._schema.types)
        return arrow.Table.from_arrays(list(turned), schema=self._schema)

    def _read(self, lines: bytes) -> Any:
        arrow, _ = the_package()
        from pyarrow import csv

        return csv.read_csv(
            arrow.py_buffer(lines),
            read_options=csv.ReadOptions(
                column_names=list(self._types), use_threads=False, block_size=len(lines) + 1
            ),
            parse_options=csv.ParseOptions(
                delimiter='"', quote_char=False, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(
                column_types=self._types, null_values=[_BETWEEN.decode()], check_utf8=False
            ),
        )


def _time(value: bytes) -> int:
    """The time in quotes; 0 where that is something else."""
    digits = value[1:-1]
    is_time = len(value) == _TIME_BYTES and value[:1] == value[-1:] == b'"' and digits.isdigit()
    return int(digits) if is_time else 0


# What follows is done by numpy: Arrow's own ways would have it load all of pandas first, which
# takes a fifth of a second and 40 MB.


def _count(byte: bytes, text: bytes) -> int:
    """As `text.count`, in a quarter of its time."""
    import numpy

    return int(numpy.count_nonzero(numpy.frombuffer(text, numpy.uint8) == ord(byte)))


def _buffer(column: Any) -> Any:
    """The values of a column without gaps, all as wide."""
    width = column.type.bit_width // 8
    return column.buffers()[1].slice(column.offset * width, len(column) * width)


def _falls(times: Any) -> bool:
    """Whether each is less than the one before."""
    import numpy

    numbers = numpy.frombuffer(_buffer(times), numpy.int64)
    return bool((numbers[1:] < numbers[:-1]).all())


def _turned(column: Any, kind: Any) -> Any:
    """A column backwards, as of a type that is as wide as its own."""
    import numpy

    arrow, _ = the_package()
    values = numpy.frombuffer(_buffer(column), f"V{kind.bit_width // 8}")
    turned = arrow.py_buffer(values[::-1].tobytes())
    return arrow.Array.from_buffers(kind, len(column), [None, turned])

"""Rows as pandas DataFrames with typed columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bybit_sync.call.reply import rows_told_by

from .columns import ColumnKind, columns_of, kind_of
from .table import FrameTable

if TYPE_CHECKING:
    from .frame import frame_of, frame_of_rows

__all__ = ["ColumnKind", "columns_of", "frame_of", "frame_of_rows", "kind_of"]

rows_told_by(FrameTable())


def __getattr__(name: str) -> Any:
    # Every client imports this package for the line above; few programs make frames.
    if name not in ("frame_of", "frame_of_rows"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import frame

    return getattr(frame, name)

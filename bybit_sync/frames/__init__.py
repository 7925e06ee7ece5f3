"""Rows as pandas DataFrames with typed columns."""

from __future__ import annotations

from bybit_sync.call.reply import rows_told_by

from .columns import ColumnKind, columns_of, kind_of
from .frame import frame_of, frame_of_rows
from .table import FrameTable

__all__ = ["ColumnKind", "columns_of", "frame_of", "frame_of_rows", "kind_of"]

rows_told_by(FrameTable())

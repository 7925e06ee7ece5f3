"""What `Reply` asks about an endpoint's rows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .columns import columns_of, rows_field

if TYPE_CHECKING:
    import pandas

    from bybit_sync.call.reply import Reply


class FrameTable:
    """The `bybit_sync.call.reply.RowTable` of this house."""

    def rows_field(self, endpoint: str) -> str:
        """The field of the result that holds the rows; "" where it is one of the usual ones."""
        return rows_field(endpoint)

    def names_of(self, endpoint: str) -> Sequence[str]:
        """The names of the places, where rows come as arrays."""
        return columns_of(endpoint)

    def frame(self, reply: Reply[Any], decimals: type[float | Decimal]) -> pandas.DataFrame:
        """The rows with typed columns."""
        from .frame import frame_of

        return frame_of(reply, decimals=decimals)

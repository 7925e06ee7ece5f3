"""What an order call returns: the order's two names, and how its fate came to be known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
"""An order as Bybit's queries show it."""


class OrderResult(dict[str, Any]):
    """An order whose fate is known. Its keys are attributes, too: ``order.orderId``.

    ``orderId``, ``orderLinkId``: as in Bybit's acknowledgement; ``orderId`` is empty where the
    order was not placed. ``placed``: true if the exchange has it (`recover` also tells of those
    that it has not). ``recovered``: true if the answer was lost and the order was found by asking.
    ``row``: the order as that query showed it; None where nothing had to be asked.
    """

    def __init__(
        self,
        orderId: str,
        orderLinkId: str,
        *,
        placed: bool = True,
        recovered: bool = False,
        row: Row | None = None,
    ) -> None:
        super().__init__(
            orderId=orderId,
            orderLinkId=orderLinkId,
            placed=placed,
            recovered=recovered,
            row=None if row is None else dict(row),
        )

    @property
    def orderId(self) -> str:  # noqa: N802  (a word of the exchange)
        """The exchange's name of the order."""
        return str(self["orderId"])

    @property
    def orderLinkId(self) -> str:  # noqa: N802
        """Our name of the order."""
        return str(self["orderLinkId"])

    @property
    def placed(self) -> bool:
        """True if the exchange has the order."""
        return bool(self["placed"])

    @property
    def recovered(self) -> bool:
        """True if the order was found by asking."""
        return bool(self["recovered"])

    @property
    def row(self) -> dict[str, Any] | None:
        """The order as the query showed it, or None."""
        row: dict[str, Any] | None = self["row"]
        return row

    @property
    def result(self) -> OrderResult:
        """Itself: what reads ``trade.place_order(...).result`` reads this as well."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (dict(self),)


def _rebuild(fields: dict[str, Any]) -> OrderResult:
    return OrderResult(**fields)

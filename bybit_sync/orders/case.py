"""One order that is followed until its fate is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .result import OrderResult, Row

# Wide, because a clock that was never compared with Bybit's may be off by minutes.
_EARLIER_MS = 600_000
_NEVER_CHANGED = ("symbol", "side", "orderType")


@dataclass(slots=True, eq=False, kw_only=True)
class Case:
    """An order under way: how to ask for it, and until when it may still appear.

    Belongs to one thread at a time. Times that end in _ms are Bybit's clock.
    """

    category: str
    symbol: str
    orderLinkId: str = ""
    orderId: str = ""
    """Known in advance by amends and cancels only."""
    content: bytes = b""
    """The order as JSON with sorted keys: a second use of its name must say the same."""
    window_ms: int
    begun_ms: int
    timeout_ms: int
    may_be_there: bool = False
    """True if an earlier call may have placed it: it is asked for before anything is sent."""
    was_placed: bool = False
    """True if an earlier call did place it: a refusal of this one leaves it where it is."""
    is_named_by_us: bool = False
    """True if nobody else can have thought of its name."""
    is_absent: bool = False
    """True once it is proved that the exchange has it not."""
    signings: int = 0
    first_ms: int | None = None
    latest_ms: int | None = None
    """The newest timestamp under which it was signed; None = not known, or never signed."""
    latest_at: float | None = None
    """The same moment on this process's monotonic clock."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.orderLinkId or self.orderId

    def signed(self, at_ms: int, at: float) -> None:
        """Its request was signed, and may be on the wire a moment later."""
        self.signings += 1
        self.is_absent = False
        if self.first_ms is None:
            self.first_ms = at_ms
        self.latest_ms = at_ms if self.latest_ms is None else max(self.latest_ms, at_ms)
        self.latest_at = at

    def follows(self, earlier: Case) -> None:
        """Take over what is known from an earlier call with the same order."""
        self.may_be_there = True
        self.first_ms = earlier.first_ms
        self.latest_ms, self.latest_at = earlier.latest_ms, earlier.latest_at

    def question(self) -> dict[str, Any]:
        """The parameters of a query for this order alone."""
        ids = {"orderId": self.orderId} if self.orderId else {"orderLinkId": self.orderLinkId}
        return {"category": self.category, "symbol": self.symbol, **ids}

    def find(self, rows: Iterable[Any]) -> Row | None:
        """This order among the rows of a query, whatever else may be there."""
        for row in rows:
            if isinstance(row, Mapping) and self.is_named_in(row) and row.get("orderId"):
                return row
        return None

    def is_named_in(self, row: Mapping[str, Any]) -> bool:
        """True if an answer names this order: one that does not is not ours."""
        if self.orderLinkId and row.get("orderLinkId") != self.orderLinkId:
            return False
        return not self.orderId or row.get("orderId") == self.orderId

    def is_another(self, row: Row) -> bool:
        """True if the order that has this name cannot be ours: it was there long before, or it is
        a different one."""
        ours = orjson.loads(self.content) if self.content else {}
        for name in _NEVER_CHANGED:
            if name in ours and name in row and ours[name] != row[name]:
                return True
        created = str(row.get("createdTime", ""))
        if self.first_ms is None or not created.isdecimal():
            return False
        return int(created) < self.first_ms - _EARLIER_MS

    def is_surely_ours(self, row: Row) -> bool:
        """True if the order that has this name can only have come of one of our requests."""
        if self.is_another(row):
            return False
        if self.is_named_by_us or self.may_be_there or self.signings > 1:
            return True
        # The exchange, or a gateway before it, may have acted on one request twice; an order
        # that is not older than the request came of it. Near the exchange both are often of one
        # millisecond; what the request says is never ahead of the exchange's clock.
        created = str(row.get("createdTime", ""))
        return created.isdecimal() and self.first_ms is not None and int(created) >= self.first_ms

    def acknowledged(self, answer: Any) -> OrderResult | None:
        """The order, if Bybit's answer acknowledges this one; an answer without our name is not
        ours."""
        if not isinstance(answer, Mapping) or not self.is_named_in(answer):
            return None
        orderId = answer.get("orderId")
        if not isinstance(orderId, str) or not orderId:
            return None
        return OrderResult(orderId, str(answer.get("orderLinkId") or self.orderLinkId))


def content_of(fields: Mapping[str, Any]) -> bytes:
    """An order's parameters in a form that two equal orders share."""
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)

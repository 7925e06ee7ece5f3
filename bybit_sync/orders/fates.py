"""What became of an order: from what was seen to what the caller is told, and what is noted."""

from __future__ import annotations

from bybit_sync.exceptions import ApiError, BybitError, OrderNotPlacedError, OrderUnknownError

from .case import Case
from .inquiry import Seen
from .result import OrderResult, Row
from .states import ABSENT, PLACED, REFUSED, UNKNOWN, State

Fate = OrderResult | BybitError
"""The order, or why there is none, or none yet."""

DUPLICATE = frozenset({10014, 110030, 110072, 170141})
"""The retCodes for an orderLinkId that was used before."""


def is_duplicate(error: BybitError | None) -> bool:
    """True if the exchange said that the name is in use."""
    return isinstance(error, ApiError) and error.ret_code in DUPLICATE


def said(cause: BybitError | None) -> str:
    """What went wrong last, for a message."""
    return "nothing was heard" if cause is None else f"last told: {cause.message}"


def fate_of(case: Case, seen: Seen, cause: BybitError | None) -> Fate:
    """What a look at the exchange says about an order; `cause` is why it was looked for."""
    if seen.row is not None:
        return _fate_of_row(case, seen.row, cause)
    if cause is not None and is_duplicate(cause):
        return cause  # somebody has the name, but not for this order
    case.is_absent = True
    return OrderNotPlacedError(
        f"order {case.name} is provably not on the exchange: its window is over, and a query "
        f"after that does not show it ({said(cause)})",
        orderLinkId=case.orderLinkId,
        request=None if cause is None else cause.request,
    )


def _fate_of_row(case: Case, row: Row, cause: BybitError | None) -> Fate:
    if cause is not None and is_duplicate(cause) and not case.is_surely_ours(row):
        return cause
    if case.is_another(row):
        return OrderNotPlacedError(
            f"order {case.name} was not placed: the name is that of another order, made at "
            f"{row.get('createdTime')} (unix ms)",
            orderLinkId=case.orderLinkId,
        )
    if row.get("orderStatus") == "Rejected":
        return OrderNotPlacedError(
            f"order {case.name} was accepted and then rejected: {row.get('rejectReason')}",
            orderLinkId=case.orderLinkId,
        )
    return OrderResult(str(row["orderId"]), case.orderLinkId, recovered=True, row=row)


def state_of(case: Case, fate: Fate | None) -> State:
    """What is noted about an order; no fate means that its call was torn away."""
    if isinstance(fate, OrderResult):
        return PLACED
    if isinstance(fate, OrderUnknownError):
        return UNKNOWN
    if isinstance(fate, OrderNotPlacedError):
        return ABSENT
    if fate is None and (case.signings or case.may_be_there):
        return UNKNOWN
    return REFUSED

"""Amends and cancels: both set a target, so what counts is whether the order has reached it.

A lost answer is looked into. A cancel is sent again while the order is still open: a second one
does nothing more. An amend is sent again only when the first can provably not act any more, for
coming late it would undo whatever the caller has done since.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from bybit_sync.api.trade import CANCEL_ORDER
from bybit_sync.call.encode import encode
from bybit_sync.call.records import Endpoint, Params, Request
from bybit_sync.clock import Clock, Deadline
from bybit_sync.exceptions import (
    ApiError,
    BadAnswerError,
    BybitError,
    ConfigError,
    OrderUnknownError,
)

from .case import Case
from .fates import said
from .inquiry import FIRST_PAUSE, LEAST_TIME, LONGEST_PAUSE, Inquiry, Seen
from .result import OrderResult, Row
from .sending import Send, Terms, check_names

_CANCELLED = frozenset({"Cancelled", "PartiallyFilledCanceled", "Deactivated"})
_CLOSED = _CANCELLED | {"Filled", "Rejected"}
_IDS = frozenset({"category", "symbol", "orderId", "orderLinkId", "orderFilter"})

_log = logging.getLogger("bybit_sync.orders")


@dataclass(slots=True, eq=False)
class Change:
    """An amend or a cancel under way; belongs to one thread at a time."""

    endpoint: Endpoint
    request: Request
    case: Case
    terms: Terms
    target: Params = field(default_factory=dict)
    """What an amend sets; empty for a cancel."""
    is_unsure: bool = False
    """True once one was sent and not clearly answered."""
    cause: BybitError | None = None
    """What went wrong last."""
    refusal: BybitError | None = None
    """The exchange's no to a later one."""

    @property
    def is_cancel(self) -> bool:
        """True for a cancel, False for an amend."""
        return self.endpoint is CANCEL_ORDER

    def is_reached(self, row: Row) -> bool:
        """True if the order is as it was asked to be."""
        if self.is_cancel:
            return row.get("orderStatus") in _CANCELLED
        shown = [name in row and _same(value, row[name]) for name, value in self.target.items()]
        return bool(shown) and all(shown)


def prepared(endpoint: Endpoint, order: Params, extra: Params | None, terms: Terms) -> Change:
    """A change, checked and ready.

    Raises:
        ConfigError: a parameter is missing or not allowed, or the order is not named.
        TypeError: there is no such parameter.
    """
    check_names(endpoint, order)
    request = encode(endpoint, order, extra)
    orderId, link = (str(request.params.get(name) or "") for name in ("orderId", "orderLinkId"))
    if not orderId and not link:
        raise ConfigError(f"{endpoint.key}: orderId or orderLinkId is required: which order?")
    case = Case(
        category=str(request.params["category"]),
        symbol=str(request.params["symbol"]),
        orderId=orderId,
        orderLinkId="" if orderId else link,  # with both given, Bybit goes by the first
        window_ms=terms.window_ms,
        begun_ms=terms.now_ms,
        timeout_ms=int(terms.timeout * 1000.0),
    )
    target = {name: value for name, value in request.params.items() if name not in _IDS}
    return Change(endpoint, request, case, terms, target)


class Changer:
    """Carries changes out."""

    def __init__(self, send: Send, inquiry: Inquiry, clock: Clock) -> None:
        self._send = send
        self._inquiry = inquiry
        self._clock = clock

    def carry_out(self, change: Change, deadline: Deadline | None = None) -> OrderResult:
        """Send a change, and look and send again until the order is as asked.

        Raises:
            ApiError: the exchange refused it, and the order is not as asked.
            TransportError: nothing was sent.
            OrderUnknownError: the deadline came first.
        """
        deadline = deadline or change.terms.deadline
        pause = FIRST_PAUSE
        while True:
            result = self._try(change, deadline) or self._watch(change, deadline)
            if result is not None:
                return result
            self._clock.sleep(min(pause, deadline.remaining()))
            pause = min(pause * 2.0, LONGEST_PAUSE)

    def _try(self, change: Change, deadline: Deadline) -> OrderResult | None:
        """Send it once. An error is raised only if nothing that was sent can have acted."""
        case, terms = change.case, change.terms

        def on_sign(now_ms: int) -> None:
            case.signed(now_ms, self._clock.monotonic())
            if terms.options.on_sign is not None:
                terms.options.on_sign(now_ms)

        left = deadline.remaining()
        needed = self._inquiry.seconds_needed(case.window_ms)
        timeout = max(LEAST_TIME, left / 2.0, left - needed - 1.0)
        options = replace(terms.options, timeout=timeout, on_sign=on_sign)
        try:
            reply = self._send(change.endpoint, change.request, options=options)
        except BybitError as error:
            change.is_unsure |= error.effect_unknown or case.signings > 1
            if not change.is_unsure:
                raise
            change.cause = error
            is_refusal = isinstance(error, ApiError) and not error.effect_unknown
            change.refusal = error if is_refusal and not error.transient else None
            return None
        order = case.acknowledged(reply.result)
        if order is None:
            change.is_unsure = True
            change.cause = BadAnswerError("the answer does not name the order")
        return order

    def _watch(self, change: Change, deadline: Deadline) -> OrderResult | None:
        """Look until the order is as asked; None if there is reason to send again.

        Raises:
            BybitError: the refusal, if the order turns out not to be as asked.
            OrderUnknownError: the deadline came first.
        """
        pause = FIRST_PAUSE
        while deadline.remaining() > LEAST_TIME:
            try:
                seen = self._inquiry.look(change.case, deadline)
            except BybitError as error:  # asking on is useless
                change.cause = error
                break
            if seen.row is not None and change.is_reached(seen.row):
                return _reached(change, seen.row)
            if _is_decided(change, seen):
                if change.refusal is not None:
                    raise change.refusal
                return None
            self._inquiry.wait([change.case], pause, deadline)
            pause = min(pause * 2.0, LONGEST_PAUSE)
        raise self._unknown(change, deadline)

    def _unknown(self, change: Change, deadline: Deadline) -> OrderUnknownError:
        cause = change.cause
        what = "cancelled" if change.is_cancel else "amended"
        error = OrderUnknownError(
            f"order {change.case.name}: after {deadline.elapsed():.1f} s it is not known whether "
            f"it was {what} ({said(cause)}); resolve() goes on",
            orderLinkId=change.case.name,
            resolver=partial(self._resolve, change),
            request=None if cause is None else cause.request,
        )
        error.__cause__ = cause
        _log.warning("%s", error.message)
        return error

    def _resolve(self, change: Change, timeout: float | None) -> OrderResult:
        deadline = Deadline.after(timeout or change.terms.timeout, self._clock)
        return self._watch(change, deadline) or self.carry_out(change, deadline)


def _reached(change: Change, row: Row) -> OrderResult:
    name = str(row.get("orderLinkId") or change.case.orderLinkId)
    return OrderResult(str(row["orderId"]), name, recovered=True, row=row)


def _is_decided(change: Change, seen: Seen) -> bool:
    """True if looking on would show nothing new: it is to be sent again, or was refused."""
    if seen.error is not None:
        return False
    if seen.is_late:
        return True
    if seen.row is None:
        return False  # perhaps not visible yet
    if seen.row.get("orderStatus") in _CLOSED:
        return True
    return change.is_cancel and change.refusal is None


def _same(wanted: Any, shown: Any) -> bool:
    """True for the same number in other words, too: 0.10 and 0.1, 0 and nothing."""
    if isinstance(wanted, Mapping) or isinstance(shown, Mapping):
        return bool(wanted == shown)
    if str(wanted) == str(shown):
        return True
    try:
        return Decimal(str(wanted) or "0") == Decimal(str(shown) or "0")
    except InvalidOperation:
        return False

"""An order whose answer was lost under ``force_retry``: asked for, not sent again on a guess."""

from __future__ import annotations

from typing import Any

from bybit_sync.call.pipeline import Pipeline
from bybit_sync.call.records import Endpoint, Request
from bybit_sync.call.reply import Reply
from bybit_sync.clock import Deadline
from bybit_sync.exceptions import BybitError, FailedRequestError
from bybit_sync.orders.case import Case
from bybit_sync.orders.fates import fate_of
from bybit_sync.orders.inquiry import Inquiry
from bybit_sync.orders.result import OrderResult

_PLACES_AN_ORDER = "/v5/order/create"
_ASKED_BY = ("category", "symbol", "orderLinkId")


class Settler:
    """Finds out what became of an order; safe for any number of threads."""

    def __init__(self, pipeline: Pipeline, query_lag: float) -> None:
        self._pipeline = pipeline
        self._inquiry = Inquiry(pipeline.call, pipeline.time, pipeline.clock, query_lag)

    def case_of(
        self, endpoint: Endpoint, request: Request, window_ms: int, timeout: float
    ) -> Case | None:
        """The order that a request places, if it can be asked for; nothing else can."""
        names = [request.params.get(name) for name in _ASKED_BY]
        if endpoint.path != _PLACES_AN_ORDER or not all(isinstance(n, str) and n for n in names):
            return None
        category, symbol, orderLinkId = map(str, names)
        return Case(
            category=category,
            symbol=symbol,
            orderLinkId=orderLinkId,
            window_ms=window_ms,
            begun_ms=self._pipeline.time.now_ms(),
            timeout_ms=int(timeout * 1000.0),
        )

    def note_signing(self, case: Case, now_ms: int) -> None:
        """The order is about to leave, signed at `now_ms`."""
        case.signed(now_ms, self._pipeline.clock.monotonic())

    def find(self, case: Case, lost: FailedRequestError, timeout: float) -> Reply[Any] | None:
        """The acknowledgement that was lost; None if the order provably is not on the exchange.

        Raises:
            FailedRequestError: `lost`; its ``effect_unknown`` says whether it is still open.
        """
        deadline = Deadline.after(timeout, self._pipeline.clock)
        try:
            for _, seen in self._inquiry.settle([case], deadline):
                fate = fate_of(case, seen, lost)
                if isinstance(fate, OrderResult):
                    return self._acknowledged(fate, lost, deadline)
                lost.effect_unknown = False
                if case.is_absent:
                    lost.transient = True  # whatever it was: now it may be sent again
                    return None
        except BybitError as hopeless:
            raise lost from hopeless
        raise lost

    def _acknowledged(
        self, order: OrderResult, lost: FailedRequestError, deadline: Deadline
    ) -> Reply[Any]:
        result = {"orderId": order.orderId, "orderLinkId": order.orderLinkId}
        now_ms = self._pipeline.time.now_ms()
        return Reply(
            {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms},
            headers=lost.resp_headers or {},
            elapsed=deadline.elapsed(),
            endpoint="trade.place_order",
        )

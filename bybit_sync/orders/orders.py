"""`client.orders`: orders that are placed once. The path of an order is `Orders._follow_through`.

named -> checked -> on disk -> sent -> acknowledged              -> OrderResult
                                    -> refused                   -> the exchange's error
                                    -> no clear answer -> asked for by name, until
                                          it shows               -> OrderResult, recovered
                                          it provably is not there -> OrderNotPlacedError
                                          the deadline comes     -> OrderUnknownError
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from bybit_sync.api.trade import AMEND_ORDER, CANCEL_ORDER
from bybit_sync.call.pipeline import Pipeline
from bybit_sync.call.records import DEFAULT_OPTIONS, CallOptions, Endpoint, Params
from bybit_sync.clock import Deadline
from bybit_sync.config import OrdersConfig
from bybit_sync.exceptions import BybitError, OrderUnknownError

from .case import Case
from .change import Changer, prepared
from .fates import Fate, fate_of, said, state_of
from .inquiry import Inquiry
from .journal import Journal
from .ledger import Ledger
from .result import OrderResult
from .sending import Sending, Terms, batch, single

_log = logging.getLogger("bybit_sync.orders")


class Orders:
    """Places, amends and cancels orders such that every fate is known, and no order doubled.

    For any number of threads. Every method takes the parameters of its counterpart in
    ``client.trade``. ``options.timeout`` is for everything, asking included; the order's own
    window is ``[orders] recv_window_ms``.
    """

    def __init__(self, pipeline: Pipeline, config: OrdersConfig, timeout: float) -> None:
        self._pipeline = pipeline
        self._clock = pipeline.clock
        self._config = config
        self._timeout = timeout
        journal = Journal(config.journal, pipeline.account_tag) if config.journal else None
        self._ledger = Ledger(journal)
        self._inquiry = Inquiry(pipeline.call, pipeline.time, pipeline.clock, config.query_lag)

    def place(
        self,
        *,
        resend: bool = False,
        options: CallOptions | None = None,
        extra: Params | None = None,
        **order: Any,
    ) -> OrderResult:
        """Place an order, as ``trade.place_order`` does, and return it once it surely is there.

        An order whose answer was lost is looked for by its ``orderLinkId`` (a fresh one where
        none is given). With `resend`, one that is provably absent is sent once more, under the
        same name.

        Raises:
            ConfigError: a parameter is not allowed, or the name stands for another order.
            OrderNotPlacedError: provably, it is not on the exchange.
            OrderUnknownError: the deadline came first; ``resolve()`` goes on asking.
            ApiError: the exchange refused it.
            TransportError: nothing was sent.
        """
        sending = single(order, extra, self._terms(options))
        (fate,) = self._follow_through(sending, resend)
        return _told(fate)

    def place_batch(
        self,
        category: str,
        orders: Sequence[Mapping[str, Any]],
        *,
        resend: bool = False,
        options: CallOptions | None = None,
        extra: Params | None = None,
    ) -> list[OrderResult | BybitError]:
        """Place several orders in one call; returns, in the order asked, each order or its error.

        The errors are those that `place` raises. A batch takes 20 orders, 10 on spot.

        Raises:
            ConfigError: a parameter is not allowed; nothing was sent.
        """
        sending = batch(category, orders, extra, self._terms(options))
        return self._follow_through(sending, resend)

    def amend(
        self, *, options: CallOptions | None = None, extra: Params | None = None, **order: Any
    ) -> OrderResult:
        """Amend an order, as ``trade.amend_order`` does, and return once it surely is amended.

        It is sent again only after the first one can provably not act any more.

        Raises:
            OrderError: there is no such order, or it is closed.
            OrderUnknownError: the deadline came first; ``resolve()`` goes on.
            BybitError: as `place`.
        """
        return self._change(AMEND_ORDER, order, extra, options)

    def cancel(
        self, *, options: CallOptions | None = None, extra: Params | None = None, **order: Any
    ) -> OrderResult:
        """Cancel an order, as ``trade.cancel_order`` does, and return once it surely is cancelled.

        When an answer was lost, "does not exist" is looked into: an order that is cancelled is
        a success, one that was filled first is the exchange's error.

        Raises:
            OrderError: there is no such order, or it was closed otherwise.
            OrderUnknownError: the deadline came first; ``resolve()`` goes on.
            BybitError: as `place`.
        """
        return self._change(CANCEL_ORDER, order, extra, options)

    def recover(self, timeout: float | None = None) -> list[OrderResult]:
        """Settle every order whose fate is open; returns what became of each.

        These are the orders of the journal that were in flight when their process ended, and
        those whose call ended with `OrderUnknownError` or was interrupted. An order that is not
        on the exchange has ``placed`` False and no ``orderId``. What another living process is
        at work on is left to it.

        Raises:
            OrderUnknownError: some are still open after `timeout` seconds; its ``resolve()``
                goes on and returns the whole list.
            ConfigError: the journal cannot be read.
        """
        cases = self._ledger.unsettled(self._pipeline.time.now_ms())
        return self._recover(cases, [], timeout)

    def close(self) -> None:
        """Close the journal; twice is fine."""
        self._ledger.close()

    # --- the path of an order -------------------------------------------------------------

    def _follow_through(self, sending: Sending, resend: bool) -> list[Fate]:
        """The fate of every order of one call, in the order asked."""
        cases, deadline = sending.cases, sending.terms.deadline
        with self._on_record(cases):
            fates = self._ask([case for case in cases if case.may_be_there], deadline)
            left = [case for case in cases if case not in fates or case.is_absent]
            for _ in range(2 if resend else 1):
                fates |= self._send(sending, left)
                left = [case for case in left if case.is_absent and not deadline.has_passed()]
            self._note(fates)
        return [fates[case] for case in cases]

    def _send(self, sending: Sending, cases: Sequence[Case]) -> dict[Case, Fate]:
        """Send orders once, and ask for those that the answer does not settle."""
        if not cases:
            return {}
        needed = self._inquiry.seconds_needed(sending.terms.window_ms)
        answers = sending.send(cases, self._pipeline.send, self._clock, needed)
        fates = {case: told.fate for case, told in answers.items() if told.fate is not None}
        causes = {case: told.cause for case, told in answers.items() if told.fate is None}
        return fates | self._ask(list(causes), sending.terms.deadline, causes)

    def _ask(
        self,
        cases: Sequence[Case],
        deadline: Deadline,
        causes: Mapping[Case, BybitError | None] | None = None,
    ) -> dict[Case, Fate]:
        """Look for orders until the fate of each is known or the deadline comes."""
        causes = causes or {}
        for case in cases:
            _log.info("order %s is asked for; %s", case.name, said(causes.get(case)))
        fates: dict[Case, Fate] = {}
        end: BybitError | None = None
        try:
            for case, seen in self._inquiry.settle(cases, deadline):
                fates[case] = fate_of(case, seen, causes.get(case))
        except BybitError as error:
            end = error
        for case in cases:
            if case not in fates:
                fates[case] = self._unknown(case, deadline, end or causes.get(case))
        return fates

    def _unknown(
        self, case: Case, deadline: Deadline, cause: BybitError | None
    ) -> OrderUnknownError:
        error = OrderUnknownError(
            f"order {case.name}: after {deadline.elapsed():.1f} s it is not known whether it was "
            f"placed ({said(cause)}); resolve() goes on asking, and so does recover()",
            orderLinkId=case.orderLinkId,
            resolver=partial(self._resolve, case, cause),
            request=None if cause is None else cause.request,
        )
        error.__cause__ = cause
        _log.warning("%s", error.message)
        return error

    def _resolve(self, case: Case, cause: BybitError | None, timeout: float | None) -> OrderResult:
        """What `OrderUnknownError.resolve` does."""
        fates = self._ask([case], self._deadline(timeout), {case: cause})
        self._note(fates)
        return _told(fates[case])

    def _recover(
        self, cases: Sequence[Case], known: list[OrderResult], timeout: float | None
    ) -> list[OrderResult]:
        fates = self._ask(cases, self._deadline(timeout))
        self._note(fates)
        known = known + [_as_result(case, fate) for case, fate in fates.items() if _is_known(fate)]
        left = [case for case in cases if not _is_known(fates[case])]
        if not left:
            return known
        names = ", ".join(case.name for case in left[:20])
        error = OrderUnknownError(
            f"the fate of {len(left)} of {len(cases)} orders is still open: {names}",
            orderLinkId=left[0].orderLinkId,
            resolver=partial(self._recover, left, known),
        )
        error.__cause__ = next(
            fate for fate in fates.values() if isinstance(fate, OrderUnknownError)
        )
        raise error

    # --- what is remembered ---------------------------------------------------------------

    @contextmanager
    def _on_record(self, cases: Sequence[Case]) -> Iterator[None]:
        """Orders are on disk when the block begins; an interrupt inside it loses none."""
        try:
            self._ledger.begin(cases)
            yield
        except BaseException as interrupt:
            self._leave(self._ledger.in_flight(cases), interrupt)
            raise

    def _leave(self, cases: Sequence[Case], interrupt: BaseException) -> None:
        """Remember what was under way when the call was torn away."""
        self._ledger.end({case: (state_of(case, None), "") for case in cases})
        names = [case.name for case in cases if case.signings or case.may_be_there]
        if not names:
            return
        text = f"orders that may have been placed: {', '.join(names)}; recover() settles them"
        _log.warning("%s: %s", type(interrupt).__name__, text)
        if hasattr(interrupt, "add_note"):  # Python 3.11
            interrupt.add_note(text)

    def _note(self, fates: Mapping[Case, Fate]) -> None:
        noted = {
            case: (state_of(case, fate), fate.orderId if isinstance(fate, OrderResult) else "")
            for case, fate in fates.items()
        }
        if noted:
            self._ledger.end(noted)

    # --- amends and cancels ---------------------------------------------------------------

    def _change(
        self, endpoint: Endpoint, order: Params, extra: Params | None, options: CallOptions | None
    ) -> OrderResult:
        change = prepared(endpoint, order, extra, self._terms(options))
        return Changer(self._pipeline.send, self._inquiry, self._clock).carry_out(change)

    # --- small things ---------------------------------------------------------------------

    def _terms(self, given: CallOptions | None) -> Terms:
        options = given or DEFAULT_OPTIONS
        window_ms = options.recv_window_ms or self._config.recv_window_ms
        timeout = options.timeout or self._timeout
        return Terms(
            options=replace(options, recv_window_ms=window_ms),
            deadline=self._deadline(timeout),
            timeout=timeout,
            window_ms=window_ms,
            now_ms=self._pipeline.time.now_ms(),
        )

    def _deadline(self, seconds: float | None) -> Deadline:
        return Deadline.after(seconds or self._timeout, self._clock)


def _told(fate: Fate) -> OrderResult:
    if isinstance(fate, BybitError):
        raise fate
    return fate


def _is_known(fate: Fate) -> bool:
    return not isinstance(fate, OrderUnknownError)


def _as_result(case: Case, fate: Fate) -> OrderResult:
    if isinstance(fate, OrderResult):
        return fate
    return OrderResult("", case.orderLinkId, placed=False, recovered=True)

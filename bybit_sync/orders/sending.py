"""Sends orders, one or a batch, and reads what the answer says about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson

from bybit_sync.api.trade import PLACE_BATCH_ORDER, PLACE_ORDER
from bybit_sync.call.client_ids import with_client_ids
from bybit_sync.call.encode import encode
from bybit_sync.call.records import CallOptions, Endpoint, Params, Request
from bybit_sync.call.reply import Reply
from bybit_sync.call.ret_codes import verdict
from bybit_sync.call.unknown import unknown_keyword
from bybit_sync.clock import Clock, Deadline
from bybit_sync.exceptions import BadAnswerError, BybitError, ConfigError

from .case import Case, content_of
from .fates import Fate, is_duplicate
from .inquiry import LEAST_TIME

Send = Callable[..., Reply[Any]]

_ASKING = 1.0  # seconds that the queries themselves take


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one call of the user's: his options, filled in, and when it must end."""

    options: CallOptions
    deadline: Deadline
    timeout: float
    window_ms: int
    now_ms: int


class Answered(NamedTuple):
    """What an answer says about one order. Without a fate it says nothing."""

    fate: Fate | None
    cause: BybitError | None = None
    """Why there is none."""


class Sending:
    """The orders of one call, checked and ready."""

    def __init__(self, endpoint: Endpoint, terms: Terms, cases: Sequence[Case]) -> None:
        self.cases = cases
        self.terms = terms
        self._endpoint = endpoint

    def send(
        self, cases: Sequence[Case], send: Send, clock: Clock, needed: float
    ) -> dict[Case, Answered]:
        """Send some of the orders; of the time that is left, `needed` seconds stay for asking."""
        terms = self.terms

        def on_sign(now_ms: int) -> None:
            for case in cases:
                case.signed(now_ms, clock.monotonic())
            if terms.options.on_sign is not None:
                terms.options.on_sign(now_ms)

        left = terms.deadline.remaining()
        timeout = max(LEAST_TIME, left / 2.0, left - needed - _ASKING)
        options = replace(terms.options, timeout=timeout, on_sign=on_sign)
        try:
            reply = send(self._endpoint, self._request(cases), options=options)
        except BybitError as error:
            return {case: judged(case, error) for case in cases}
        return self._read(cases, reply)

    def _request(self, cases: Sequence[Case]) -> Request:
        raise NotImplementedError

    def _read(self, cases: Sequence[Case], reply: Reply[Any]) -> dict[Case, Answered]:
        raise NotImplementedError


class Single(Sending):
    """One order by itself."""

    def __init__(self, request: Request, terms: Terms, case: Case) -> None:
        super().__init__(PLACE_ORDER, terms, [case])
        self._ready = request

    def _request(self, cases: Sequence[Case]) -> Request:
        return self._ready

    def _read(self, cases: Sequence[Case], reply: Reply[Any]) -> dict[Case, Answered]:
        return {case: _acknowledged(case, reply.result) for case in cases}


class Batch(Sending):
    """Several orders, each with a fate of its own."""

    def __init__(
        self, category: str, items: Mapping[Case, Params], extra: Params | None, terms: Terms
    ) -> None:
        super().__init__(PLACE_BATCH_ORDER, terms, list(items))
        self._category = category
        self._items = items
        self._extra = extra

    def _request(self, cases: Sequence[Case]) -> Request:
        orders = [self._items[case] for case in cases]
        return encode(
            PLACE_BATCH_ORDER, {"category": self._category, "request": orders}, self._extra
        )

    def _read(self, cases: Sequence[Case], reply: Reply[Any]) -> dict[Case, Answered]:
        """By position, as Bybit answers; an item that is not where it should be says nothing."""
        rows = _list_in(reply.result)
        notes = _list_in(reply.get("retExtInfo"))
        if not len(rows) == len(notes) == len(cases):
            return {case: _nothing_said() for case in cases}
        return {
            case: _item(case, row, note, reply)
            for case, row, note in zip(cases, rows, notes, strict=True)
        }


def single(order: Params, extra: Params | None, terms: Terms) -> Single:
    """An order to be sent by itself.

    Raises:
        ConfigError: a parameter is missing or not allowed.
        TypeError: there is no such parameter.
    """
    check_names(PLACE_ORDER, order)
    named = with_client_ids(PLACE_ORDER, order, extra)
    request = encode(PLACE_ORDER, named, extra)
    is_named_by_us = named is not order
    return Single(request, terms, _case(orjson.loads(request.body), terms, is_named_by_us))


def batch(
    category: str, orders: Sequence[Mapping[str, Any]], extra: Params | None, terms: Terms
) -> Batch:
    """Orders to be sent together.

    Raises:
        ConfigError: as `single`, or there are none.
    """
    params = {"category": category, "request": orders}
    named = with_client_ids(PLACE_BATCH_ORDER, params, None)
    if isinstance(orders, list | tuple) and not orders:
        raise ConfigError("place_batch: there is no order in the batch")
    sent = orjson.loads(encode(PLACE_BATCH_ORDER, named, extra).body)["request"]
    cases = [
        _case({**item, "category": category}, terms, item_named is not item_given)
        for item, item_named, item_given in zip(sent, named["request"], orders, strict=True)
    ]
    return Batch(category, dict(zip(cases, named["request"], strict=True)), extra, terms)


def judged(case: Case, error: BybitError) -> Answered:
    """What an error says about an order: refused or not sent, unless it may be there."""
    if error.effect_unknown or (is_duplicate(error) and not case.was_placed):
        return Answered(None, error)
    return Answered(error)


def check_names(endpoint: Endpoint, order: Params) -> None:
    """Refuse a keyword that the endpoint does not know.

    Raises:
        TypeError: it names the nearest one.
    """
    if unknown := [name for name in order if name not in endpoint.by_name]:
        raise unknown_keyword(endpoint, unknown)


def _case(fields: Mapping[str, Any], terms: Terms, is_named_by_us: bool) -> Case:
    return Case(
        is_named_by_us=is_named_by_us,
        category=fields["category"],
        symbol=fields["symbol"],
        orderLinkId=fields["orderLinkId"],
        content=content_of(fields),
        window_ms=terms.window_ms,
        begun_ms=terms.now_ms,
        timeout_ms=int(terms.timeout * 1000.0),
    )


def _acknowledged(case: Case, answer: Any) -> Answered:
    order = case.acknowledged(answer)
    return _nothing_said() if order is None else Answered(order)


def _nothing_said() -> Answered:
    text = "the answer does not name the order that was sent, so it is not the answer to it"
    return Answered(None, BadAnswerError(text, effect_unknown=True))


def _item(case: Case, row: Any, note: Any, reply: Reply[Any]) -> Answered:
    code = note.get("code") if isinstance(note, Mapping) else None
    if code == 0:
        return _acknowledged(case, row)
    if type(code) is not int:
        return _nothing_said()
    found = verdict(code)
    text = str(note.get("msg") or "refused")
    error = found.error(
        f"{text} (retCode {code})",
        ret_code=code,
        ret_msg=text,
        body={"retCode": code, "retMsg": text, "result": row},
        resp_headers=reply.headers,
        effect_unknown=found.maybe_executed,
    )
    error.transient = found.transient
    return judged(case, error)


def _list_in(answer: Any) -> list[Any]:
    found = answer.get("list") if isinstance(answer, Mapping) else None
    return found if isinstance(found, list) else []

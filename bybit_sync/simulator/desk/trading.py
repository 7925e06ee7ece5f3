"""The endpoints that place, amend and cancel orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..answer import Answer, Params, decimal, text
from ..refusal import Refusal, bad_params
from . import refusals
from .account import Account
from .floor import Floor
from .intake import Intake
from .margin import Margin, release, reserve
from .matching import Matcher
from .money import ZERO
from .order import Order

Work = Callable[[Account, Params], Order]


class Trading:
    """Orders in, orders changed, orders out. Answers are acknowledgements."""

    def __init__(self, floor: Floor, intake: Intake, margin: Margin, matcher: Matcher) -> None:
        self._floor = floor
        self._intake = intake
        self._margin = margin
        self._matcher = matcher

    def place_order(self, account: Account, params: Params) -> Answer:
        return _acknowledge(self._place(account, params))

    def amend_order(self, account: Account, params: Params) -> Answer:
        return _acknowledge(self._amend(account, params))

    def cancel_order(self, account: Account, params: Params) -> Answer:
        return _acknowledge(self._cancel(account, params))

    def _place(self, account: Account, params: Params) -> Order:
        order = self._intake.read(account, params)
        self._check_funds(account, order)
        self._register(account, order)
        if order.status == "Untriggered":
            book = self._floor.book_of(order)
            order.rank = self._floor.next_rank()
            self._floor.watch(book)
            book.wait(order)
        else:
            self._matcher.enter(order)
        return order

    def _check_funds(self, account: Account, order: Order) -> None:
        """Refuse an order that the account cannot pay for; a conditional one is asked later."""
        tape = self._intake.tape({"category": order.category, "symbol": order.symbol})
        self._floor.book(tape)
        it = tape.instrument
        if order.status == "Untriggered" and order.kind != "tpslOrder":
            return
        if it.is_spot and order.is_buy and order.orderType == "Market" and not order.by_amount:
            cost = self._matcher.cost(order)
            is_covered = cost <= self._margin.spendable(account, it.quote)
        else:
            price = order.price or order.last_price
            is_covered = self._margin.covers(account, order, it, price)
        if not is_covered:
            raise refusals.poor(it.is_spot)

    def _register(self, account: Account, order: Order) -> None:
        order.number, order.orderId = self._floor.next_order(order.category)
        account.keep(order)
        self._floor.accepted.append(order)
        reserve(account, order, self._floor.book_of(order).tape.instrument)

    def _amend(self, account: Account, params: Params) -> Order:
        order = self._find(account, params, "replace")
        book = self._floor.book_of(order)
        tape, it = book.tape, book.tape.instrument
        changes = _changes(order, params)
        if not changes:
            raise refusals.unchanged()
        draft = replace(order, **changes)
        if "qty" in changes and draft.qty <= order.filled:
            raise refusals.amended_below_filled(it.is_spot)
        if changes.keys() & {"price", "triggerPrice", "takeProfit", "stopLoss"}:
            self._intake.check_prices(tape, draft)
        if "qty" in changes:
            self._intake.check_qty(tape, draft)
        if "triggerPrice" in changes:
            self._intake.check_trigger(tape, draft)
            changes["triggerDirection"] = draft.triggerDirection
        release(account, order, it)
        is_covered = order.status == "Untriggered" or self._margin.covers(
            account, draft, it, draft.price or draft.last_price
        )
        reserve(account, order, it)
        if not is_covered:
            raise refusals.poor(it.is_spot)
        self._apply(account, order, changes)
        return order

    def _apply(self, account: Account, order: Order, changes: Mapping[str, Any]) -> None:
        """Change a waiting order. A new price or a larger quantity loses its place in time."""
        book = self._floor.book_of(order)
        it = book.tape.instrument
        keeps_place = not changes.keys() & {"price", "triggerPrice"} and (
            changes.get("qty", order.qty) <= order.qty
        )
        if not keeps_place:
            book.remove(order)
        release(account, order, it)
        for name, value in changes.items():
            setattr(order, name, value)
        order.updated_ms = self._floor.now_ms
        reserve(account, order, it)
        if keeps_place:
            return
        if order.status == "Untriggered":
            order.rank = self._floor.next_rank()
            self._floor.watch(book)
            book.wait(order)
        else:
            self._matcher.enter(order)

    def _cancel(self, account: Account, params: Params) -> Order:
        order = self._find(account, params, "cancel")
        self._matcher.cancel(order, "CancelByUser")
        return order

    def _find(self, account: Account, params: Params, doing: str) -> Order:
        """The open order that a request names; orderId wins over orderLinkId."""
        tape = self._intake.tape(params)
        order_id, link = text(params, "orderId"), text(params, "orderLinkId")
        if not order_id and not link:
            raise bad_params("params error: orderId or orderLinkId is required")
        order = account.orders.get(order_id) if order_id else account.links.get(link)
        if order is None or order.key != tape.instrument.key or not order.is_live:
            raise refusals.not_found(tape.instrument.is_spot, doing)
        return order

    def cancel_all_orders(self, account: Account, params: Params) -> Answer:
        category = text(params, "category")
        names = {name: text(params, name) for name in ("symbol", "baseCoin", "settleCoin")}
        if category == "linear" and not any(names.values()):
            raise bad_params("params error: symbol, baseCoin or settleCoin is required")
        if names["symbol"]:
            self._intake.tape(params)
        wanted = text(params, "orderFilter")
        if not wanted and category == "spot":
            wanted = "Order"
        done = []
        for order in self._open(account, category, names):
            if wanted in ("", order.kind) or (wanted == "OpenOrder" and order.kind == "Order"):
                self._matcher.cancel(order, "CancelByUser")
                done.append({"orderId": order.orderId, "orderLinkId": order.orderLinkId})
        return Answer({"list": done, "success": "1"})

    def _open(self, account: Account, category: str, names: Mapping[str, str]) -> list[Order]:
        """Open orders of a category that fit all names given, oldest first."""
        found: list[Order] = []
        for key, orders in account.live.items():
            if key[0] != category or not orders:
                continue
            it = self._floor.books[key].tape.instrument
            have = {"symbol": it.symbol, "baseCoin": it.base, "settleCoin": it.settle}
            if all(not name or have[what] == name for what, name in names.items()):
                found += orders.values()
        return sorted(found, key=lambda order: order.number)

    def place_batch_order(self, account: Account, params: Params) -> Answer:
        return self._batch(account, params, self._place, is_new=True)

    def amend_batch_order(self, account: Account, params: Params) -> Answer:
        return self._batch(account, params, self._amend)

    def cancel_batch_order(self, account: Account, params: Params) -> Answer:
        return self._batch(account, params, self._cancel)

    def _batch(
        self, account: Account, params: Params, work: Work, *, is_new: bool = False
    ) -> Answer:
        """Each order has its own fate: two lists in parallel, in the order asked."""
        category = text(params, "category")
        rows, notes = [], []
        for item in params.get("request") or ():
            row = {
                "category": category,
                "symbol": text(item, "symbol"),
                "orderId": "",
                "orderLinkId": text(item, "orderLinkId"),
            }
            note: dict[str, Any] = {"code": 0, "msg": "OK"}
            try:
                order = work(account, {**item, "category": category})
                row |= {"orderId": order.orderId, "orderLinkId": order.orderLinkId}
            except Refusal as refusal:
                note = {"code": refusal.ret_code, "msg": refusal.ret_msg}
            if is_new:
                row["createAt"] = str(self._floor.now_ms) if row["orderId"] else ""
            rows.append(row)
            notes.append(note)
        return Answer({"list": rows}, ext_info={"list": notes})

    def pre_check_order(self, account: Account, params: Params) -> Answer:
        """All checks, no order: margin rates before and after, in ten-thousandths."""
        order = self._intake.read(account, params)
        before = self._rates(account, order)
        self._check_funds(account, order)
        it = self._floor.book(self._intake.tape(params)).tape.instrument
        reserve(account, order, it)
        after = self._rates(account, order)
        release(account, order, it)
        return Answer(
            {
                "orderId": "",
                "orderLinkId": order.orderLinkId,
                "preImrE4": before[0],
                "preMmrE4": before[1],
                "postImrE4": after[0],
                "postMmrE4": after[1],
            }
        )

    def _rates(self, account: Account, order: Order) -> tuple[int, int]:
        coin = self._intake.tape(
            {"category": order.category, "symbol": order.symbol}
        ).instrument.settle
        wallet = account.balance(coin)
        if wallet <= 0:
            return 0, 0
        initial = maintenance = ZERO
        for slot in self._margin.slots(account, coin):
            initial += self._margin.initial(account, slot) + self._margin.ordered(account, slot)
            maintenance += self._margin.maintenance(account.position(slot))
        return int(initial / wallet * 10_000), int(maintenance / wallet * 10_000)


def _acknowledge(order: Order) -> Answer:
    return Answer({"orderId": order.orderId, "orderLinkId": order.orderLinkId})


_AMENDABLE = (
    "qty",
    "price",
    "triggerPrice",
    "takeProfit",
    "stopLoss",
    "tpLimitPrice",
    "slLimitPrice",
)
_AMENDABLE_WORDS = ("tpTriggerBy", "slTriggerBy", "triggerBy", "tpslMode")


def _changes(order: Order, params: Params) -> dict[str, Any]:
    """What a request would change, by the order's field names."""
    changes: dict[str, Any] = {}
    for name in _AMENDABLE:
        value: Decimal | None = decimal(params, name)
        if value is not None and value != getattr(order, name):
            changes[name] = value
    for name in _AMENDABLE_WORDS:
        word = text(params, name)
        if word and word != getattr(order, name):
            changes[name] = word
    if order.orderType == "Market":
        changes.pop("price", None)
    if order.status != "Untriggered":
        changes.pop("triggerPrice", None)
        changes.pop("triggerBy", None)
    return changes

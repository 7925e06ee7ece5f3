"""The endpoints that tell what an account has done: orders, executions, profit, transactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..answer import Answer, Params, limit_of, number, text
from ..refusal import bad_params, unknown_symbol
from .account import Account, Row
from .floor import Floor
from .order import Order, history_row, row
from .pages import DAY_MS, Window, page, window


class Reports:
    """Order queries and histories, newest first."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def get_open_orders(self, account: Account, params: Params) -> Answer:
        category = text(params, "category")
        order_id, link = text(params, "orderId"), text(params, "orderLinkId")
        if order_id or link:
            order = account.orders.get(order_id) if order_id else account.links.get(link)
            rows = []
            if order is not None and order.category == category and self._is_near(account, order):
                rows.append(row(order, self._floor.book_of(order).tape.instrument))
            return Answer({"list": rows, "nextPageCursor": "", "category": category})
        fits = self._filter(params, category)
        if category == "linear" and not _names(params):
            raise bad_params("params error: symbol, baseCoin or settleCoin is required")
        is_recent = number(params, "openOnly") == 1
        orders = self._recent(account) if is_recent else _live(account)
        found, cursor = page(
            orders,
            lambda order: order.orderId,
            lambda order: order.created_ms,
            lambda order: fits(order.category, order.symbol) and _is_kind(order, params),
            within=None,
            limit=limit_of(params, 20, 50),
            params=params,
            place=None if is_recent else lambda order: order.number,
        )
        rows = [row(order, self._floor.book_of(order).tape.instrument) for order in found]
        return Answer({"list": rows, "nextPageCursor": cursor, "category": category})

    def _is_near(self, account: Account, order: Order) -> bool:
        """Open, or one of the last 500 that are not any more."""
        return order.is_live or order.orderId in account.recent

    def _recent(self, account: Account) -> list[Order]:
        return [account.orders[order_id] for order_id in account.recent]

    def get_order_history(self, account: Account, params: Params) -> Answer:
        category = text(params, "category")
        fits = self._filter(params, category)
        order_id, link = text(params, "orderId"), text(params, "orderLinkId")
        status = text(params, "orderStatus")

        def wanted(order: Order) -> bool:
            return (
                fits(order.category, order.symbol)
                and order_id in ("", order.orderId)
                and (link in ("", order.orderLinkId) or bool(order_id))
                and status in ("", order.status)
                and (not order.is_live or bool(status))
                and _is_kind(order, params)
            )

        found, cursor = page(
            account.history,
            lambda order: order.orderId,
            lambda order: order.created_ms,
            wanted,
            within=self._window(params, is_one=bool(order_id or link)),
            limit=limit_of(params, 20, 50),
            params=params,
        )
        rows = [history_row(order, self._floor.book_of(order).tape.instrument) for order in found]
        return Answer({"list": rows, "nextPageCursor": cursor, "category": category})

    def get_executions(self, account: Account, params: Params) -> Answer:
        category = text(params, "category")
        fits = self._filter(params, category)
        order_id, link = text(params, "orderId"), text(params, "orderLinkId")
        kind = text(params, "execType")

        def wanted(deal: Row) -> bool:
            return (
                fits(deal["category"], deal["symbol"])
                and order_id in ("", deal["orderId"])
                and (link in ("", deal["orderLinkId"]) or bool(order_id))
                and kind in ("", deal["execType"])
            )

        found, cursor = page(
            account.executions,
            lambda deal: str(deal["seq"]),
            lambda deal: int(deal["execTime"]),
            wanted,
            within=self._window(params, is_one=bool(order_id or link)),
            limit=limit_of(params, 50, 100),
            params=params,
        )
        rows = [_without_category(deal) for deal in found]
        return Answer({"nextPageCursor": cursor, "category": category, "list": rows})

    def get_closed_pnl(self, account: Account, params: Params) -> Answer:
        category = text(params, "category")
        fits = self._filter(params, category)
        found, cursor = page(
            list(account.closings.values()),
            lambda closing: str(closing["orderId"]),
            lambda closing: int(closing["createdTime"]),
            lambda closing: fits(closing["category"], closing["symbol"]),
            within=window(params, self._floor.now_ms),
            limit=limit_of(params, 50, 100),
            params=params,
        )
        rows = [_without_category(closing) for closing in found]
        return Answer({"nextPageCursor": cursor, "category": category, "list": rows})

    def get_transaction_log(self, account: Account, params: Params) -> Answer:
        asked = {
            "category": text(params, "category"),
            "currency": text(params, "currency"),
            "type": text(params, "type"),
            "transSubType": text(params, "transSubType"),
        }
        base = text(params, "baseCoin")

        def wanted(entry: Row) -> bool:
            return all(value in ("", entry[name]) for name, value in asked.items()) and (
                not base or self._coins(entry["category"], entry["symbol"])["baseCoin"] == base
            )

        found, cursor = page(
            account.log,
            lambda entry: str(entry["id"]).rpartition("_")[2],
            lambda entry: int(entry["transactionTime"]),
            wanted,
            within=window(params, self._floor.now_ms, DAY_MS),
            limit=limit_of(params, 20, 50),
            params=params,
        )
        return Answer({"nextPageCursor": cursor, "list": found})

    def _window(self, params: Params, *, is_one: bool) -> Window | None:
        """No time limits a query for one order, unless it asks for some."""
        if is_one and not (text(params, "startTime") or text(params, "endTime")):
            return None
        return window(params, self._floor.now_ms)

    def _filter(self, params: Params, category: str) -> Callable[[str, str], bool]:
        """Says whether an instrument is among those asked for.

        Raises:
            Refusal: the symbol asked for is none.
        """
        names = _names(params)
        symbol = names.get("symbol")
        if symbol and self._floor.listed.tape(category, symbol, self._floor.now_ms) is None:
            try:
                self._floor.listed.known(category, symbol)
            except KeyError:
                raise unknown_symbol() from None

        def fits(kind: str, name: str) -> bool:
            if kind != category or (symbol and name != symbol):
                return False
            coins = self._coins(kind, name)
            return all(coins.get(what, value) == value for what, value in names.items())

        return fits

    def _coins(self, category: str, symbol: str) -> Mapping[str, str]:
        it = self._floor.listed.known(category, symbol).instrument
        return {"baseCoin": it.base, "settleCoin": it.settle}


def _names(params: Params) -> dict[str, str]:
    asked = {name: text(params, name) for name in ("symbol", "baseCoin", "settleCoin")}
    return {name: value for name, value in asked.items() if value}


def _is_kind(order: Order, params: Params) -> bool:
    return text(params, "orderFilter") in ("", order.kind)


def _live(account: Account) -> list[Order]:
    found = [order for orders in account.live.values() for order in orders.values()]
    return sorted(found, key=lambda order: order.number)


def _without_category(entry: Row) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "category"}

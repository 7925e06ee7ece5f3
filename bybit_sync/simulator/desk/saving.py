"""The floor's whole state as JSON, and back."""

from __future__ import annotations

from collections import deque
from dataclasses import fields
from decimal import Decimal
from typing import Any, TypeVar

from .account import RECENT, Account
from .floor import Floor
from .margin import reserve
from .order import Order
from .position import Position

Record = TypeVar("Record", Order, Position)


def dump_floor(floor: Floor) -> dict[str, Any]:
    """Everything that cannot be computed again from the seed."""
    return {
        "now_ms": floor.now_ms,
        "orders": floor.orders,
        "ranks": floor.ranks,
        "deals": floor.deals,
        "accepted": [[order.uid, order.orderId] for order in floor.accepted],
        "taken": [
            [*key, book.epoch, [[*at, str(qty)] for at, qty in sorted(book.taken.items())]]
            for key, book in sorted(floor.books.items())
            if book.taken
        ],
        "accounts": [_dump_account(account) for account in floor.accounts.values()],
    }


def load_floor(floor: Floor, state: dict[str, Any]) -> None:
    """Fill a new floor with a saved state."""
    for name in ("now_ms", "orders", "ranks", "deals"):
        setattr(floor, name, state[name])
    for saved in state["accounts"]:
        _load_account(floor, saved)
    for uid, order_id in state["accepted"]:
        floor.accepted.append(floor.accounts[uid].orders[order_id])
    for category, symbol, epoch, taken in state["taken"]:
        book = floor.book(floor.listed.known(category, symbol))
        book.epoch = epoch
        book.taken = {(is_buy, at): Decimal(qty) for is_buy, at, qty in taken}
    for book in floor.books.values():
        book.seen_ms = floor.now_ms
    floor.quiet_until_ms = 0


def _dump_account(account: Account) -> dict[str, Any]:
    return {
        "uid": account.uid,
        "opened_ms": account.opened_ms,
        "wallet": _texts(account.wallet),
        "realised": _texts(account.realised),
        "leverage": [[*key, str(value)] for key, value in account.leverage.items()],
        "hedged": sorted(map(list, account.hedged)),
        "positions": [_dump(position) for position in account.positions.values()],
        "orders": [_dump(order) for order in account.history],
        "recent": list(account.recent),
        "executions": account.executions,
        "closings": account.closings,
        "log": account.log,
    }


def _load_account(floor: Floor, saved: dict[str, Any]) -> None:
    account = Account(saved["uid"], saved["opened_ms"])
    if saved["uid"] == floor.house.uid:
        account = floor.house
    elif saved["uid"] == floor.fees.uid:
        account = floor.fees
    account.opened_ms = saved["opened_ms"]
    floor.accounts[account.uid] = account
    account.wallet = _numbers(saved["wallet"])
    account.realised = _numbers(saved["realised"])
    account.leverage = {(a, b): Decimal(value) for a, b, value in saved["leverage"]}
    account.hedged = {(category, symbol) for category, symbol in saved["hedged"]}
    account.recent = deque(saved["recent"], maxlen=RECENT)
    account.executions = list(saved["executions"])
    account.closings = dict(saved["closings"])
    account.log = list(saved["log"])
    for row in saved["positions"]:
        position = _load(Position, row)
        floor.listed.restore(position.category, position.symbol)
        account.positions[position.slot] = position
    for row in saved["orders"]:
        _load_order(floor, account, _load(Order, row))


def _load_order(floor: Floor, account: Account, order: Order) -> None:
    floor.listed.restore(order.category, order.symbol)
    book = floor.book(floor.listed.known(order.category, order.symbol))
    account.keep(order)
    if not order.is_live:
        return
    reserve(account, order, book.tape.instrument)
    if order.status == "Untriggered":
        book.wait(order)
    else:
        book.rest(order)


def _dump(record: Order | Position) -> dict[str, Any]:
    row = {}
    for field in fields(record):
        value = getattr(record, field.name)
        row[field.name] = str(value) if isinstance(value, Decimal) else value
    return row


def _load(kind: type[Record], row: dict[str, Any]) -> Record:
    money = {field.name for field in fields(kind) if field.type == "Decimal"}
    values: dict[str, Any] = {
        name: Decimal(value) if name in money else value for name, value in row.items()
    }
    return kind(**values)


def _texts(amounts: dict[str, Decimal]) -> dict[str, str]:
    return {coin: str(amount) for coin, amount in amounts.items()}


def _numbers(amounts: dict[str, str]) -> dict[str, Decimal]:
    return {coin: Decimal(amount) for coin, amount in amounts.items()}

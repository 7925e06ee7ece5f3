"""The least that a server needs behind it: orders that are booked and found again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bybit_sync.simulator.refusal import Refusal


@dataclass
class FakeAccount:
    uid: str
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class FakeAnswer:
    result: Any
    ext_info: Any = field(default_factory=dict)
    ret_msg: str = "OK"


class FakeWorld:
    """Books whatever it is sent; refuses the symbol NOPE, breaks on the symbol BREAK."""

    def __init__(self, *, seed: int = 0, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._accounts: dict[str, FakeAccount] = {}
        self._accepted: list[dict[str, Any]] = []
        self._handlers = {
            "trade.place_order": self._place,
            "trade.place_batch_order": self._place_batch,
            "trade.get_open_orders": self._find,
        }

    def open_account(self, balances: Mapping[str, str] | None = None) -> FakeAccount:
        account = FakeAccount(str(100_001 + len(self._accounts)))
        self._accounts[account.uid] = account
        return account

    def account(self, uid: str) -> FakeAccount:
        return self._accounts[uid]

    def handles(self, key: str) -> bool:
        return key in self._handlers

    def handle(
        self, key: str, account: FakeAccount | None, params: Mapping[str, Any]
    ) -> FakeAnswer:
        assert account is not None
        return self._handlers[key](account, params)

    def tick(self) -> None:
        pass

    def accepted_orders(self, start: int = 0) -> list[dict[str, Any]]:
        return self._accepted[start:]

    def accepted_count(self) -> int:
        return len(self._accepted)

    def dump(self) -> dict[str, Any]:
        return {"uids": list(self._accounts), "orders": self._accepted}

    @classmethod
    def load(cls, state: dict[str, Any], *, now_ms: Callable[[], int]) -> FakeWorld:
        world = cls(now_ms=now_ms)
        for uid in state["uids"]:
            world._accounts[uid] = FakeAccount(uid)
        for order in state["orders"]:
            world._book(world._accounts[order["uid"]], order)
        return world

    def _place(self, account: FakeAccount, params: Mapping[str, Any]) -> FakeAnswer:
        if params["symbol"] == "NOPE":
            raise Refusal(10001, "params error: symbol invalid")
        if params["symbol"] == "BREAK":
            raise LookupError("broken on purpose")
        order = {
            **params,
            "uid": account.uid,
            "orderId": str(uuid.uuid4()),
            "orderLinkId": params.get("orderLinkId", ""),
            "createdTime": str(self._now_ms()),
        }
        self._book(account, order)
        return FakeAnswer({name: order[name] for name in ("orderId", "orderLinkId")})

    def _place_batch(self, account: FakeAccount, params: Mapping[str, Any]) -> FakeAnswer:
        rows, notes = [], []
        for item in params["request"]:
            try:
                rows.append(self._place(account, item).result)
                notes.append({"code": 0, "msg": "OK"})
            except Refusal as refusal:
                rows.append({"orderId": "", "orderLinkId": item.get("orderLinkId", "")})
                notes.append({"code": refusal.ret_code, "msg": refusal.ret_msg})
        return FakeAnswer({"list": rows}, {"list": notes})

    def _find(self, account: FakeAccount, params: Mapping[str, Any]) -> FakeAnswer:
        wanted = params.get("orderLinkId") or params.get("orderId")
        orders = [
            order
            for order in account.orders.values()
            if wanted in (None, order["orderLinkId"], order["orderId"])
        ]
        return FakeAnswer({"list": orders, "nextPageCursor": "a%3Ab", "asked": dict(params)})

    def _book(self, account: FakeAccount, order: dict[str, Any]) -> None:
        account.orders[order["orderId"]] = order
        self._accepted.append(order)

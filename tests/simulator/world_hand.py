"""A hand on a world: calls as short as a test needs them, and a clock that a test moves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bybit_sync.simulator.refusal import Refusal
from bybit_sync.simulator.world import Account, World

START_MS = 1_790_000_000_123

SPOT = {"category": "spot", "symbol": "BTCUSDT"}
LINEAR = {"category": "linear", "symbol": "BTCUSDT"}
INVERSE = {"category": "inverse", "symbol": "BTCUSD"}


class Hand:
    """A world, its clock, and one account to act for unless told otherwise."""

    def __init__(self, seed: int = 3) -> None:
        self.now_ms = START_MS
        self.world = World(seed=seed, now_ms=lambda: self.now_ms)
        self.account = self.world.open_account()

    def call(self, key: str, account: Account | None = None, **params: Any) -> Any:
        """The result of a call."""
        return self.world.handle(key, account or self.account, params).result

    def refused(self, key: str, account: Account | None = None, **params: Any) -> tuple[int, str]:
        """The code and the text of a refusal that must come."""
        try:
            self.world.handle(key, account or self.account, params)
        except Refusal as refusal:
            return refusal.ret_code, refusal.ret_msg
        raise AssertionError(f"{key} was not refused")

    def place(self, where: dict[str, str], account: Account | None = None, **params: Any) -> str:
        """Place an order (Buy, Limit, unless told otherwise); return its orderId."""
        order = {"side": "Buy", "orderType": "Limit", **where, **params}
        return str(self.call("trade.place_order", account, **order)["orderId"])

    def order(self, where: dict[str, str], order_id: str, account: Account | None = None) -> Any:
        """An order's row, be it open or closed."""
        params = {"category": where["category"], "orderId": order_id}
        return self.call("trade.get_open_orders", account, **params)["list"][0]

    def deals(self, where: dict[str, str], account: Account | None = None) -> list[Any]:
        """Executions, oldest first."""
        found = self.call("trade.get_executions", account, category=where["category"])["list"]
        return list(reversed(found))

    def position(self, where: dict[str, str], account: Account | None = None) -> Any:
        """The one-way position of a contract."""
        return self.call("position.get_positions", account, **where)["list"][0]

    def coin(self, name: str, account: Account | None = None) -> dict[str, Any]:
        """A coin's row of the wallet."""
        wallet = self.call("account.get_wallet_balance", account, accountType="UNIFIED", coin=name)
        row: dict[str, Any] = wallet["list"][0]["coin"][0]
        return row

    def balance(self, name: str, account: Account | None = None) -> Decimal:
        """What the wallet holds of a coin."""
        return Decimal(self.coin(name, account)["walletBalance"])

    def best(self, where: dict[str, str]) -> tuple[Decimal, Decimal]:
        """Best bid and ask; 0 where nobody bids, as for an option that is worth nothing."""
        book = self.call("market.get_orderbook", **where, limit="1")
        return Decimal(book["b"][0][0] if book["b"] else 0), Decimal(book["a"][0][0])

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ms += int(seconds * 1000)
        self.world.tick()

    def totals(self) -> dict[str, Decimal]:
        """Each coin summed over all wallets."""
        sums: dict[str, Decimal] = {}
        for wallet in self.world.wallets().values():
            for coin, amount in wallet.items():
                sums[coin] = sums.get(coin, Decimal(0)) + amount
        return sums

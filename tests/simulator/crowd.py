"""Ten thousand random orders from four accounts and eight threads, over real sockets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bybit_sync.simulator import LocalAccount, LocalExchange

from .wire import Reply, Trader

THREADS_PER_ACCOUNT = 2
ORDERS_PER_THREAD = 1250
BATCH = 10
RICH = {"USDT": "1000000", "BTC": "10", "ETH": "100"}
POOR = {"USDT": "2000", "BTC": "0.01", "ETH": "0.2"}
# category, symbol, tick, step of the quantity, largest quantity in steps
MARKETS = (
    ("spot", "BTCUSDT", "0.1", "0.001", 30),
    ("linear", "BTCUSDT", "0.1", "0.001", 60),
    ("linear", "ETHUSDT", "0.01", "0.01", 90),
    ("inverse", "BTCUSD", "0.1", "10", 90),
)
REFUSED = {
    10001, 110003, 110007, 110017, 110020, 110072, 110092, 110093, 110094,
    170131, 170140, 170141, 170810,
}  # fmt: skip
"""What an honest exchange may say to a random order."""


@dataclass
class Story:
    """What the clients know when all is over."""

    accounts: list[LocalAccount] = field(default_factory=list)
    sent: int = 0
    accepted: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """orderId and orderLinkId of each acknowledged order, by uid."""
    codes: set[int] = field(default_factory=set)


class Member:
    """One thread: its own connection, its own dice."""

    def __init__(
        self,
        exchange: LocalExchange,
        account: LocalAccount,
        number: int,
        prices: dict[str, Decimal],
    ) -> None:
        self.trader = Trader(exchange, account, timeout=30)
        self.number = number
        self.dice = random.Random(number)
        self.prices = prices
        self.accepted: list[tuple[str, str]] = []
        self.where: dict[str, tuple[str, str]] = {}
        self.codes: set[int] = set()
        self.sent = 0

    def run(self) -> Member:
        """Send all orders; change and cancel some of them between."""
        with self.trader:
            while self.sent < ORDERS_PER_THREAD:
                if self.dice.random() < 0.1:
                    self.change()
                elif self.dice.random() < 0.1 and self.sent + BATCH <= ORDERS_PER_THREAD:
                    self.place_batch()
                else:
                    self.place()
        return self

    def place(self) -> None:
        category, order = self.order()
        reply = self.trader.post("/v5/order/create", {"category": category, **order})
        self.told(category, order, reply.code, reply.json["result"])

    def place_batch(self) -> None:
        market = self.dice.choice(MARKETS)
        orders = [self.order(market)[1] for _ in range(BATCH)]
        body = {"category": market[0], "request": orders}
        reply = self.trader.post("/v5/order/create-batch", body)
        notes = reply.json["retExtInfo"]["list"]
        for order, note, row in zip(orders, notes, reply.result["list"], strict=True):
            self.told(market[0], order, note["code"], row)

    def told(self, category: str, order: dict[str, Any], code: int, row: dict[str, Any]) -> None:
        """Remember what became of an order."""
        self.codes.add(code)
        if code == 0:
            assert row["orderLinkId"] == order["orderLinkId"]
            self.accepted.append((row["orderId"], row["orderLinkId"]))
            self.where[row["orderId"]] = category, order["symbol"]

    def change(self) -> None:
        """Amend or cancel one of the last orders, which may be over by now."""
        if not self.accepted:
            return
        order_id, _ = self.dice.choice(self.accepted[-20:])
        category, symbol = self.where[order_id]
        named = {"category": category, "symbol": symbol, "orderId": order_id}
        if self.dice.random() < 0.4:
            _, _, tick, _, _ = next(m for m in MARKETS if m[:2] == (category, symbol))
            price = self.price(category, symbol, tick)
            reply = self.trader.post("/v5/order/amend", {**named, "price": price})
        else:
            reply = self.trader.post("/v5/order/cancel", named)
        gone = 170213 if category == "spot" else 110001
        assert reply.code in (0, gone) or reply.code in REFUSED, reply.body

    def order(
        self, market: tuple[str, str, str, str, int] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """A random order of a market."""
        dice = self.dice
        category, symbol, tick, step, most = market or dice.choice(MARKETS)
        price = Decimal(self.price(category, symbol, tick))
        order: dict[str, Any] = {
            "symbol": symbol,
            "side": dice.choice(("Buy", "Sell")),
            "orderType": dice.choice(("Limit", "Limit", "Limit", "Market")),
            "qty": str(Decimal(step) * dice.randint(1, most)),
            "price": str(price),
            "timeInForce": dice.choice(("GTC", "GTC", "GTC", "IOC", "FOK", "PostOnly")),
            "orderLinkId": self.link(),
        }
        if category == "spot":
            order["marketUnit"] = "baseCoin"
        elif dice.random() < 0.1:
            order["reduceOnly"] = True
        if dice.random() < 0.05:
            order["triggerPrice"] = str(price + Decimal(tick) * dice.choice((-300, 300)))
            order["triggerDirection"] = dice.choice((1, 2))
        elif dice.random() < 0.1:
            sign = 1 if order["side"] == "Buy" else -1
            order["takeProfit"] = str(price + sign * 400 * Decimal(tick))
            order["stopLoss"] = str(price - sign * 400 * Decimal(tick))
        self.sent += 1
        return category, order

    def link(self) -> str:
        """A name of its own; now and then one that is used already, or that the other thread of
        this account uses at about the same time."""
        if self.sent % 50 == 49 and self.accepted:
            return self.dice.choice(self.accepted)[1]
        if self.sent % 50 == 25:
            return f"both-{self.sent}"
        return f"{self.number}-{self.sent}"

    def price(self, category: str, symbol: str, tick: str) -> str:
        near = self.prices[category + symbol] + Decimal(tick) * self.dice.randint(-40, 40)
        return str(near)


def trade(exchange: LocalExchange) -> Story:
    """Let them all loose; returns when everyone is done and no order is open."""
    story = Story()
    story.accounts = [exchange.add_account(balances=RICH) for _ in range(3)]
    story.accounts.append(exchange.add_account(balances=POOR))
    with Trader(exchange, story.accounts[0]) as trader:
        prices = {
            category + symbol: Decimal(last_price(trader, category, symbol))
            for category, symbol, *_ in MARKETS
        }
    members = [
        Member(exchange, account, number * THREADS_PER_ACCOUNT + half, prices)
        for number, account in enumerate(story.accounts)
        for half in range(THREADS_PER_ACCOUNT)
    ]
    with ThreadPoolExecutor(len(members), thread_name_prefix="crowd") as pool:
        done = list(pool.map(Member.run, members))
    for number, member in enumerate(done):
        uid = story.accounts[number // THREADS_PER_ACCOUNT].uid
        story.sent += member.sent
        story.codes |= member.codes
        story.accepted.setdefault(uid, []).extend(member.accepted)
    for account in story.accounts:
        with Trader(exchange, account) as trader:
            cancel_everything(trader)
    return story


def last_price(trader: Trader, category: str, symbol: str) -> str:
    query = f"category={category}&symbol={symbol}"
    return str(trader.get("/v5/market/tickers", query).result["list"][0]["lastPrice"])


def cancel_everything(trader: Trader) -> None:
    for category, symbol, *_ in MARKETS:
        body = {"category": category, "symbol": symbol}
        filters = ("Order", "tpslOrder", "StopOrder") if category == "spot" else ("",)
        for kind in filters:
            reply = trader.post("/v5/order/cancel-all", {**body, "orderFilter": kind})
            assert reply.code == 0, reply.body


def pages(trader: Trader, path: str, query: str) -> Iterator[dict[str, Any]]:
    """Every row of a history, newest first."""
    cursor = ""
    while True:
        reply: Reply = trader.get(path, f"{query}&cursor={cursor}")
        yield from reply.result["list"]
        cursor = reply.result["nextPageCursor"]
        if not cursor:
            return

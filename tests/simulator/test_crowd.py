"""Many threads trade at once: no balance is off by a digit, no order is lost or doubled."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.simulator import LocalExchange
from bybit_sync.simulator.refusal import Refusal
from bybit_sync.simulator.server.table import table
from bybit_sync.simulator.world import World

from .crowd import MARKETS, ORDERS_PER_THREAD, POOR, REFUSED, RICH, Story, pages, trade
from .wire import Trader

SEED = 11
CATEGORIES = sorted({market[0] for market in MARKETS})
# A field of an order, and the field of its deals that adds up to it.
SUMS = {"cumExecQty": "execQty", "cumExecValue": "execValue", "cumExecFee": "execFee"}
KEYS = {path: endpoint.key for path, endpoint in table().items()}
Row = dict[str, Any]


@dataclass
class Aftermath:
    """A crowd's story and the server's side of it."""

    exchange: LocalExchange
    story: Story
    requests: list[Row]
    state: Path


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    state = tmp_path_factory.mktemp("crowd") / "state.json"
    settings: Row = {"limits": False, "ip_limit": None, "seed": SEED, "state": str(state)}
    with LocalExchange(**settings) as exchange:
        story = trade(exchange)
        yield Aftermath(exchange, story, list(exchange.requests), state)
        assert exchange.errors == []


def everything(trader: Trader, path: str, query: str = "limit=50") -> list[Row]:
    """All rows of a history, over all categories."""
    return [row for c in CATEGORIES for row in pages(trader, path, f"category={c}&{query}")]


def total(rows: list[Row], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


def test_every_acknowledged_order_is_there_once_and_no_other(after: Aftermath) -> None:
    story = after.story
    acknowledged = [pair for pairs in story.accepted.values() for pair in pairs]

    assert story.sent == 8 * ORDERS_PER_THREAD == 10_000
    assert len(acknowledged) > 5_000  # most were good ones
    assert story.codes >= {0, 110007, 110072, 170131, 170141}
    assert story.codes <= REFUSED | {0}
    assert len(after.exchange.orders) == len(acknowledged)
    told = Counter((row["orderId"], row["orderLinkId"]) for row in after.exchange.orders)
    assert told == Counter(acknowledged)
    assert set(told.values()) == {1}


@pytest.mark.parametrize("number", range(4))
def test_history_executions_and_wallet_of_an_account_agree(after: Aftermath, number: int) -> None:
    account = after.story.accounts[number]
    with Trader(after.exchange, account) as trader:
        orders = everything(trader, "/v5/order/history")
        deals = everything(trader, "/v5/execution/list", "limit=100")
        log = list(pages(trader, "/v5/account/transaction-log", "limit=50"))
        wallet = trader.get("/v5/account/wallet-balance", "accountType=UNIFIED").result["list"][0]
        still_open = [
            trader.get("/v5/order/realtime", f"category={category}&symbol={symbol}").result["list"]
            for category, symbol, *_ in MARKETS
        ]

    own = [row for row in orders if row["createType"] == "CreateByUser"]
    assert sorted((row["orderId"], row["orderLinkId"]) for row in own) == sorted(
        after.story.accepted[account.uid]
    )
    links = [row["orderLinkId"] for row in own]
    assert len(set(links)) == len(links)
    assert still_open == [[]] * len(MARKETS)
    assert len({deal["execId"] for deal in deals}) == len(deals) > 50
    deals_of: dict[str, list[Row]] = defaultdict(list)
    for deal in deals:
        deals_of[deal["orderId"]].append(deal)
    for order in orders:
        for whole, part in SUMS.items():
            assert Decimal(order[whole]) == total(deals_of[order["orderId"]], part), order
    start = RICH if number < 3 else POOR
    for row in wallet["coin"]:
        changes = total([entry for entry in log if entry["currency"] == row["coin"]], "change")
        assert Decimal(row["walletBalance"]) == Decimal(start[row["coin"]]) + changes
        assert Decimal(row["locked"]) == 0


def test_all_wallets_together_hold_nothing(after: Aftermath) -> None:
    after.exchange.save()
    state = json.loads(after.state.read_text())

    world = World.load(state["world"], now_ms=lambda: state["world"]["floor"]["now_ms"])

    sums: dict[str, Decimal] = {}
    for wallet in world.wallets().values():
        for coin, amount in wallet.items():
            sums[coin] = sums.get(coin, Decimal(0)) + amount
    assert set(sums) >= {"USDT", "BTC", "ETH"}
    assert set(sums.values()) == {Decimal(0)}


class Replay:
    """A world of its own that is told what the server was told, at the same times."""

    def __init__(self, calls: list[Row]) -> None:
        self.now_ms = calls[0]["time"]
        self.world = World(seed=SEED, now_ms=lambda: self.now_ms)
        for balances in (None, RICH, RICH, RICH, POOR):
            self.world.open_account(balances)
        self.answers = [self.answer(call) for call in calls]

    def answer(self, call: Row) -> Any:
        self.now_ms = call["time"]
        params = json.loads(call["body"])
        try:
            answer = self.world.handle(KEYS[call["path"]], self.world.account(call["uid"]), params)
        except Refusal as refusal:
            return refusal.ret_code, refusal.ret_msg
        return answer.result, answer.ext_info


def test_the_same_seed_and_the_same_calls_give_the_same_result(after: Aftermath) -> None:
    calls = [row for row in after.requests if row["method"] == "POST"]

    one, two = Replay(calls), Replay(calls)

    assert len(calls) > 4_000
    assert one.answers == two.answers
    assert one.world.accepted_count() > 5_000
    assert one.world.dump() == two.world.dump()

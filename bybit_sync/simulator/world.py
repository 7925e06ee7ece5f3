"""The exchange's state and what it does with a call: no I/O, no threads, no clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from .answer import Answer, Params
from .desk.account import Account
from .desk.clearing import Clearing
from .desk.clockwork import Clockwork
from .desk.floor import Floor
from .desk.holdings import Holdings
from .desk.intake import Intake
from .desk.margin import Margin
from .desk.matching import Matcher
from .desk.order import history_row
from .desk.purse import Purse
from .desk.reports import Reports
from .desk.saving import dump_floor, load_floor
from .desk.stops import Stops
from .desk.trading import Trading
from .market.exchange_list import ExchangeList
from .market.public import PublicMarket
from .market.rates import Rates
from .market.statistics import PublicStatistics
from .market.tape import Tape
from .refusal import Refusal

__all__ = ["Account", "Answer", "Refusal", "World"]

FORMAT = 1
_MARKET = (
    "get_server_time",
    "get_kline",
    "get_mark_price_kline",
    "get_index_price_kline",
    "get_premium_index_price_kline",
    "get_instruments_info",
    "get_tickers",
    "get_orderbook",
    "get_public_trade_history",
)
_STATISTICS = (
    "get_funding_rate_history",
    "get_open_interest",
    "get_long_short_ratio",
    "get_historical_volatility",
    "get_risk_limit",
    "get_insurance",
)
_TRADING = (
    "place_order",
    "amend_order",
    "cancel_order",
    "cancel_all_orders",
    "place_batch_order",
    "amend_batch_order",
    "cancel_batch_order",
    "pre_check_order",
)
_HOLDINGS = ("get_positions", "set_leverage", "switch_position_mode", "set_trading_stop")
_PURSE = ("get_wallet_balance", "get_account_info", "get_fee_rates")


class World:
    """A market, its accounts and their orders.

    Nobody is liquidated and nothing is borrowed: an account in trouble only finds that it may open
    nothing more. Trailing stops are refused.

    One thread at a time. Everything follows from the seed, the calls and their times: the same
    ones give the same answers. Time is the caller's and must not run backwards; if it does, the
    world stands still until it is caught up with.
    """

    def __init__(self, *, seed: int = 0, now_ms: Callable[[], int]) -> None:
        self._clock = now_ms
        self._seed = seed
        listed, rates = ExchangeList(seed), Rates(seed)
        floor = self._floor = Floor(seed, listed, rates, now_ms())
        margin = Margin(floor)
        stops = Stops(floor, margin)
        matcher = Matcher(floor, Clearing(floor), stops)
        intake = Intake(floor)
        self._clockwork = Clockwork(floor, matcher, margin)
        market = PublicMarket(listed, rates, self._overlays)
        self._public: dict[str, Callable[[Params, int], Answer]] = {
            **_methods("market", market, _MARKET),
            **_methods("market", PublicStatistics(listed, rates), _STATISTICS),
        }
        reports, purse = Reports(floor), Purse(floor, margin)
        holdings = Holdings(floor, intake, margin, matcher, stops)
        self._private: dict[str, Callable[[Account, Params], Answer]] = {
            **_methods("trade", Trading(floor, intake, margin, matcher), _TRADING),
            **_methods(
                "trade", reports, ("get_open_orders", "get_order_history", "get_executions")
            ),
            **_methods("position", holdings, _HOLDINGS),
            **_methods("position", reports, ("get_closed_pnl",)),
            **_methods("account", purse, _PURSE),
            **_methods("asset", purse, ("get_coin_info",)),
            **_methods("account", reports, ("get_transaction_log",)),
        }

    def open_account(self, balances: Mapping[str, str] | None = None) -> Account:
        """A new account, with 1,000,000 USDT, 10 BTC and some more when nothing else is asked."""
        self.tick()
        return self._floor.open_account(balances)

    def account(self, uid: str) -> Account:
        """The account with this number.

        Raises:
            KeyError: there is none.
        """
        return self._floor.accounts[uid]

    def handles(self, key: str) -> bool:
        """True when an endpoint ("group.name") has state here."""
        return key in self._public or key in self._private

    def handle(self, key: str, account: Account | None, params: Params) -> Answer:
        """Do what a call asks for.

        Raises:
            Refusal: the exchange says no.
            KeyError: `handles(key)` is false.
        """
        self._clockwork.advance(self._clock())
        public = self._public.get(key)
        if public is not None:
            return public(params, self._floor.now_ms)
        if account is None:
            raise Refusal(10003, "API key is invalid.")
        return self._private[key](account, params)

    def tick(self) -> None:
        """Let everything happen that time has brought: fills, triggers, funding."""
        self._clockwork.advance(self._clock())

    def accepted_orders(self, start: int = 0) -> list[dict[str, Any]]:
        """Every order that a user placed and the exchange took, oldest first, as rows of
        order/history with the account's `uid`; without the first `start`."""
        floor = self._floor
        return [
            {**history_row(order, floor.book_of(order).tape.instrument), "uid": order.uid}
            for order in floor.accepted[start:]
        ]

    def accepted_count(self) -> int:
        """How many there are; at once, however many."""
        return len(self._floor.accepted)

    def wallets(self) -> dict[str, dict[str, Decimal]]:
        """All wallets by uid, the outside market's ("1") and the exchange's own ("2") included:
        together they hold nothing of any coin."""
        return {uid: dict(account.wallet) for uid, account in self._floor.accounts.items()}

    def dump(self) -> dict[str, Any]:
        """The whole state, ready for JSON."""
        self.tick()
        return {
            "format": FORMAT,
            "seed": self._seed,
            "settled_ms": self._clockwork.settled_ms,
            "floor": dump_floor(self._floor),
        }

    @classmethod
    def load(cls, state: Mapping[str, Any], *, now_ms: Callable[[], int]) -> World:
        """The world that `dump` saved; time goes on from where it was.

        Raises:
            ValueError: the state was written by another version.
        """
        if state["format"] != FORMAT:
            raise ValueError(f"the state has format {state['format']}, this is {FORMAT}")
        world = cls(seed=state["seed"], now_ms=now_ms)
        world._clockwork.settled_ms = state["settled_ms"]
        load_floor(world._floor, state["floor"])
        return world

    def _overlays(self, tape: Tape, now_ms: int) -> tuple[dict[int, Decimal], dict[int, Decimal]]:
        book = self._floor.books.get(tape.instrument.key)
        return book.overlays(now_ms) if book else ({}, {})


def _methods(group: str, part: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {f"{group}.{name}": getattr(part, name) for name in names}

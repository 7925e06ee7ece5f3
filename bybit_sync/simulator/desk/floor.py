"""The trading floor: all accounts, all books, and the counters that name things."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from ..market.dice import Dice
from ..market.exchange_list import ExchangeList
from ..market.rates import Rates
from ..market.tape import Tape
from .account import Account, Key
from .book import Book
from .money import ZERO
from .order import Order

HOUSE, FEES = "1", "2"
FIRST_UID = 100_001
STARTING = {"USDT": "1000000", "USDC": "100000", "BTC": "10", "ETH": "100", "XRP": "100000"}


class Floor:
    """State that everything at the desk works on.

    The outside market is an account too (`house`), and so is the exchange's purse (`fees`): every
    coin that somebody gets is taken from somebody else, and all wallets together hold nothing.
    """

    def __init__(self, seed: int, listed: ExchangeList, rates: Rates, now_ms: int) -> None:
        self.seed = seed
        self.listed = listed
        self.rates = rates
        self.now_ms = now_ms
        self.house = Account(HOUSE, now_ms)
        self.fees = Account(FEES, now_ms)
        self.accounts: dict[str, Account] = {HOUSE: self.house, FEES: self.fees}
        self.books: dict[Key, Book] = {}
        self.accepted: list[Order] = []
        """Orders that users placed, oldest first; those that the exchange made are not here."""
        self.orders = 0
        self.ranks = 0
        self.deals = 0
        self.quiet_until_ms = 0
        """Before this time nothing can happen by itself."""
        self._order_names = Dice(seed, "orderId")
        self._deal_names = Dice(seed, "execId")

    def open_account(self, balances: Mapping[str, str] | None) -> Account:
        """A new account, paid out by the house."""
        account = Account(str(FIRST_UID + len(self.accounts) - 2), self.now_ms)
        self.accounts[account.uid] = account
        for coin, amount in (STARTING if balances is None else balances).items():
            self.move(self.house, account, coin, Decimal(amount))
        return account

    def move(self, source: Account, target: Account, coin: str, amount: Decimal) -> None:
        """Hand coins over; a negative amount goes the other way."""
        source.wallet[coin] = source.wallet.get(coin, ZERO) - amount
        target.wallet[coin] = target.wallet.get(coin, ZERO) + amount

    def book(self, tape: Tape) -> Book:
        """The book of an instrument."""
        key = tape.instrument.key
        found = self.books.get(key)
        if found is None:
            found = self.books[key] = Book(tape)
        return found

    def book_of(self, order: Order) -> Book:
        """The book that an order belongs to."""
        return self.books[order.key]

    def owner(self, order: Order) -> Account:
        """The account that an order belongs to."""
        return self.accounts[order.uid]

    def watch(self, book: Book) -> None:
        """An order begins to wait in a book: from now on the market's trades matter to it."""
        if book.is_empty:
            book.seen_ms = self.now_ms
        next_ms = book.tape.path.after(self.now_ms).ms
        self.quiet_until_ms = min(self.quiet_until_ms, next_ms)

    def next_order(self, category: str) -> tuple[int, str]:
        """A number and an orderId; digits on spot, the look of a UUID elsewhere."""
        self.orders += 1
        number = self.orders
        if category == "spot":
            return number, str(1_800_000_000_000_000_000 + number * 256)
        return number, _dashed(self._order_names.hex(number, 32))

    def next_rank(self) -> int:
        """A place behind everybody who is there."""
        self.ranks += 1
        return self.ranks

    def next_deal(self, category: str) -> tuple[int, str]:
        """A sequence number and an execId."""
        self.deals += 1
        if category == "spot":
            return self.deals, str(2_200_000_000_000_000_000 + self.deals)
        return self.deals, _dashed(self._deal_names.hex(self.deals, 32))


def _dashed(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

"""What happens by itself: the outside market trades, funding is paid, options are delivered."""

from __future__ import annotations

from ..market.bars import Trade
from ..market.rates import FUNDING_MS
from .account import Account, Slot
from .book import Book
from .floor import Floor
from .margin import Margin
from .matching import Matcher
from .money import ZERO, cut, spell
from .position import Position, worth


class Clockwork:
    """Brings the floor from one moment to a later one, event by event in the order of time.

    How often it is called makes no difference to what happens.
    """

    def __init__(self, floor: Floor, matcher: Matcher, margin: Margin) -> None:
        self._floor = floor
        self._matcher = matcher
        self._margin = margin
        self.settled_ms = floor.now_ms // FUNDING_MS * FUNDING_MS
        """Up to when funding and delivery have been dealt with."""

    def advance(self, now_ms: int) -> None:
        """Let everything happen that is due by `now_ms`; a clock set back changes nothing."""
        floor = self._floor
        if now_ms <= floor.now_ms:
            return
        if now_ms >= floor.quiet_until_ms:
            self._run(now_ms)
        floor.now_ms = now_ms

    def _run(self, now_ms: int) -> None:
        floor = self._floor
        watched = sorted(
            (book for book in floor.books.values() if not book.is_empty),
            key=lambda book: book.tape.instrument.key,
        )
        due = {id(book): self._touch(book, now_ms) for book in watched}
        while True:
            book, trade = _first(watched, due)
            calendar_ms = self._calendar(trade.ms if trade else now_ms)
            if calendar_ms is not None:
                floor.now_ms = calendar_ms
                self._settle(calendar_ms)
                due = {id(book): self._touch(book, now_ms) for book in watched}
            elif book is not None and trade is not None:
                floor.now_ms = book.seen_ms = trade.ms
                self._matcher.show(book, trade)
                due[id(book)] = self._touch(book, now_ms)
            else:
                break
        for book in watched:
            book.seen_ms = now_ms
        nexts = [book.tape.path.after(now_ms).ms for book in watched if not book.is_empty]
        floor.quiet_until_ms = min([*nexts, self._next_calendar()])

    @staticmethod
    def _touch(book: Book, now_ms: int) -> Trade | None:
        low, high = book.bounds()
        if low is None and high is None:
            return None
        return book.tape.touch(book.seen_ms, now_ms, low, high)

    def _next_calendar(self) -> int:
        return self.settled_ms + FUNDING_MS

    def _calendar(self, until_ms: int) -> int | None:
        """The next settlement that is due, or None. Options too are delivered at such a time."""
        at = self._next_calendar()
        if at > until_ms:
            return None
        busy = any(p.size for a in self._users() for p in a.positions.values())
        if not busy and not any(key[0] == "option" for key in self._floor.books):
            self.settled_ms = until_ms // FUNDING_MS * FUNDING_MS
            return None
        return at

    def _settle(self, at_ms: int) -> None:
        self.settled_ms = at_ms
        for account in self._users():
            for slot in list(account.positions):
                if slot[0] in ("linear", "inverse") and account.size(slot):
                    self._fund(account, account.positions[slot], at_ms)
        for key, book in list(self._floor.books.items()):
            terms = book.tape.instrument.terms
            if terms is not None and terms.delivery_ms <= at_ms:
                for account in self._users():
                    self._deliver(account, (*key, 0), book, at_ms)

    def _fund(self, account: Account, position: Position, at_ms: int) -> None:
        """Longs pay shorts, or the other way when the rate is negative."""
        floor = self._floor
        it = floor.listed.known(position.category, position.symbol).instrument
        rate = floor.rates.funding(it, at_ms)
        mark = self._margin.mark(position.slot)
        fee = cut(position.worth(mark) * rate) * (1 if position.size > 0 else -1)
        floor.move(account, floor.house, it.settle, fee)
        position.realised -= fee
        position.ever_realised -= fee
        account.realised[it.settle] = account.realised.get(it.settle, ZERO) - fee
        seq, exec_id = floor.next_deal(position.category)
        name = f"{at_ms // 1000}-{position.symbol}-{account.uid}"
        tell = {
            "symbol": position.symbol,
            "category": position.category,
            "side": "Buy" if position.size > 0 else "Sell",
            "transactionTime": str(at_ms),
            "type": "SETTLEMENT",
            "size": spell(position.size),
            "qty": spell(abs(position.size)),
            "currency": it.settle,
            "tradePrice": it.spell_price(mark),
            "funding": spell(-fee),
            "change": spell(-fee),
            "feeRate": format(rate, "f"),
            "tradeId": exec_id,
            "orderId": name,
        }
        account.log.append(_entry(account, tell, seq))

    def _deliver(self, account: Account, slot: Slot, book: Book, at_ms: int) -> None:
        """Pay out an option by what it is worth at its end, and forget its open orders."""
        self._matcher.close_slot(slot, account.uid)
        position = account.positions.get(slot)
        if position is None or not position.size:
            return
        floor, it = self._floor, book.tape.instrument
        assert it.terms is not None
        index = floor.listed.usd(it.base, at_ms)
        gain = index - it.terms.strike if it.terms.is_call else it.terms.strike - index
        price = max(gain, ZERO)
        size, value = position.size, worth(it.category, abs(position.size), price)
        closing = position.trade(size < 0, abs(size), value, price)
        assert closing is not None
        flow = value if size > 0 else -value
        floor.move(floor.house, account, it.settle, flow)
        floor.house.position(slot).size += size
        position.ever_realised += closing.profit
        account.realised[it.settle] = account.realised.get(it.settle, ZERO) + closing.profit
        seq, exec_id = floor.next_deal(it.category)
        tell = {
            "symbol": it.symbol,
            "category": it.category,
            "side": "Sell" if size > 0 else "Buy",
            "transactionTime": str(at_ms),
            "type": "DELIVERY",
            "size": "0",
            "qty": spell(abs(size)),
            "currency": it.settle,
            "tradePrice": spell(price),
            "cashFlow": spell(flow),
            "change": spell(flow),
            "tradeId": exec_id,
        }
        account.log.append(_entry(account, tell, seq))

    def _users(self) -> list[Account]:
        floor = self._floor
        return [a for a in floor.accounts.values() if a not in (floor.house, floor.fees)]


def _entry(account: Account, tell: dict[str, str], seq: int) -> dict[str, str]:
    """A row of the transaction log with every documented key."""
    blank = dict.fromkeys(_LOG_KEYS, "")
    coin = tell["currency"]
    fixed = {
        "id": f"{account.uid}_{tell['symbol']}_{seq}",
        "fee": "0",
        "cashFlow": "0",
        "cashBalance": spell(account.balance(coin)),
    }
    return {**blank, **fixed, **tell}


_LOG_KEYS = (
    "id",
    "symbol",
    "category",
    "side",
    "transactionTime",
    "type",
    "transSubType",
    "qty",
    "size",
    "currency",
    "tradePrice",
    "funding",
    "fee",
    "cashFlow",
    "change",
    "cashBalance",
    "feeRate",
    "bonusChange",
    "tradeId",
    "orderId",
    "orderLinkId",
    "extraFees",
)


def _first(watched: list[Book], due: dict[int, Trade | None]) -> tuple[Book | None, Trade | None]:
    """The earliest of the trades that matter, with its book."""
    best: tuple[Book | None, Trade | None] = (None, None)
    for book in watched:
        trade = due[id(book)]
        if trade is not None and (best[1] is None or trade.ms < best[1].ms):
            best = (book, trade)
    return best

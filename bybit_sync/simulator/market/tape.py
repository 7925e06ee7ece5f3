"""One instrument's view of its coin's path: same moments, its own prices, sizes and book.

Every view is a monotone function of the path's price, so that highs stay highs and a bar made of
smaller ones is the same in all views.
"""

from __future__ import annotations

from decimal import Decimal

from .bars import MINUTE_MS, SLOTS, SPANS, WHOLE, Bar, Trade, merge
from .dice import Dice
from .instruments import Instrument
from .path import Path
from .pricing import value

Level = tuple[int, int]  # price in ticks, size in lots
MAX_LEVELS = 1000


class Tape:
    """Prices, trades and the outside market's book of a spot pair or a linear contract."""

    def __init__(
        self,
        instrument: Instrument,
        path: Path,
        dice: Dice,
        *,
        lot: Decimal,
        offset: int = 0,
        factor: int = 1,
        depth: int = 500,
    ) -> None:
        self.instrument = instrument
        self.path = path
        self.lot = lot
        self._dice = dice
        self._offset = offset
        self._factor = factor
        self.mark_shift = offset * 2 // 3
        self._depth = depth * factor
        tick = instrument.tick
        self._places = max(0, -int(tick.as_tuple().exponent))
        self._unit = int(tick.scaleb(self._places))
        self._lot_places = max(0, -int(lot.as_tuple().exponent))
        self._book: tuple[int, int, list[Level], list[Level]] = (-1, 0, [], [])

    def spell(self, ticks: int) -> str:
        """A price as Bybit spells it."""
        return _point(ticks * self._unit, self._places)

    def spell_volume(self, volume: int) -> str:
        """A volume in the coin or contracts that the instrument counts."""
        return _point(volume, self._lot_places)

    def spell_turnover(self, turnover: int) -> str:
        """A turnover in the other coin."""
        return _point(turnover * self._unit, self._places + self._lot_places)

    def run(self, minutes: int, first: int, last: int) -> list[list[str]]:
        """Past bars as klines spell them, without their times, oldest first; none where the path
        has no such bars. What `window` tells, for many bars at once."""
        bars = self.path.run(minutes, first, last)
        if not bars:
            return []
        viewed = map(self.view, bars, range(first * minutes, (last + 1) * minutes, minutes))
        opens, highs, lows, closes, volumes, turnovers, _ = zip(*viewed, strict=True)
        columns = [
            _points([price * self._unit for price in prices], self._places)
            for prices in (opens, highs, lows, closes)
        ]
        columns.append(list(map(self.spell_volume, volumes)))
        columns.append(list(map(self.spell_turnover, turnovers)))
        return list(map(list, zip(*columns, strict=True)))

    def price(self, ticks: int) -> Decimal:
        """A price as a number."""
        return ticks * self.instrument.tick

    def qty(self, size: int) -> Decimal:
        """A trade's or a level's size as a number."""
        return size * self.lot

    def as_last(self, by: str, ticks: int) -> int:
        """The last price at which the mark or index price (`by`, as in triggerBy) is `ticks`."""
        if by == "MarkPrice":
            return ticks + self._offset - self.mark_shift
        return ticks + self._offset if by == "IndexPrice" else ticks

    def view(self, bar: Bar, minute: int) -> Bar:
        """A bar of the path, beginning at this minute, as this instrument shows it."""
        shift = self._offset
        return Bar(
            bar.open + shift,
            bar.high + shift,
            bar.low + shift,
            bar.close + shift,
            bar.volume * self._factor,
            (bar.turnover + shift * bar.volume) * self._factor,
            0,
        )

    def seen(self, trade: Trade) -> Trade:
        """A trade of the path as this instrument shows it."""
        return trade._replace(price=trade.price + self._offset, size=trade.size * self._factor)

    def window(self, start: int, end: int, now_ms: int) -> Bar:
        """The bar over minutes `start` to `end`, as far as the present."""
        return self.view(self.path.until(start, end, now_ms), start)

    def rolling_day(self, now_ms: int) -> Bar:
        """The last 24 hours."""
        return self.view(self.path.rolling_day(now_ms), now_ms // MINUTE_MS - 1440)

    def mark(self, now_ms: int) -> int:
        """The mark price in ticks: between the index and the last price."""
        return self.path.last(now_ms).price + self.mark_shift

    def mark_window(self, start: int, end: int, now_ms: int) -> Bar:
        """The bar of the mark price."""
        return _shifted(self.path.until(start, end, now_ms), self.mark_shift)

    def index_window(self, start: int, end: int, now_ms: int) -> Bar:
        """The bar of the index, which is the coin's own price."""
        return self.path.until(start, end, now_ms)

    def premium(self, index: int) -> int:
        """How much this contract is above the index, in millionths."""
        return self._offset * 1_000_000 // index

    def last(self, now_ms: int) -> Trade:
        """The newest trade."""
        return self.seen(self.path.last(now_ms))

    def newest(self, now_ms: int, count: int) -> list[Trade]:
        """The newest trades, newest first."""
        return [self.seen(trade) for trade in self.path.newest(now_ms, count)]

    def touch(
        self, after_ms: int, until_ms: int, low: int | None, high: int | None
    ) -> Trade | None:
        """The first trade in the time given, its start excluded, at `low` or below or at `high`
        or above. Passes over days and hours whose range touches neither."""
        minute, end = after_ms // MINUTE_MS, until_ms // MINUTE_MS
        while minute <= end:
            span = self._untouched(minute, end, low, high)
            if span:
                minute += span
                continue
            for trade in self.path.trades(minute):
                if after_ms < trade.ms <= until_ms:
                    seen = self.seen(trade)
                    if _touches(seen.price, seen.price, low, high):
                        return seen
            minute += 1
        return None

    def _untouched(self, minute: int, end: int, low: int | None, high: int | None) -> int:
        """Minutes from here that can be passed over; 0 when this one must be looked at."""
        for level, span in enumerate(SPANS):
            if minute % span == 0 and (minute + span <= end or span == 1):
                bar = self.view(self.path.bar(level, minute // span), minute)
                if not _touches(bar.low, bar.high, low, high):
                    return span
        return 0

    def spell_index(self, now_ms: int) -> str:
        """The index price: what the coin itself costs."""
        path = self.path
        return _point(path.last(now_ms).price, path.climate.places)

    def trade_digits(self, number: int) -> str:
        """32 hexadecimal digits that name a trade."""
        return self._dice.hex(-1 - number, 32)

    def book(self, now_ms: int, levels: int) -> tuple[int, list[Level], list[Level]]:
        """The last trade's number, and at least `levels` bids and asks (as far as there are any),
        best first, around it."""
        last = self.last(now_ms)
        number, known, bids, asks = self._book
        if number != last.number or known < levels:
            bids, asks = self._quote(last, levels)
            self._book = (last.number, levels, bids, asks)
        return last.number, bids, asks

    def _quote(self, last: Trade, levels: int) -> tuple[list[Level], list[Level]]:
        ask = last.price if last.is_buy else last.price + 1
        return self._ladders(last.number, ask - 1, ask, levels)

    def _ladders(
        self, number: int, bid: int, ask: int, levels: int
    ) -> tuple[list[Level], list[Level]]:
        dice = self._dice.throw(number, 2 * levels)
        bids, asks = [], []
        for i in range(levels):
            down, up = dice[2 * i], dice[2 * i + 1]
            if bid > 0:
                bids.append((bid, self._size(down, i, bid)))
            asks.append((ask, self._size(up, i, ask)))
            # Mostly a tick apart, sometimes more, as far from the touch as books are.
            bid -= 1 if down & 7 else 1 + i // 4
            ask += 1 if up & 7 else 1 + i // 4
        return bids, asks

    def _size(self, die: int, rank: int, price: int) -> int:
        return 1 + (die * self._depth * (8 + min(rank, 56)) >> 19)


class InverseTape(Tape):
    """A contract of one USD: volume in contracts, turnover in the base coin."""

    def qty(self, size: int) -> Decimal:
        return Decimal(size)

    def spell_volume(self, volume: int) -> str:
        return str(volume)

    def spell_turnover(self, turnover: int) -> str:
        return _point(turnover, self._lot_places)

    def view(self, bar: Bar, minute: int) -> Bar:
        # Contracts are whole: count the USD since midnight at both ends, so that nothing is
        # rounded twice and the parts add up.
        before, after = bar.before // WHOLE, (bar.before + bar.turnover) // WHOLE
        return bar._replace(volume=after - before, turnover=bar.volume)

    def seen(self, trade: Trade) -> Trade:
        before = trade.before // WHOLE
        after = (trade.before + trade.price * trade.size) // WHOLE
        return trade._replace(size=after - before)

    def _size(self, die: int, rank: int, price: int) -> int:
        return max(1, super()._size(die, rank, price) * price // WHOLE)


class OptionTape(Tape):
    """An option on the coin: worth what the underlying makes it, quoted with a wide spread."""

    def view(self, bar: Bar, minute: int) -> Bar:
        day = minute // 1440
        low, high = self._mark(bar.low, day), self._mark(bar.high, day)
        if low > high:
            low, high = high, low
        volume = self._fewer(bar.volume)
        return Bar(
            self._mark(bar.open, day),
            high,
            low,
            self._mark(bar.close, day),
            volume,
            bar.turnover,
            0,
        )

    def window(self, start: int, end: int, now_ms: int) -> Bar:
        # An option ages from day to day: days are seen first and put together afterwards.
        parts = []
        while start < end and start <= now_ms // MINUTE_MS:
            stop = min((start // 1440 + 1) * 1440, end)
            parts.append(self.view(self.path.until(start, stop, now_ms), start))
            start = stop
        return merge(parts)

    def rolling_day(self, now_ms: int) -> Bar:
        minute = now_ms // MINUTE_MS
        return self.window(minute - 1440, minute + 1, now_ms)

    def mark(self, now_ms: int) -> int:
        return self.last(now_ms).price

    def mark_window(self, start: int, end: int, now_ms: int) -> Bar:
        return self.window(start, end, now_ms)

    def seen(self, trade: Trade) -> Trade:
        day = trade.number // (SLOTS * 1440)
        return trade._replace(price=self._mark(trade.price, day), size=1 + self._fewer(trade.size))

    def spell_turnover(self, turnover: int) -> str:
        return _point(turnover // 2000, 4)

    def run(self, minutes: int, first: int, last: int) -> list[list[str]]:
        return []  # each bar is seen as of its day

    def _mark(self, ticks: int, day: int) -> int:
        assert self.instrument.terms is not None
        worth = value(self.instrument.terms, ticks / 10**self.path.climate.places, day)
        return max(1, round(worth.price / float(self.instrument.tick)))

    def _quote(self, last: Trade, levels: int) -> tuple[list[Level], list[Level]]:
        half = 1 + last.price // 100
        return self._ladders(last.number, last.price - half, last.price + half, min(levels, 25))

    def _fewer(self, lots: int) -> int:
        return lots // 2000


def _shifted(bar: Bar, shift: int) -> Bar:
    return bar._replace(
        open=bar.open + shift,
        high=bar.high + shift,
        low=bar.low + shift,
        close=bar.close + shift,
    )


def _touches(bottom: int, top: int, low: int | None, high: int | None) -> bool:
    return (low is not None and bottom <= low) or (high is not None and top >= high)


def _point(value: int, places: int) -> str:
    """An integer with a decimal point `places` from its end."""
    if not places:
        return str(value)
    text = str(value)
    if len(text) <= places:
        text = text.zfill(places + 1)
    return f"{text[:-places]}.{text[-places:]}"


def _points(values: list[int], places: int) -> list[str]:
    """`_point` of many."""
    if not places or min(values) < 10**places:
        return [_point(value, places) for value in values]
    return [f"{text[:-places]}.{text[-places:]}" for text in map(str, values)]


def point(value: int, places: int) -> str:
    """`_point` for values that may be negative."""
    return f"-{_point(-value, places)}" if value < 0 else _point(value, places)

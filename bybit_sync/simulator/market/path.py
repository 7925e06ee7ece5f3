"""Where a coin's price goes: two years back, any time forward, computed when asked for.

A day is made from noise, and each bar is then cut into smaller ones that add up to it exactly:
a day into 24 hours, these into quarters, fives and minutes, and a minute into trades. So a day
costs the same whether or not anybody looks at its minutes, and both views agree to the last digit.
Everything is counted in whole ticks and lots: integers do not round, on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .bars import MINUTE, MINUTE_MS, SLOT_MS, SLOTS, SPANS, WHOLE, Bar, Trade, merge
from .cutting import cut, deals
from .dice import Dice

_LEVEL = {span: level for level, span in enumerate(SPANS)}


@dataclass(frozen=True, slots=True)
class Climate:
    """What a coin's market is like: its usual price in ticks and a day's volume in lots."""

    price: int
    volume: int
    places: int = 1
    """Decimals of a tick."""


class Path:
    """The outside market of one coin. A pure function of its seed; the caches only save time."""

    def __init__(self, seed: int, coin: str, climate: Climate) -> None:
        self.climate = climate
        self._levels = [Dice(seed, coin, "day")] + [Dice(seed, coin, span) for span in SPANS[:-1]]
        self._walk = Dice(seed, coin, "walk")
        self._prints = Dice(seed, coin, "trades")
        self.midnight = lru_cache(maxsize=4096)(self._midnight)
        self._day_before = lru_cache(maxsize=4)(self._merge_day)
        self._day = lru_cache(maxsize=4096)(self._make_day)
        self._parts = lru_cache(maxsize=2048)(self._make_parts)
        self.trades = lru_cache(maxsize=256)(self._make_trades)

    def bar(self, level: int, index: int) -> Bar:
        """The bar of `SPANS[level]` minutes that begins at minute `index * SPANS[level]`."""
        if level == 0:
            return self._day(index)
        parent, place = divmod(index, SPANS[level - 1] // SPANS[level])
        return self._parts(level, parent)[place]

    def cover(self, start: int, end: int) -> Iterator[Bar]:
        """The fewest bars that fill the minutes from `start` up to, not including, `end`."""
        while start < end:
            level = next(
                k for k, span in enumerate(SPANS) if start % span == 0 and start + span <= end
            )
            yield self.bar(level, start // SPANS[level])
            start += SPANS[level]

    def forming(self, now_ms: int) -> Bar:
        """The current minute as far as it has got."""
        minute = now_ms // MINUTE_MS
        whole = self.bar(MINUTE, minute)
        done = [trade for trade in self.trades(minute) if trade.ms <= now_ms]
        prices = [trade.price for trade in done] or [whole.open]
        return Bar(
            whole.open,
            max(prices),
            min(prices),
            prices[-1],
            sum(trade.size for trade in done),
            sum(trade.size * trade.price for trade in done),
            whole.before,
        )

    def until(self, start: int, end: int, now_ms: int) -> Bar:
        """The bar over minutes `start` to `end`, cut off at the present."""
        minute = now_ms // MINUTE_MS
        if end <= minute:
            level = _LEVEL.get(end - start)
            if level is not None and start % (end - start) == 0:
                return self.bar(level, start // (end - start))
            return merge(self.cover(start, end))
        return merge([*self.cover(start, minute), self.forming(now_ms)])

    def run(self, minutes: int, first: int, last: int) -> list[Bar]:
        """The bars of so many minutes from number `first` to `last`, both included and past; none
        where no level has such bars."""
        level = _LEVEL.get(minutes)
        if not level:  # days are few
            return []
        share = SPANS[level - 1] // SPANS[level]
        found: list[Bar] = []
        for parent in range(first // share, last // share + 1):
            found += self._parts(level, parent)
        begin = first % share
        return found[begin : begin + last - first + 1]

    def rolling_day(self, now_ms: int) -> Bar:
        """The last 24 hours, from the minute a day ago to the present."""
        return merge((self._day_before(now_ms // MINUTE_MS), self.forming(now_ms)))

    def last(self, ms: int) -> Trade:
        """The newest trade at this moment."""
        minute, inside = divmod(ms, MINUTE_MS)
        trades = self.trades(minute)
        slot = inside // SLOT_MS
        if trades[slot].ms <= ms:
            return trades[slot]
        return trades[slot - 1] if slot else self.trades(minute - 1)[-1]

    def after(self, ms: int) -> Trade:
        """The first trade later than this moment."""
        minute, inside = divmod(ms, MINUTE_MS)
        slot = inside // SLOT_MS
        trades = self.trades(minute)
        if trades[slot].ms > ms:
            return trades[slot]
        return trades[slot + 1] if slot + 1 < SLOTS else self.trades(minute + 1)[0]

    def newest(self, now_ms: int, count: int) -> list[Trade]:
        """The last `count` trades, newest first."""
        minute = now_ms // MINUTE_MS
        found = [trade for trade in reversed(self.trades(minute)) if trade.ms <= now_ms]
        while len(found) < count:
            minute -= 1
            found.extend(reversed(self.trades(minute)))
        return found[:count]

    def _merge_day(self, minute: int) -> Bar:
        return merge(self.cover(minute - 1440, minute))

    def _midnight(self, day: int) -> int:
        """The price at the start of a day since 1970, in ticks."""
        tide = sum(
            self._walk.wave(day, period) * weight
            for period, weight in ((360, 7), (90, 5), (30, 3), (10, 2), (3, 1))
        )  # at most 18 * 2**15; divided below so that the price stays within 30 % of the usual
        return self.climate.price * (2**21 + tide) // 2**21

    def _make_day(self, day: int) -> Bar:
        start, end = self.midnight(day), self.midnight(day + 1)
        up, down, mean, volume = self._levels[0].throw(day, 4)
        high = max(start, end) + start * (4000 + up) // 4_000_000
        low = min(start, end) - start * (4000 + down) // 4_000_000
        lots = self.climate.volume * (32768 + volume) // 65536
        centre = (start + end + high + low) // 4 + (high - low) * (mean - 32768) // 400_000
        centre = min(max(centre, low + (high - low) // 4 + 1), high - (high - low) // 4 - 1)
        return Bar(start, high, low, end, lots, lots * centre // WHOLE * WHOLE, 0)

    def _make_parts(self, level: int, parent: int) -> tuple[Bar, ...]:
        whole = self.bar(level - 1, parent)
        count = SPANS[level - 1] // SPANS[level]
        return cut(whole, count, self._levels[level].throw(parent, 4 * count))

    def _make_trades(self, minute: int) -> tuple[Trade, ...]:
        return deals(self.bar(MINUTE, minute), minute, self._prints.throw(minute, 3 * SLOTS))

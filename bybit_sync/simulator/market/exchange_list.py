"""Everything that is listed at a moment, and the tape of each instrument."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache

from .dice import Dice
from .instruments import Instrument, Terms
from .path import Climate, Path
from .pricing import DAY_MS
from .tape import InverseTape, OptionTape, Tape

CATEGORIES = ("spot", "linear", "inverse", "option")

# coin: reference tick and lot, usual price in ticks, a day's volume in lots
_COINS: dict[str, tuple[str, str, int, int]] = {
    "BTC": ("0.1", "0.001", 900_000, 12_000_000),
    "ETH": ("0.01", "0.01", 330_000, 20_000_000),
    "XRP": ("0.0001", "0.1", 25_000, 1_500_000_000),
    "SOL": ("0.01", "0.1", 18_000, 40_000_000),
    "DOGE": ("0.00001", "1", 21_000, 1_200_000_000),
}
# coin: spot base precision, least and largest quantity, largest of a market order
_SPOT: dict[str, tuple[str, str, str, str]] = {
    "BTC": ("0.000001", "0.000011", "83", "41.5"),
    "ETH": ("0.00001", "0.00028", "2400", "1200"),
    "XRP": ("0.01", "0.41", "1500000", "750000"),
    "SOL": ("0.001", "0.006", "33000", "16500"),
    "DOGE": ("0.1", "4.8", "20000000", "10000000"),
}
# coin: tick as spelt, step, largest quantity, largest of a market order, leverage
_LINEAR: dict[str, tuple[str, str, str, str, str]] = {
    "BTC": ("0.10", "0.001", "1190.000", "500.000", "100.00"),
    "ETH": ("0.01", "0.01", "7240.00", "3100.00", "100.00"),
    "XRP": ("0.0001", "0.1", "3400000.0", "1700000.0", "75.00"),
    "SOL": ("0.010", "0.1", "79770.0", "15950.0", "100.00"),
    "DOGE": ("0.00001", "1", "46000000", "9200000", "75.00"),
}
_INVERSE: dict[str, tuple[str, str]] = {"BTC": ("0.10", "25000000"), "ETH": ("0.01", "16000000")}

COINS = ("USDT", "USDC", *_COINS)
"""Everything that a wallet can hold."""


class ExchangeList:
    """The instruments and their tapes. A pure function of the seed and, for options, the time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.paths = {
            coin: Path(seed, coin, Climate(price, volume, len(tick) - 2))
            for coin, (tick, _, price, volume) in _COINS.items()
        }
        self._tapes: dict[tuple[str, str], Tape] = {}
        for make in (self._spot, self._linear):
            for coin in _COINS:
                self._add(make(coin))
        for coin in _INVERSE:
            self._add(self._inverse(coin))
        self._series = lru_cache(maxsize=64)(self._make_series)
        self._expiries = lru_cache(maxsize=8)(_expiries)

    def tape(self, category: str, symbol: str, now_ms: int) -> Tape | None:
        """The tape of a listed instrument, or None."""
        found = self._tapes.get((category, symbol))
        if category != "option":
            return found
        if found is None:
            self._list_options(now_ms)
            found = self._tapes.get((category, symbol))
        if found is None or not _is_live(found.instrument, now_ms):
            return None
        return found

    def known(self, category: str, symbol: str) -> Tape:
        """The tape of an instrument that is or was listed; options keep theirs when they expire.

        Raises:
            KeyError: it never was.
        """
        return self._tapes[category, symbol]

    def restore(self, category: str, symbol: str) -> None:
        """Make an option known again that may have expired since."""
        if category == "option" and (category, symbol) not in self._tapes:
            date = datetime.strptime(symbol.split("-")[1], "%d%b%y").replace(tzinfo=timezone.utc)
            for tape in self._series(int(date.timestamp() * 1000) + 8 * 3_600_000):
                self._add(tape)

    def tapes(self, category: str, now_ms: int) -> list[Tape]:
        """All that is listed in a category, by symbol."""
        if category == "option":
            self._list_options(now_ms)
        found = [
            tape
            for (kind, _), tape in self._tapes.items()
            if kind == category and (kind != "option" or _is_live(tape.instrument, now_ms))
        ]
        return sorted(found, key=lambda tape: tape.instrument.symbol)

    def usd(self, coin: str, now_ms: int) -> Decimal:
        """What one of a coin is worth in USD; 1 for the stable ones, 0 for unknown ones."""
        if coin in ("USDT", "USDC", "USD"):
            return Decimal(1)
        path = self.paths.get(coin)
        return path.last(now_ms).price * Decimal(_COINS[coin][0]) if path else Decimal(0)

    def _list_options(self, now_ms: int) -> None:
        for delivery_ms in self._expiries((now_ms - 8 * 3_600_000) // DAY_MS):
            for tape in self._series(delivery_ms):
                if tape.instrument.key not in self._tapes:
                    self._add(tape)

    def _add(self, tape: Tape) -> None:
        self._tapes[tape.instrument.key] = tape

    def _dice(self, instrument: Instrument) -> Dice:
        return Dice(self._seed, instrument.category, instrument.symbol, "book")

    def _spot(self, coin: str) -> Tape:
        tick, lot, _, volume = _COINS[coin]
        step, least, most, market = _SPOT[coin]
        instrument = Instrument(
            category="spot",
            symbol=f"{coin}USDT",
            symbol_id=9 + list(_COINS).index(coin),
            base=coin,
            quote="USDT",
            settle="USDT",
            tick=Decimal(tick),
            step=Decimal(step),
            min_qty=Decimal(least),
            max_qty=Decimal(most),
            max_market_qty=Decimal(market),
            min_value=Decimal(5),
        )
        path = self.paths[coin]
        dice = self._dice(instrument)
        return Tape(instrument, path, dice, lot=Decimal(lot), depth=volume // 24_000)

    def _linear(self, coin: str) -> Tape:
        _, lot, price, volume = _COINS[coin]
        tick, step, most, market, leverage = _LINEAR[coin]
        instrument = Instrument(
            category="linear",
            symbol=f"{coin}USDT",
            symbol_id=5 + list(_COINS).index(coin),
            base=coin,
            quote="USDT",
            settle="USDT",
            tick=Decimal(tick),
            step=Decimal(step),
            min_qty=Decimal(step),
            max_qty=Decimal(most),
            max_market_qty=Decimal(market),
            min_value=Decimal(5),
            max_leverage=Decimal(leverage),
        )
        return Tape(
            instrument,
            self.paths[coin],
            self._dice(instrument),
            lot=Decimal(lot),
            offset=price * 3 // 10_000,
            factor=7,
            depth=volume // 24_000,
        )

    def _inverse(self, coin: str) -> Tape:
        _, lot, _, volume = _COINS[coin]
        tick, most = _INVERSE[coin]
        instrument = Instrument(
            category="inverse",
            symbol=f"{coin}USD",
            symbol_id=100 + list(_COINS).index(coin),
            base=coin,
            quote="USD",
            settle=coin,
            tick=Decimal(tick),
            step=Decimal(1),
            min_qty=Decimal(1),
            max_qty=Decimal(most),
            max_market_qty=Decimal(5_000_000),
            min_value=Decimal(1),
        )
        path = self.paths[coin]
        dice = self._dice(instrument)
        return InverseTape(instrument, path, dice, lot=Decimal(lot), depth=volume // 24_000)

    def _make_series(self, delivery_ms: int) -> list[Tape]:
        """Calls and puts around the price of the day on which the series was listed."""
        path = self.paths["BTC"]
        middle = path.midnight(delivery_ms // DAY_MS - 35) // 10
        strikes = [middle * (100 + percent) // 100_000 * 1000 for percent in (-10, 0, 10)]
        return [
            self._option(Terms(is_call, strike, delivery_ms), path)
            for strike in strikes
            for is_call in (True, False)
        ]

    def _option(self, terms: Terms, path: Path) -> Tape:
        day = datetime.fromtimestamp(terms.delivery_ms // 1000, timezone.utc)
        series = f"{day.day}{day.strftime('%b%y').upper()}"
        instrument = Instrument(
            category="option",
            symbol=f"BTC-{series}-{terms.strike}-{'C' if terms.is_call else 'P'}-USDT",
            symbol_id=0,
            base="BTC",
            quote="USDT",
            settle="USDT",
            tick=Decimal(5),
            step=Decimal("0.01"),
            min_qty=Decimal("0.01"),
            max_qty=Decimal(500),
            max_market_qty=Decimal(500),
            min_value=Decimal(0),
            terms=terms,
        )
        return OptionTape(instrument, path, self._dice(instrument), lot=Decimal("0.01"), depth=400)


def _is_live(instrument: Instrument, now_ms: int) -> bool:
    return instrument.terms is None or now_ms < instrument.terms.delivery_ms


def _expiries(day: int) -> tuple[int, ...]:
    """The next two Fridays after a day since 1970, and the last one of the month after."""
    today = datetime.fromtimestamp(day * 86_400, timezone.utc)
    friday = today + timedelta(days=(4 - today.weekday()) % 7 or 7)
    later = friday + timedelta(days=7)
    year, month = (later.year + later.month // 12, later.month % 12 + 1)
    last = datetime(year, month, monthrange(year, month)[1], tzinfo=timezone.utc)
    last -= timedelta(days=(last.weekday() - 4) % 7)
    return tuple(int(at.timestamp() * 1000) + 8 * 3_600_000 for at in (friday, later, last))

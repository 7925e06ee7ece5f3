"""Slow figures of a contract: funding, open interest, volatility, how many are long."""

from __future__ import annotations

from decimal import Decimal

from .dice import Dice
from .instruments import Instrument
from .tape import InverseTape, Tape, point

FUNDING_MS = 8 * 3_600_000
STEP_MS = 300_000  # open interest and the account ratio are told every five minutes


class Rates:
    """Figures that are a pure function of the seed, the contract and the time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._dice: dict[tuple[str, str, str], Dice] = {}

    def funding(self, instrument: Instrument, at_ms: int) -> Decimal:
        """The rate that is settled at `at_ms`, a multiple of eight hours."""
        die = self._of(instrument, "funding").throw(at_ms // FUNDING_MS, 1)[0]
        return Decimal(10_000 + (die - 32768) // 3).scaleb(-8)

    def next_funding_ms(self, now_ms: int) -> int:
        """When funding is settled next."""
        return (now_ms // FUNDING_MS + 1) * FUNDING_MS

    def open_interest(self, tape: Tape, at_ms: int) -> int:
        """What is open, in the tape's volume units."""
        wave = self._of(tape.instrument, "interest").wave
        index = at_ms // STEP_MS
        tide = wave(index, 2016) + wave(index, 288) // 2 + wave(index, 12) // 8
        usual = tape.path.climate.volume // 4
        if isinstance(tape, InverseTape):
            usual = usual * tape.path.climate.price // 10_000
        return usual * (131_072 + tide) // 131_072

    def long_share(self, instrument: Instrument, at_ms: int) -> Decimal:
        """The part of the accounts that is long."""
        wave = self._of(instrument, "ratio").wave(at_ms // STEP_MS, 48)
        return Decimal(5000 + wave // 40).scaleb(-4)

    def volatility(self, coin: str, period: int, at_ms: int) -> str:
        """Volatility of a coin over `period` days, as of an hour."""
        dice = Dice(self._seed, coin, "volatility", period)
        return point(55_000_000 + dice.wave(at_ms // 3_600_000, 96) * 300, 8)

    def _of(self, instrument: Instrument, what: str) -> Dice:
        name = (*instrument.key, what)
        if name not in self._dice:
            self._dice[name] = Dice(self._seed, *name)
        return self._dice[name]

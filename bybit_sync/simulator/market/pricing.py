"""What an option is worth: Black and Scholes without interest."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, exp, log, pi, sqrt

from .instruments import Terms

VOLATILITY = 0.55  # a year
DAY_MS = 86_400_000
_YEAR_DAYS = 365.0


@dataclass(frozen=True, slots=True)
class Value:
    """Price in the quote coin, and the greeks for one unit of the base coin."""

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float


def value(terms: Terms, spot: float, day: int) -> Value:
    """The option's worth on a day since 1970 with the underlying at `spot`.

    Time runs in whole days, so that within a day the price follows the underlying and nothing
    else: a bar's high and low come from the underlying's.
    """
    years = max(terms.delivery_ms / DAY_MS - day, 0.01) / _YEAR_DAYS
    spread = VOLATILITY * sqrt(years)
    up = (log(spot / terms.strike) + spread * spread / 2) / spread
    density = exp(-up * up / 2) / sqrt(2 * pi)
    call = spot * _below(up) - terms.strike * _below(up - spread)
    return Value(
        price=max(call if terms.is_call else call - spot + terms.strike, 0.0),
        delta=_below(up) if terms.is_call else _below(up) - 1,
        gamma=density / (spot * spread),
        vega=spot * density * sqrt(years) / 100,
        theta=-spot * density * VOLATILITY / (2 * sqrt(years)) / _YEAR_DAYS,
    )


def _below(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2

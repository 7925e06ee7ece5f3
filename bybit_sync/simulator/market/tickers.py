"""The 24-hour row of an instrument."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .bars import MINUTE, MINUTE_MS, Bar
from .pricing import DAY_MS, VOLATILITY, value
from .rates import Rates
from .tape import InverseTape, Tape


def ticker(tape: Tape, rates: Rates, now_ms: int) -> dict[str, Any]:
    """Latest price, best bid and ask, and the last 24 hours, in the category's own shape."""
    day = tape.rolling_day(now_ms)
    if tape.instrument.terms is not None:
        return _option(tape, rates, day, now_ms)
    if tape.instrument.is_spot:
        return {
            **_common(tape, day, now_ms),
            "usdIndexPrice": tape.spell(tape.path.last(now_ms).price),
        }
    return _contract(tape, rates, day, now_ms)


def _common(tape: Tape, day: Bar, now_ms: int) -> dict[str, Any]:
    _, bids, asks = tape.book(now_ms, 1)
    change = Decimal(day.close - day.open) / day.open
    return {
        "symbol": tape.instrument.symbol,
        "bid1Price": tape.spell(bids[0][0]) if bids else "0",
        "bid1Size": tape.spell_volume(bids[0][1]) if bids else "0",
        "ask1Price": tape.spell(asks[0][0]),
        "ask1Size": tape.spell_volume(asks[0][1]),
        "lastPrice": tape.spell(day.close),
        "prevPrice24h": tape.spell(day.open),
        "price24hPcnt": format(change.quantize(Decimal("0.000001")), "f"),
        "highPrice24h": tape.spell(day.high),
        "lowPrice24h": tape.spell(day.low),
        "turnover24h": tape.spell_turnover(day.turnover),
        "volume24h": tape.spell_volume(day.volume),
    }


def _contract(tape: Tape, rates: Rates, day: Bar, now_ms: int) -> dict[str, Any]:
    minute = now_ms // MINUTE_MS
    hour_ago = tape.view(tape.path.bar(MINUTE, minute - 60), minute - 60)
    interest = rates.open_interest(tape, now_ms)
    mark = tape.mark(now_ms)
    settled = rates.next_funding_ms(now_ms)
    worth = _worth(tape, interest, mark)
    return {
        **_common(tape, day, now_ms),
        "indexPrice": tape.spell(tape.path.last(now_ms).price),
        "markPrice": tape.spell(mark),
        "prevPrice1h": tape.spell(hour_ago.open),
        "openInterest": tape.spell_volume(interest),
        "openInterestValue": worth,
        "singleOpenInterest": tape.spell_volume(interest // 2),
        "singleOpenInterestValue": _worth(tape, interest // 2, mark),
        "fundingRate": format(rates.funding(tape.instrument, settled), "f"),
        "nextFundingTime": str(settled),
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "basis": "",
        "basisRateYear": "",
        "deliveryFeeRate": "",
        "deliveryTime": "0",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
        "fundingIntervalHour": "8",
        "fundingCap": "0.005",
    }


def _worth(tape: Tape, interest: int, mark: int) -> str:
    if isinstance(tape, InverseTape):
        worth = Decimal(interest) / tape.price(mark)
    else:
        worth = tape.qty(interest) * tape.price(mark)
    return format(worth.quantize(Decimal("0.01")), "f")


def _option(tape: Tape, rates: Rates, day: Bar, now_ms: int) -> dict[str, Any]:
    terms = tape.instrument.terms
    assert terms is not None
    common = _common(tape, day, now_ms)
    del common["prevPrice24h"]
    common["change24h"] = common.pop("price24hPcnt")
    index = tape.spell_index(now_ms)
    greeks = value(terms, float(index), now_ms // DAY_MS)
    volatility = format(VOLATILITY, ".4f")
    return {
        **common,
        "bid1Iv": volatility,
        "ask1Iv": volatility,
        "markPrice": tape.spell(tape.mark(now_ms)),
        "indexPrice": index,
        "markIv": volatility,
        "underlyingPrice": index,
        "openInterest": tape.spell_volume(rates.open_interest(tape, now_ms) // 2000),
        "totalVolume": tape.spell_volume(day.volume * 30),
        "totalTurnover": tape.spell_turnover(day.turnover * 30),
        "delta": f"{greeks.delta:.8f}",
        "gamma": f"{greeks.gamma:.8f}",
        "vega": f"{greeks.vega:.8f}",
        "theta": f"{greeks.theta:.8f}",
        "predictedDeliveryPrice": "0",
    }

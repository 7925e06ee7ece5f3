"""The public endpoints that tell slow figures: funding, open interest, risk, volatility."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from ..answer import Answer, Params, limit_of, number, text
from ..refusal import bad_params, unknown_symbol
from .exchange_list import ExchangeList
from .instruments import LAUNCH_MS
from .rates import FUNDING_MS, Rates
from .tape import Tape

HOUR_MS = 3_600_000
_PERIODS = {
    "5min": 300_000,
    "15min": 900_000,
    "30min": 1_800_000,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "1d": 24 * HOUR_MS,
}


class PublicStatistics:
    """Answers that need no account and change slowly."""

    def __init__(self, listed: ExchangeList, rates: Rates) -> None:
        self._listed = listed
        self._rates = rates

    def get_funding_rate_history(self, params: Params, now_ms: int) -> Answer:
        tape = self._tape(params, now_ms)
        start, end = number(params, "startTime"), number(params, "endTime")
        if start is not None and end is None:
            raise bad_params("params error: endTime is required with startTime")
        limit = limit_of(params, 200, 200)
        times = _times(FUNDING_MS, start, end, limit, now_ms)
        listed = [
            {
                "symbol": tape.instrument.symbol,
                "fundingRate": format(self._rates.funding(tape.instrument, at), "f"),
                "fundingRateTimestamp": str(at),
            }
            for at in times
        ]
        return Answer({"category": text(params, "category"), "list": listed})

    def get_open_interest(self, params: Params, now_ms: int) -> Answer:
        tape = self._tape(params, now_ms)
        times, cursor = self._series(params, "intervalTime", 50, 200, now_ms)
        listed = []
        for at in times:
            interest = self._rates.open_interest(tape, at)
            listed.append(
                {
                    "openInterest": tape.spell_volume(interest),
                    "singleOpenInterest": tape.spell_volume(interest // 2),
                    "timestamp": str(at),
                }
            )
        instrument = tape.instrument
        return Answer(
            {
                "symbol": instrument.symbol,
                "category": instrument.category,
                "list": listed,
                "nextPageCursor": cursor,
            }
        )

    def get_long_short_ratio(self, params: Params, now_ms: int) -> Answer:
        tape = self._tape(params, now_ms)
        times, cursor = self._series(params, "period", 50, 500, now_ms)
        listed = []
        for at in times:
            share = self._rates.long_share(tape.instrument, at)
            listed.append(
                {
                    "symbol": tape.instrument.symbol,
                    "buyRatio": format(share, "f"),
                    "sellRatio": format(1 - share, "f"),
                    "timestamp": str(at),
                }
            )
        return Answer({"list": listed, "nextPageCursor": cursor})

    def get_historical_volatility(self, params: Params, now_ms: int) -> Answer:
        start, end = number(params, "startTime"), number(params, "endTime")
        if (start is None) != (end is None):
            raise bad_params("params error: startTime and endTime must be passed together")
        if start is not None and end is not None and end - start > 30 * 24 * HOUR_MS:
            raise bad_params("params error: startTime and endTime span more than 30 days")
        period = number(params, "period") or 7
        coin = text(params, "baseCoin") or "BTC"
        times = _times(HOUR_MS, start, end, 1 if start is None else 721, now_ms)
        listed = [
            {"period": period, "value": self._rates.volatility(coin, period, at), "time": str(at)}
            for at in times
        ]
        return Answer(listed, ret_msg="SUCCESS")

    def get_risk_limit(self, params: Params, now_ms: int) -> Answer:
        category = text(params, "category")
        tapes = self._listed.tapes(category, now_ms)
        if symbol := text(params, "symbol"):
            tapes = [tape for tape in tapes if tape.instrument.symbol == symbol]
            if not tapes:
                raise unknown_symbol()
        listed = [row for tape in tapes for row in _tiers(tape)]
        return Answer({"category": category, "list": listed, "nextPageCursor": ""})

    def get_insurance(self, params: Params, now_ms: int) -> Answer:
        coin = text(params, "coin")
        rows = [
            ("USDT", "BTCUSDT,ETHUSDT,XRPUSDT", "90217857.60247600"),
            ("BTC", "BTCUSD", "1203.20781012"),
            ("ETH", "ETHUSD", "15120.04410000"),
        ]
        listed = []
        for name, symbols, balance in rows:
            worth = Decimal(balance) * self._listed.usd(name, now_ms)
            if coin in ("", name):
                listed.append(
                    {
                        "coin": name,
                        "symbols": symbols,
                        "balance": balance,
                        "value": format(worth, "f"),
                    }
                )
        return Answer({"updatedTime": str(now_ms // 86_400_000 * 86_400_000), "list": listed})

    def _tape(self, params: Params, now_ms: int) -> Tape:
        tape = self._listed.tape(text(params, "category"), text(params, "symbol"), now_ms)
        if tape is None:
            raise unknown_symbol()
        return tape

    def _series(
        self, params: Params, name: str, default: int, most: int, now_ms: int
    ) -> tuple[list[int], str]:
        """Times on a grid, newest first, and the cursor to what is older."""
        period = _PERIODS.get(text(params, name))
        if period is None:
            raise bad_params(f"params error: {name} invalid")
        start, end = number(params, "startTime"), number(params, "endTime")
        if cursor := unquote(text(params, "cursor")):
            try:
                end = int(cursor.partition("lasttime=")[2]) * 1000 - 1
            except ValueError:
                raise bad_params("params error: cursor invalid") from None
        limit = limit_of(params, default, most)
        times = _times(period, start, end, limit, now_ms)
        oldest = max(start or LAUNCH_MS, LAUNCH_MS)
        if not times or times[-1] - period < oldest:
            return times, ""
        return times, f"lastid%3D{times[-1] // period}%26lasttime%3D{times[-1] // 1000}"


def _times(period: int, start: int | None, end: int | None, limit: int, now_ms: int) -> list[int]:
    """Multiples of `period` from start to end, both included, newest first, `limit` at most."""
    newest = min(now_ms if end is None else end, now_ms) // period
    oldest = -(-max(start or LAUNCH_MS, LAUNCH_MS) // period)
    return [at * period for at in range(newest, max(oldest, newest - limit + 1) - 1, -1)]


def _tiers(tape: Tape) -> list[dict[str, Any]]:
    most = tape.instrument.max_leverage
    size = 150 if tape.instrument.category == "inverse" else 2_000_000
    return [
        {
            "id": rank + 1,
            "symbol": tape.instrument.symbol,
            "riskLimitValue": str(size * (rank + 1)),
            "maintenanceMargin": format(Decimal("0.005") * (rank + 1), "f"),
            "initialMargin": format(Decimal("0.01") * (rank + 1), "f"),
            "isLowestRisk": 1 if rank == 0 else 0,
            "maxLeverage": format((most / (rank + 1)).quantize(Decimal("0.01")), "f"),
            "mmDeduction": "" if rank == 0 else format(Decimal("0.005") * rank * size, "f"),
        }
        for rank in range(5)
    ]

"""The public endpoints that show the market: klines, tickers, book, trades, listings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast
from urllib.parse import unquote

from ..answer import Answer, Params, limit_of, number, text
from ..refusal import bad_params, unknown_symbol
from .bars import Bar, Trade
from .candles import INTERVALS, rows
from .exchange_list import CATEGORIES, ExchangeList
from .instruments import listing
from .rates import Rates
from .tape import MAX_LEVELS, Level, OptionTape, Tape, point
from .tickers import ticker

Overlay = Mapping[int, Decimal]
"""Quantity that accounts add to the outside market's book, or have taken from it, by ticks."""
Overlays = Callable[[Tape, int], tuple[Overlay, Overlay]]


class PublicMarket:
    """Answers that need no account. Pure, save for the orders laid over the book."""

    def __init__(self, listed: ExchangeList, rates: Rates, overlays: Overlays) -> None:
        self._listed = listed
        self._rates = rates
        self._overlays = overlays

    def tape(self, params: Params, now_ms: int, default: str = "") -> Tape:
        """The instrument that a call is about.

        Raises:
            Refusal: it is not listed.
        """
        category = text(params, "category") or default
        tape = self._listed.tape(category, text(params, "symbol"), now_ms)
        if tape is None:
            raise unknown_symbol()
        return tape

    def get_server_time(self, params: Params, now_ms: int) -> Answer:
        return Answer({"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)})

    def get_kline(self, params: Params, now_ms: int) -> Answer:
        tape = self.tape(params, now_ms, "linear")
        spell, volume, turnover = tape.spell, tape.spell_volume, tape.spell_turnover

        def row(bar: Bar) -> list[str]:
            return [
                spell(bar.open),
                spell(bar.high),
                spell(bar.low),
                spell(bar.close),
                volume(bar.volume),
                turnover(bar.turnover),
            ]

        return self._klines(params, tape, tape.window, row, now_ms, run=tape.run)

    def get_mark_price_kline(self, params: Params, now_ms: int) -> Answer:
        tape = self.tape(params, now_ms, "linear")
        return self._klines(params, tape, tape.mark_window, _prices(tape), now_ms)

    def get_index_price_kline(self, params: Params, now_ms: int) -> Answer:
        tape = self.tape(params, now_ms, "linear")
        return self._klines(params, tape, tape.index_window, _prices(tape), now_ms)

    def get_premium_index_price_kline(self, params: Params, now_ms: int) -> Answer:
        tape = self.tape(params, now_ms, "linear")

        def row(bar: Bar) -> list[str]:
            # The higher the index, the smaller the share of the premium.
            prices = (bar.open, bar.low, bar.high, bar.close)
            return [point(tape.premium(price), 6) for price in prices]

        return self._klines(params, tape, tape.index_window, row, now_ms)

    def _klines(
        self,
        params: Params,
        tape: Tape,
        window: Callable[[int, int, int], Bar],
        row: Callable[[Bar], list[str]],
        now_ms: int,
        run: Callable[[int, int, int], list[list[str]]] | None = None,
    ) -> Answer:
        interval = INTERVALS.get(text(params, "interval"))
        if interval is None:
            raise bad_params("params error: interval invalid")
        found = rows(
            window,
            row,
            interval,
            start_ms=number(params, "start"),
            end_ms=number(params, "end"),
            limit=limit_of(params, 200, 1000),
            now_ms=now_ms,
            run=run,
        )
        instrument = tape.instrument
        return Answer({"symbol": instrument.symbol, "category": instrument.category, "list": found})

    def get_instruments_info(self, params: Params, now_ms: int) -> Answer:
        category = text(params, "category")
        found = self._filtered(params, category, now_ms)
        if text(params, "status") not in ("", "Trading"):
            found = []
        result: dict[str, Any] = {"category": category}
        if category == "spot":  # neither limit nor cursor there
            return Answer({**result, "list": [listing(tape.instrument) for tape in found]})
        page, cursor = _page(found, params, limit_of(params, 500, 1000))
        return Answer(
            {
                **result,
                "nextPageCursor": cursor,
                "list": [listing(tape.instrument) for tape in page],
            }
        )

    def get_tickers(self, params: Params, now_ms: int) -> Answer:
        category = text(params, "category")
        if category == "option" and not (text(params, "symbol") or text(params, "baseCoin")):
            raise bad_params("params error: symbol or baseCoin is required")
        found = self._filtered(params, category, now_ms)
        if expiry := text(params, "expDate"):
            found = [tape for tape in found if f"-{expiry}-" in tape.instrument.symbol]
        listed = [ticker(tape, self._rates, now_ms) for tape in found]
        return Answer({"category": category, "list": listed})

    def _filtered(self, params: Params, category: str, now_ms: int) -> list[Tape]:
        if category not in CATEGORIES:
            raise bad_params("params error: category invalid")
        if text(params, "symbol"):
            return [self.tape(params, now_ms)]
        base = text(params, "baseCoin")
        tapes = self._listed.tapes(category, now_ms)
        return [tape for tape in tapes if not base or tape.instrument.base == base]

    def get_orderbook(self, params: Params, now_ms: int) -> Answer:
        tape = self.tape(params, now_ms)
        most = 25 if isinstance(tape, OptionTape) else MAX_LEVELS
        default = 25 if tape.instrument.category in ("linear", "inverse") else 1
        limit = limit_of(params, default, most)
        last = tape.last(now_ms)
        wanted, offered = self._overlays(tape, now_ms)
        # Each level that has been taken makes room for one from behind it.
        number, bids, asks = tape.book(now_ms, limit + max(len(wanted), len(offered)))
        return Answer(
            {
                "s": tape.instrument.symbol,
                "b": _side(tape, bids, wanted, limit, best_is_high=True),
                "a": _side(tape, asks, offered, limit, best_is_high=False),
                "ts": now_ms,
                "u": number,
                "seq": number,
                "cts": last.ms,
            }
        )

    def get_public_trade_history(self, params: Params, now_ms: int) -> Answer:
        category = text(params, "category")
        most = 60 if category == "spot" else 1000
        limit = limit_of(params, 60 if category == "spot" else 500, most)
        if category == "option" and not text(params, "symbol"):
            tapes = [
                tape
                for tape in self._filtered({**params, "baseCoin": _base(params)}, category, now_ms)
                if text(params, "optionType") in ("", "Call" if _is_call(tape) else "Put")
            ]
            share = max(1, limit // max(len(tapes), 1))
            deals = [(trade, tape) for tape in tapes for trade in tape.newest(now_ms, share)]
            deals.sort(key=lambda deal: -deal[0].number)
        else:
            only = self.tape(params, now_ms)
            deals = [(trade, only) for trade in only.newest(now_ms, limit)]
        listed = [_deal_row(trade, tape) for trade, tape in deals[:limit]]
        return Answer({"category": category, "list": listed})


def _base(params: Params) -> str:
    return text(params, "baseCoin") or "BTC"


def _is_call(tape: Tape) -> bool:
    return tape.instrument.terms is not None and tape.instrument.terms.is_call


def _prices(tape: Tape) -> Callable[[Bar], list[str]]:
    spell = tape.spell
    return lambda bar: [spell(bar.open), spell(bar.high), spell(bar.low), spell(bar.close)]


def _page(found: list[Tape], params: Params, limit: int) -> tuple[list[Tape], str]:
    cursor = unquote(text(params, "cursor"))
    after = cursor.partition("last=")[2].strip("&")
    rest = [tape for tape in found if tape.instrument.symbol > after]
    page = rest[:limit]
    if len(page) == len(rest):
        return page, ""
    first, last = page[0].instrument.symbol, page[-1].instrument.symbol
    return page, f"first%3D{first}%26last%3D{last}"


def _side(
    tape: Tape, levels: list[Level], overlay: Overlay, limit: int, *, best_is_high: bool
) -> list[list[str]]:
    if not overlay:
        spell, size = tape.spell, tape.spell_volume
        return [[spell(price), size(lots)] for price, lots in levels[:limit]]
    shown = levels[: limit + len(overlay)]
    sizes = {price: tape.qty(lots) for price, lots in shown}
    for price, extra in overlay.items():
        if (rest := sizes.get(price, Decimal(0)) + extra) > 0:
            sizes[price] = rest
        else:
            sizes.pop(price, None)
    best = sorted(sizes, reverse=best_is_high)[:limit]
    return [[tape.spell(price), format(sizes[price], "f")] for price in best]


def _deal_row(trade: Trade, tape: Tape) -> dict[str, Any]:
    row = {
        "execId": exec_id(tape, trade),
        "symbol": tape.instrument.symbol,
        "price": tape.spell(trade.price),
        "size": tape.spell_volume(trade.size),
        "side": "Buy" if trade.is_buy else "Sell",
        "time": str(trade.ms),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(trade.number),
    }
    if isinstance(tape, OptionTape):
        row |= {"mP": row["price"], "iP": tape.spell_index(trade.ms), "mIv": "0.55", "iv": "0.55"}
    return cast(dict[str, Any], row)


def exec_id(tape: Tape, trade: Trade) -> str:
    """Digits on spot, the look of a UUID elsewhere."""
    if tape.instrument.is_spot:
        return str(2_100_000_000_000_000_000 + trade.number)
    digits = tape.trade_digits(trade.number)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

"""The endpoints on positions: what is held, leverage, position mode, TP/SL."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..answer import Answer, Params, decimal, limit_of, number, text
from ..market.instruments import Instrument
from ..market.pricing import DAY_MS, value
from ..market.tape import Tape
from ..refusal import Refusal, bad_params
from . import refusals
from .account import Account, Slot
from .floor import Floor
from .intake import Intake, check_stops
from .margin import MAINTENANCE, Margin
from .matching import Matcher
from .money import ZERO, cut, is_multiple, spell
from .pages import page
from .position import Position
from .stops import STOP, TAKE, Stops, Wish


class Holdings:
    """Positions and their settings."""

    def __init__(
        self, floor: Floor, intake: Intake, margin: Margin, matcher: Matcher, stops: Stops
    ) -> None:
        self._floor = floor
        self._intake = intake
        self._margin = margin
        self._matcher = matcher
        self._stops = stops

    def get_positions(self, account: Account, params: Params) -> Answer:
        category = text(params, "category")
        if text(params, "symbol"):
            tape = self._intake.tape(params)
            slots = _slots(account, tape.instrument, with_empty=True)
        else:
            base, settle = text(params, "baseCoin"), text(params, "settleCoin")
            if category == "linear" and not (base or settle):
                raise bad_params("params error: symbol or settleCoin is required")
            slots = [
                position.slot
                for position in account.positions.values()
                if position.size
                and position.category == category
                and self._has_coins(position, base, settle)
            ]
        found, cursor = page(
            slots,
            lambda slot: slot[1],
            lambda slot: 0,
            lambda slot: True,
            within=None,
            limit=limit_of(params, 20, 200),
            params=params,
        )
        # Hedge slots of one symbol are told long side first.
        rows = [self._row(account, slot) for slot in sorted(found, key=lambda slot: slot[1:])]
        return Answer({"list": rows, "nextPageCursor": cursor, "category": category})

    def _has_coins(self, position: Position, base: str, settle: str) -> bool:
        it = self._floor.listed.known(position.category, position.symbol).instrument
        return base in ("", it.base) and settle in ("", it.settle)

    def _row(self, account: Account, slot: Slot) -> dict[str, Any]:
        tape = self._floor.listed.known(slot[0], slot[1])
        it = tape.instrument
        held = account.positions.get(slot) or Position(*slot)
        mark = self._margin.mark(slot)
        leverage = account.leverage_of(it.key)
        size = abs(held.size)
        initial = cut(self._margin.initial(account, slot))
        maintenance = cut(self._margin.maintenance(held)) if size else ZERO
        average = held.average
        liquidation = _liquidation(held, leverage, it)
        row = {
            "positionIdx": held.idx,
            "riskId": 1,
            "riskLimitValue": "150" if it.category == "inverse" else "2000000",
            "symbol": it.symbol,
            "side": "" if not size else "Buy" if held.size > 0 else "Sell",
            "size": it.spell_qty(size) if size else "0",
            "avgPrice": spell(cut(average)),
            "positionValue": spell(held.cost) if size else "",
            "autoAddMargin": 0,
            "positionStatus": "Normal",
            "leverage": spell(leverage) if it.category != "option" else "",
            "breakEvenPrice": spell(cut(average)) if size else "",
            "markPrice": it.spell_price(mark),
            "liqPrice": liquidation,
            "bustPrice": "",
            "positionIM": spell(initial),
            "positionIMByMp": spell(initial),
            "positionMM": spell(maintenance),
            "positionMMByMp": spell(maintenance),
            "positionBalance": spell(initial),
            "takeProfit": it.spell_price(held.takeProfit) if held.takeProfit else "",
            "stopLoss": it.spell_price(held.stopLoss) if held.stopLoss else "",
            "trailingStop": "0",
            "tpslMode": held.tpslMode,
            "tradeMode": 0,
            "sessionAvgPrice": "",
            "unrealisedPnl": spell(cut(held.profit(mark))) if size else "",
            "curRealisedPnl": spell(held.realised),
            "cumRealisedPnl": spell(held.ever_realised),
            "adlRankIndicator": 2 if size else 0,
            "createdTime": str(held.created_ms or account.opened_ms),
            "updatedTime": str(held.updated_ms or account.opened_ms),
            "openTime": held.created_ms,
            "seq": held.seq or -1,
            "isReduceOnly": False,
            "mmrSysUpdateTime": "",
            "mmrSysUpdatedTime": "",
            "leverageSysUpdatedTime": "",
        }
        return row | self._greeks(tape, held) if it.category == "option" else row

    def _greeks(self, tape: Tape, held: Position) -> dict[str, str]:
        terms = tape.instrument.terms
        assert terms is not None
        now_ms, size = self._floor.now_ms, float(held.size)
        found = value(terms, float(tape.spell_index(now_ms)), now_ms // DAY_MS)
        return {
            "delta": f"{found.delta * size:.8f}",
            "gamma": f"{found.gamma * size:.8f}",
            "vega": f"{found.vega * size:.8f}",
            "theta": f"{found.theta * size:.8f}",
        }

    def set_leverage(self, account: Account, params: Params) -> Answer:
        it = self._intake.tape(params).instrument
        asked = decimal(params, "buyLeverage"), decimal(params, "sellLeverage")
        if asked[0] != asked[1] and it.key not in account.hedged:
            raise bad_params("params error: buyLeverage must equal sellLeverage")
        leverage = asked[0]
        if leverage is None or leverage < 1 or not is_multiple(leverage, Decimal("0.01")):
            raise bad_params("params error: leverage invalid")
        if leverage > it.max_leverage:
            raise Refusal(110013, "Cannot set leverage due to risk limit level")
        if leverage == account.leverage_of(it.key):
            raise Refusal(110043, "Set leverage not modified")
        before = account.leverage.get(it.key)
        account.leverage[it.key] = leverage
        if self._margin.free(account, it.settle) < 0:
            if before is None:
                del account.leverage[it.key]
            else:
                account.leverage[it.key] = before
            raise Refusal(110045, "Wallet balance is insufficient")
        return Answer({})

    def switch_position_mode(self, account: Account, params: Params) -> Answer:
        wants_hedge = number(params, "mode") == 3
        if text(params, "symbol"):
            keys = {self._intake.tape(params).instrument.key}
        else:
            coin = text(params, "coin")
            if not coin:
                raise bad_params("params error: symbol or coin is required")
            tapes = self._floor.listed.tapes("linear", self._floor.now_ms)
            keys = {t.instrument.key for t in tapes if t.instrument.settle == coin}
        changing = {key for key in keys if (key in account.hedged) != wants_hedge}
        if not changing:
            raise Refusal(110025, "Position mode is not modified")
        for key in changing:
            if any(account.size((*key, idx)) for idx in (0, 1, 2)):
                raise Refusal(
                    110024, "You have an existing position, so position mode cannot be switched"
                )
            if account.live_orders(key):
                raise Refusal(
                    110028, "You have existing open orders, so position mode cannot be switched"
                )
        account.hedged = account.hedged | keys if wants_hedge else account.hedged - keys
        return Answer({})

    def set_trading_stop(self, account: Account, params: Params) -> Answer:
        tape = self._intake.tape(params)
        it = tape.instrument
        slot = (*it.key, number(params, "positionIdx") or 0)
        held = account.positions.get(slot)
        if held is None or not held.size:
            raise bad_params("can not set tp/sl/ts for zero position")
        if decimal(params, "trailingStop"):
            # Said aloud rather than accepted and never done.
            raise bad_params("params error: trailingStop is not simulated")
        take, stop = decimal(params, "takeProfit"), decimal(params, "stopLoss")
        for price in (take, stop):
            if price and not is_multiple(price, it.tick):
                raise refusals.price_step(False)
        check_stops(it, held.size > 0, take or ZERO, stop or ZERO, held.average)
        is_partial = text(params, "tpslMode") == "Partial"
        changed = False
        for what, price, name in ((TAKE, take, "tp"), (STOP, stop, "sl")):
            if price is None:
                continue
            qty = decimal(params, f"{name}Size") if is_partial else None
            if is_partial and not qty:
                raise bad_params(f"params error: {name}Size is required")
            old = [] if is_partial else self._stops.armed(account, slot, what)
            if (old and old[0].triggerPrice == price) or not (old or price):
                continue
            changed = True
            for order in old:
                self._matcher.cancel(order, "CancelByTpSlTsClear", "EC_NoError")
            self._set(account, slot, what, price, name, qty, params)
        if not changed:
            raise Refusal(34040, "not modified")
        held.tpslMode = "Partial" if is_partial else "Full"
        return Answer({})

    def _set(
        self,
        account: Account,
        slot: Slot,
        what: str,
        price: Decimal,
        name: str,
        qty: Decimal | None,
        params: Params,
    ) -> None:
        held = account.positions[slot]
        if not price:  # 0 takes it away
            if what == TAKE:
                held.takeProfit = ZERO
            else:
                held.stopLoss = ZERO
            return
        limit = ZERO
        if text(params, f"{name}OrderType") == "Limit":
            limit = decimal(params, f"{name}LimitPrice") or ZERO
        by = text(params, f"{name}TriggerBy") or "LastPrice"
        self._stops.arm(account, slot, Wish(what, price, by, limit), qty)


def _slots(account: Account, it: Instrument, *, with_empty: bool) -> list[Slot]:
    if it.category == "option":
        slot = (*it.key, 0)
        return [slot] if account.size(slot) else []
    indexes = (1, 2) if it.key in account.hedged else (0,)
    return [(*it.key, idx) for idx in indexes]


def _liquidation(held: Position, leverage: Decimal, it: Instrument) -> str:
    """Where the position's own margin would be used up; a hint, as the whole account vouches."""
    if not held.size or it.category == "option":
        return ""
    room = 1 / leverage - MAINTENANCE
    ratio = 1 - room if held.size > 0 else 1 + room
    if it.category == "inverse":
        ratio = 1 / (1 + room) if held.size > 0 else 1 / (1 - room)
    return it.spell_price(held.average * ratio)

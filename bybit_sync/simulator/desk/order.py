"""An order and its row in the order queries."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..market.instruments import Instrument
from .money import ZERO, spell

LIVE = frozenset({"New", "PartiallyFilled", "Untriggered", "Triggered"})


@dataclass(slots=True, eq=False)
class Order:
    """One order from its acceptance on. Spellings of fields that Bybit names are Bybit's."""

    number: int
    """Rises with every order of the exchange; names the order in cursors."""
    uid: str
    category: str
    symbol: str
    orderId: str
    orderLinkId: str
    side: str
    orderType: str
    qty: Decimal
    """In the base coin or contracts; in the quote coin when `by_amount`."""
    price: Decimal
    timeInForce: str
    created_ms: int
    updated_ms: int
    positionIdx: int = 0
    by_amount: bool = False
    marketUnit: str = ""
    isLeverage: str = ""
    reduceOnly: bool = False
    closeOnTrigger: bool = False
    smpType: str = "None"
    status: str = "New"
    cancelType: str = "UNKNOWN"
    rejectReason: str = "EC_NoError"
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO
    fee_coin: str = ""
    rank: int = 0
    """Time priority in the book."""
    kind: str = "Order"
    """orderFilter: Order, StopOrder or tpslOrder."""
    stopOrderType: str = ""
    triggerPrice: Decimal = ZERO
    triggerDirection: int = 0
    triggerBy: str = ""
    takeProfit: Decimal = ZERO
    stopLoss: Decimal = ZERO
    tpTriggerBy: str = ""
    slTriggerBy: str = ""
    tpslMode: str = ""
    tpLimitPrice: Decimal = ZERO
    slLimitPrice: Decimal = ZERO
    tpOrderType: str = "Market"
    slOrderType: str = "Market"
    createType: str = "CreateByUser"
    sibling: str = ""
    """The orderId of the other one of a spot TP/SL pair; the first to fire ends the other."""
    last_price: Decimal = ZERO
    slippageToleranceType: str = "UNKNOWN"
    slippageTolerance: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.category, self.symbol

    @property
    def slot(self) -> tuple[str, str, int]:
        """The position that it changes."""
        return self.category, self.symbol, self.positionIdx

    @property
    def is_buy(self) -> bool:
        return self.side == "Buy"

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def leaves(self) -> Decimal:
        """What is still to be filled; 0 once the order is over."""
        if not self.is_live or self.by_amount:
            return ZERO
        return self.qty - self.filled

    @property
    def average(self) -> Decimal:
        """The mean price of its fills, 0 before the first."""
        if not self.filled:
            return ZERO
        return self.filled / self.value if self.category == "inverse" else self.value / self.filled


def row(order: Order, it: Instrument) -> dict[str, Any]:
    """The order as order/realtime shows it."""
    price, qty = it.spell_price, it.spell_qty
    leaves = order.leaves
    worth = (
        leaves / order.price if it.category == "inverse" and order.price else leaves * order.price
    )
    untouched = "0.00" if it.category in ("linear", "inverse") else ""
    filled = order.filled
    return {
        "orderId": order.orderId,
        "orderLinkId": order.orderLinkId,
        "parentOrderLinkId": "",
        "blockTradeId": "",
        "symbol": order.symbol,
        "price": price(order.price) if order.price else "0",
        "qty": spell(order.qty) if order.by_amount else qty(order.qty),
        "side": order.side,
        "isLeverage": order.isLeverage,
        "positionIdx": order.positionIdx,
        "orderStatus": order.status,
        "createType": order.createType,
        "cancelType": order.cancelType,
        "rejectReason": order.rejectReason,
        "avgPrice": spell(order.average.quantize(it.tick.scaleb(-4))) if filled else "0",
        "leavesQty": qty(leaves),
        "leavesValue": spell(worth.quantize(_VALUE)) if leaves else "0",
        "cumExecQty": qty(filled),
        "cumExecValue": spell(order.value),
        "cumExecFee": spell(order.fee),
        "timeInForce": order.timeInForce,
        "orderType": order.orderType,
        "stopOrderType": order.stopOrderType,
        "orderIv": "",
        "marketUnit": order.marketUnit,
        "triggerPrice": price(order.triggerPrice) if order.triggerPrice else untouched,
        "takeProfit": price(order.takeProfit) if order.takeProfit else untouched,
        "stopLoss": price(order.stopLoss) if order.stopLoss else untouched,
        "tpslMode": order.tpslMode,
        "ocoTriggerBy": "",
        "tpLimitPrice": price(order.tpLimitPrice) if order.tpLimitPrice else "",
        "slLimitPrice": price(order.slLimitPrice) if order.slLimitPrice else "",
        "tpTriggerBy": order.tpTriggerBy,
        "slTriggerBy": order.slTriggerBy,
        "triggerDirection": order.triggerDirection,
        "triggerBy": order.triggerBy,
        "lastPriceOnCreated": price(order.last_price),
        "basePrice": price(order.last_price),
        "reduceOnly": order.reduceOnly,
        "closeOnTrigger": order.closeOnTrigger,
        "placeType": "price" if it.category == "option" else "",
        "smpType": order.smpType,
        "smpGroup": 0,
        "smpOrderId": "",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
        "cumFeeDetail": {order.fee_coin: spell(order.fee)} if order.fee_coin else {},
    }


def history_row(order: Order, it: Instrument) -> dict[str, Any]:
    """The order as order/history shows it."""
    return {
        **row(order, it),
        "slippageToleranceType": order.slippageToleranceType,
        "slippageTolerance": order.slippageTolerance,
        "extraFees": "",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
    }


_VALUE = Decimal("0.00000001")

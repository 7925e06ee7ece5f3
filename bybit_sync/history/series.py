"""What can be downloaded: the endpoint of each series, and the columns of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bybit_sync.frames.columns import columns_of, kind_of

ColumnType = Literal["time", "decimal", "integer", "boolean", "text"]

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_BOOLEANS = frozenset(("isMaker", "reduceOnly", "closeOnTrigger", "rpiTakerAccess"))
_INTEGERS = frozenset(("seq", "positionIdx", "triggerDirection", "smpGroup"))


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file: its name as Bybit spells it, and what it holds."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of history."""

    name: str
    endpoint: str
    """``group.name`` of the endpoint that tells it."""
    columns: tuple[Column, ...]
    time: str
    """The column that says when a row was."""
    span_ms: int
    """How much time one task may cover, where the rows lie on no grid."""
    unique: str = ""
    """The column that no two rows share; "" where no two share a time."""
    settle_ms: int = 0
    """How long after the fact a row may still appear."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def time_place(self) -> int:
        """Where in a row its time is."""
        return self.names.index(self.time)

    @property
    def is_plain(self) -> bool:
        """Whether all values are texts or None, as those of candles: then none needs a look."""
        return all(column.type in ("time", "decimal") for column in self.columns)


def _columns(endpoint: str, names: str) -> tuple[Column, ...]:
    return tuple(Column(name, _type(endpoint, name)) for name in names.split())


def _type(endpoint: str, name: str) -> ColumnType:
    kind = kind_of(endpoint, name)
    if kind == "time_ms":
        return "time"
    if kind == "decimal":
        return "decimal"
    if kind == "integer" or name in _INTEGERS:
        return "integer"
    return "boolean" if name in _BOOLEANS else "text"


def _candles(name: str, method: str) -> Series:
    endpoint = f"market.{method}"
    columns = _columns(endpoint, " ".join(columns_of(endpoint)))
    # A trade may be booked into a candle a moment after the candle's end.
    return Series(name, endpoint, columns, "startTime", _DAY_MS, settle_ms=2_000)


def _listing(
    name: str, endpoint: str, time: str, names: str, *, unique: str = "", span_ms: int = 7 * _DAY_MS
) -> Series:
    columns = _columns(endpoint, f"{time} {names}")
    return Series(name, endpoint, columns, time, span_ms, unique, settle_ms=60_000)


def find_series(name: str) -> Series:
    """The series of this name."""
    return _MAKERS[name]()


_EXECUTION = (
    "symbol orderId orderLinkId side orderPrice orderQty leavesQty createType orderType "
    "stopOrderType execFee execFeeV2 execId execPrice execQty execType execValue feeCurrency "
    "isMaker feeRate tradeIv markIv markPrice indexPrice underlyingPrice blockTradeId closedSize "
    "seq extraFees"
)
_ORDER = (
    "orderId orderLinkId parentOrderLinkId blockTradeId symbol price qty side isLeverage "
    "positionIdx orderStatus createType cancelType rejectReason avgPrice leavesQty leavesValue "
    "cumExecQty cumExecValue cumExecFee timeInForce orderType stopOrderType orderIv marketUnit "
    "slippageToleranceType slippageTolerance triggerPrice takeProfit stopLoss tpslMode "
    "ocoTriggerBy tpLimitPrice slLimitPrice tpTriggerBy slTriggerBy triggerDirection triggerBy "
    "lastPriceOnCreated basePrice reduceOnly closeOnTrigger placeType smpType smpGroup smpOrderId "
    "updatedTime extraFees cumFeeDetail rpiTakerAccess rpiMatchedQty"
)
_CLOSED_PNL = (
    "updatedTime symbol orderId side qty orderPrice orderType execType closedSize cumEntryValue "
    "avgEntryPrice cumExitValue avgExitPrice closedPnl fillCount leverage openFee closeFee"
)
_TRANSACTION = (
    "id symbol category side type transSubType qty size currency tradePrice funding fee cashFlow "
    "change cashBalance feeRate bonusChange tradeId orderId orderLinkId extraFees"
)

# Made when asked for: the table of columns is read from a file.
_MAKERS = {
    "klines": lambda: _candles("klines", "get_kline"),
    "mark_price_klines": lambda: _candles("mark_price_klines", "get_mark_price_kline"),
    "index_price_klines": lambda: _candles("index_price_klines", "get_index_price_kline"),
    "premium_index_klines": lambda: _candles(
        "premium_index_klines", "get_premium_index_price_kline"
    ),
    "funding": lambda: _listing(
        "funding",
        "market.get_funding_rate_history",
        "fundingRateTimestamp",
        "symbol fundingRate",
        span_ms=200 * 8 * _HOUR_MS,
    ),
    "open_interest": lambda: _listing(
        "open_interest",
        "market.get_open_interest",
        "timestamp",
        "openInterest singleOpenInterest",
    ),
    "long_short_ratio": lambda: _listing(
        "long_short_ratio",
        "market.get_long_short_ratio",
        "timestamp",
        "symbol buyRatio sellRatio",
    ),
    "executions": lambda: _listing(
        "executions", "trade.get_executions", "execTime", _EXECUTION, unique="execId"
    ),
    "orders": lambda: _listing(
        "orders", "trade.get_order_history", "createdTime", _ORDER, unique="orderId"
    ),
    "closed_pnl": lambda: _listing(
        "closed_pnl", "position.get_closed_pnl", "createdTime", _CLOSED_PNL
    ),
    "transaction_log": lambda: _listing(
        "transaction_log",
        "account.get_transaction_log",
        "transactionTime",
        _TRANSACTION,
        unique="id",
    ),
}
SERIES = tuple(_MAKERS)
"""The names of all series."""

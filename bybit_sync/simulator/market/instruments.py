"""What can be traded, with the filters that an order has to pass, and how Bybit lists it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

LAUNCH_MS = 1_585_526_400_000  # 30 March 2020; no price is older


@dataclass(frozen=True, slots=True)
class Terms:
    """What an option promises."""

    is_call: bool
    strike: int
    delivery_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable thing. Prices are multiples of `tick`, quantities of `step`."""

    category: str
    symbol: str
    symbol_id: int
    base: str
    quote: str
    settle: str
    tick: Decimal
    """Spelt as Bybit spells it: prices get as many decimals."""
    step: Decimal
    min_qty: Decimal
    max_qty: Decimal
    max_market_qty: Decimal
    min_value: Decimal
    """Least worth of an order in the quote coin; 0 for none."""
    max_leverage: Decimal = Decimal("100.00")
    terms: Terms | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Category and symbol: spot and linear share symbol names."""
        return self.category, self.symbol

    @property
    def is_spot(self) -> bool:
        return self.category == "spot"

    @property
    def max_price(self) -> Decimal:
        return self.tick * 19_999_998

    def spell_price(self, price: Decimal) -> str:
        """A price with the decimals of the tick."""
        return format(price.quantize(self.tick), "f")

    def spell_qty(self, qty: Decimal) -> str:
        """A quantity with the decimals of the step."""
        return format(qty.quantize(self.step), "f")


def listing(instrument: Instrument) -> dict[str, Any]:
    """The instrument's row of instruments-info."""
    if instrument.is_spot:
        return _spot_row(instrument)
    return _option_row(instrument) if instrument.terms else _contract_row(instrument)


def _spot_row(it: Instrument) -> dict[str, Any]:
    return {
        "symbolId": it.symbol_id,
        "symbol": it.symbol,
        "baseCoin": it.base,
        "quoteCoin": it.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": format(it.step, "f"),
            "quotePrecision": "0.0000001",
            "minOrderQty": format(it.min_qty, "f"),
            "maxOrderQty": format(it.max_qty, "f"),
            "minOrderAmt": format(it.min_value, "f"),
            "maxOrderAmt": "8000000",
            "maxLimitOrderQty": format(it.max_qty, "f"),
            "maxMarketOrderQty": format(it.max_market_qty, "f"),
            "postOnlyMaxLimitOrderSize": "60000",
        },
        "priceFilter": {"tickSize": format(it.tick, "f")},
        "riskParameters": {"priceLimitRatioX": "0.005", "priceLimitRatioY": "0.01"},
        "symbolType": "",
        "xstockMultiplier": "",
        "forbidUplWithdrawal": False,
    }


def _contract_row(it: Instrument) -> dict[str, Any]:
    return {
        "symbol": it.symbol,
        "symbolId": it.symbol_id,
        "contractType": f"{it.category.capitalize()}Perpetual",
        "status": "Trading",
        "baseCoin": it.base,
        "quoteCoin": it.quote,
        "launchTime": str(LAUNCH_MS),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(_decimals(it.tick)),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": format(it.max_leverage, "f"),
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": format(it.tick, "f"),
            "maxPrice": it.spell_price(it.max_price),
            "tickSize": format(it.tick, "f"),
        },
        "lotSizeFilter": {
            "maxOrderQty": it.spell_qty(it.max_qty),
            "minOrderQty": format(it.min_qty, "f"),
            "qtyStep": format(it.step, "f"),
            "postOnlyMaxOrderQty": it.spell_qty(it.max_qty),
            "maxMktOrderQty": it.spell_qty(it.max_market_qty),
            "minNotionalValue": format(it.min_value, "f"),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": it.settle,
        "copyTrading": "both" if it.category == "linear" else "none",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "displayName": "",
        "forbidUplWithdrawal": False,
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "symbolType": "",
    }


def _option_row(it: Instrument) -> dict[str, Any]:
    assert it.terms is not None
    series = it.symbol.removesuffix(f"-{it.settle}").removeprefix(it.base)
    return {
        "symbol": it.symbol,
        "status": "Trading",
        "baseCoin": it.base,
        "quoteCoin": it.quote,
        "settleCoin": it.settle,
        "optionsType": "Call" if it.terms.is_call else "Put",
        "launchTime": str(it.terms.delivery_ms - 35 * 86_400_000),
        "deliveryTime": str(it.terms.delivery_ms),
        "deliveryFeeRate": "0.00015",
        "priceFilter": {
            "minPrice": format(it.tick, "f"),
            "maxPrice": "1110000",
            "tickSize": format(it.tick, "f"),
        },
        "lotSizeFilter": {
            "maxOrderQty": format(it.max_qty, "f"),
            "minOrderQty": format(it.min_qty, "f"),
            "qtyStep": format(it.step, "f"),
        },
        "displayName": f"{it.base}{it.quote}{series}",
    }


def _decimals(step: Decimal) -> int:
    return max(0, -int(step.as_tuple().exponent))

"""The endpoints on the account itself: wallet, fees, settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..answer import Answer, Params, text
from ..market.exchange_list import COINS
from ..refusal import unknown_symbol
from .account import Account
from .floor import Floor
from .margin import MAKER, TAKER, Margin
from .money import ZERO, cut, spell


class Purse:
    """What an account is worth."""

    def __init__(self, floor: Floor, margin: Margin) -> None:
        self._floor = floor
        self._margin = margin

    def get_wallet_balance(self, account: Account, params: Params) -> Answer:
        asked = [coin for coin in text(params, "coin").upper().split(",") if coin]
        coins = asked or [coin for coin, held in account.wallet.items() if held]
        rows = [self._coin(account, coin) for coin in coins]
        # Totals are over all coins, whichever are shown.
        everything = rows if not asked else [self._coin(account, coin) for coin in account.wallet]
        totals = dict.fromkeys(("equity", "wallet", "upl", "im", "mm", "free"), ZERO)
        for row in everything:
            usd = self._floor.listed.usd(row["coin"], self._floor.now_ms)
            im = Decimal(row["totalOrderIM"]) + Decimal(row["totalPositionIM"])
            totals["equity"] += Decimal(row["equity"]) * usd
            totals["wallet"] += Decimal(row["walletBalance"]) * usd
            totals["upl"] += Decimal(row["unrealisedPnl"]) * usd
            totals["im"] += im * usd
            totals["mm"] += Decimal(row["totalPositionMM"]) * usd
        margin = totals["wallet"] + totals["upl"]
        rate = totals["im"] / margin if margin > 0 else ZERO
        maintenance = totals["mm"] / margin if margin > 0 else ZERO
        initial_text, maintenance_text = _share(rate), _share(maintenance)
        return Answer(
            {
                "list": [
                    {
                        "accountType": "UNIFIED",
                        "accountIMRate": initial_text,
                        "accountIMRateByMp": initial_text,
                        "accountMMRate": maintenance_text,
                        "accountMMRateByMp": maintenance_text,
                        "accountLTV": "0",
                        "totalEquity": _usd(totals["equity"]),
                        "totalWalletBalance": _usd(totals["wallet"]),
                        "totalMarginBalance": _usd(margin),
                        "totalAvailableBalance": _usd(max(margin - totals["im"], ZERO)),
                        "totalPerpUPL": _usd(totals["upl"]),
                        "totalInitialMargin": _usd(totals["im"]),
                        "totalInitialMarginByMp": _usd(totals["im"]),
                        "totalMaintenanceMargin": _usd(totals["mm"]),
                        "totalMaintenanceMarginByMp": _usd(totals["mm"]),
                        "coin": rows,
                    }
                ]
            }
        )

    def _coin(self, account: Account, coin: str) -> dict[str, Any]:
        margin = self._margin
        balance = account.balance(coin)
        locked = account.locked.get(coin, ZERO)
        ordered = initial = maintenance = unrealised = options = ZERO
        for slot in margin.slots(account, coin):
            held = account.position(slot)
            ordered += margin.ordered(account, slot)
            initial += margin.initial(account, slot)
            if not held.size:
                continue
            maintenance += margin.maintenance(held)
            if slot[0] == "option":
                options += held.size * margin.mark(slot)
            else:
                unrealised += held.profit(margin.mark(slot))
        equity = balance + unrealised + options
        usd = self._floor.listed.usd(coin, self._floor.now_ms)
        free = max(margin.spendable(account, coin), ZERO)
        return {
            "coin": coin,
            "equity": spell(cut(equity)),
            "usdValue": spell(cut(equity * usd)),
            "walletBalance": spell(balance),
            "free": "",
            "locked": spell(locked),
            "spotHedgingQty": "0",
            "borrowAmount": "0",
            "accruedInterest": "0",
            "totalOrderIM": spell(cut(ordered)),
            "totalPositionIM": spell(cut(initial)),
            "totalPositionMM": spell(cut(maintenance)),
            "unrealisedPnl": spell(cut(unrealised)),
            "cumRealisedPnl": spell(account.realised.get(coin, ZERO)),
            "bonus": "0",
            "marginCollateral": True,
            "collateralSwitch": True,
            "colRes": "",
            "spotBorrow": "0",
            "availableToWithdraw": spell(cut(free)),
            "availableToBorrow": "",
        }

    def get_account_info(self, account: Account, params: Params) -> Answer:
        return Answer(
            {
                "unifiedMarginStatus": 5,
                "marginMode": "REGULAR_MARGIN",
                "isMasterTrader": False,
                "spotHedgingStatus": "OFF",
                "updatedTime": str(account.opened_ms),
                "dcpStatus": "OFF",
                "timeWindow": 10,
                "smpGroup": 0,
            }
        )

    def get_coin_info(self, account: Account, params: Params) -> Answer:
        """The coins that can be held here. Clients learn from it which coins there are."""
        asked = text(params, "coin").upper()
        rows = [_chains(coin) for coin in COINS if asked in ("", coin)]
        return Answer({"rows": rows}, ret_msg="success")

    def get_fee_rates(self, account: Account, params: Params) -> Answer:
        category = text(params, "category")
        symbol, base = text(params, "symbol"), text(params, "baseCoin")
        rates = {"takerFeeRate": spell(TAKER[category]), "makerFeeRate": spell(MAKER[category])}
        if category == "option":
            row = {"symbol": "", "baseCoin": base or "BTC", **rates}
            return Answer({"category": category, "list": [row]})
        found = [
            tape.instrument
            for tape in self._floor.listed.tapes(category, self._floor.now_ms)
            if symbol in ("", tape.instrument.symbol) and base in ("", tape.instrument.base)
        ]
        if symbol and not found:
            raise unknown_symbol()
        listed = [{"symbol": it.symbol, "baseCoin": "", **rates} for it in found]
        return Answer({"category": category, "list": listed})


def _chains(coin: str) -> dict[str, Any]:
    """A coin's row of coin/query-info: one chain, on which nothing ever arrives or leaves."""
    chain = {
        "chainType": coin,
        "confirmation": "6",
        "withdrawFee": "0",
        "depositMin": "0",
        "withdrawMin": "0",
        "chain": coin,
        "chainDeposit": "0",
        "chainWithdraw": "0",
        "minAccuracy": "8",
        "withdrawPercentageFee": "0",
        "contractAddress": "",
        "safeConfirmNumber": "6",
        "withdrawMax": "10000000",
    }
    return {"name": coin, "coin": coin, "remainAmount": "10000000", "chains": [chain]}


def _usd(amount: Decimal) -> str:
    return spell(cut(amount))


def _share(rate: Decimal) -> str:
    return spell(rate.quantize(Decimal("0.0001")))

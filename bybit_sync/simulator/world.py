"""The exchange's state and what it does with a call: no I/O, no threads, no clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from .answer import Answer
from .market.exchange_list import ExchangeList
from .market.public import PublicMarket
from .market.rates import Rates
from .market.statistics import PublicStatistics
from .market.tape import Tape

__all__ = ["Answer", "World"]

Handler = Callable[[Mapping[str, Any], int], Answer]


class World:
    def __init__(self, *, seed: int = 0, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        listed = ExchangeList(seed)
        rates = Rates(seed)
        self._public = {
            **_methods(PublicMarket(listed, rates, _none)),
            **_methods(PublicStatistics(listed, rates)),
        }

    def handles(self, key: str) -> bool:
        return key in self._public

    def handle(self, key: str, account: Any, params: Mapping[str, Any]) -> Answer:
        return self._public[key](params, self._now_ms())


def _none(tape: Tape, now_ms: int) -> tuple[dict[int, Decimal], dict[int, Decimal]]:
    return {}, {}


def _methods(part: object) -> dict[str, Handler]:
    return {f"market.{n}": getattr(part, n) for n in dir(type(part)) if n.startswith("get_")}

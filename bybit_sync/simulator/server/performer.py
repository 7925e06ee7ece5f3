"""What an endpoint does once its caller may: ask the market, or show what is documented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bybit_sync.simulator.refusal import Refusal

from . import batch
from .auth import Key
from .check import checked
from .clock import ServerClock
from .envelope import wrap
from .faults import FaultPlan
from .limits import Allowance
from .samples import documented
from .table import Endpoint, Parameter, samples
from .venue import Venue
from .visibility import forget_names, hide_new_orders


def units(endpoint: Endpoint, category: str, params: Mapping[str, Any]) -> int:
    """What this call costs of the account's limit: one, or one for each order of a batch."""
    limit = endpoint.limit
    if limit is None or category not in limit.per_order:
        return 1
    orders = batch.orders_of(endpoint)
    items = None if orders is None else params.get(orders.name)
    return max(1, len(items)) if isinstance(items, list) else 1


class Performer:
    """Carries out calls and wraps what comes of them."""

    def __init__(self, venue: Venue, clock: ServerClock, faults: FaultPlan) -> None:
        self._venue = venue
        self._clock = clock
        self._faults = faults
        samples()  # read now, not in the middle of the first call

    def perform(
        self,
        endpoint: Endpoint,
        key: Key | None,
        params: Mapping[str, Any],
        allowance: Allowance | None,
    ) -> dict[str, Any]:
        """The whole body of the answer.

        Raises:
            Refusal: the limit is used up, a parameter is wrong, or the market says no.
        """
        if allowance is not None and allowance.granted == 0:
            raise Refusal(10006, "Too many visits!")
        wanted = checked(endpoint, params)
        if not self._venue.handles(endpoint.key):
            return documented(endpoint, wanted, key, self._clock)
        uid = None if key is None else key.uid
        orders = batch.orders_of(endpoint)
        if orders is None:
            order = forget_names(self._faults, endpoint, wanted)
            answer = self._venue.handle(endpoint.key, uid, order, changes=endpoint.mutates)
            result, ext_info, ret_msg = answer.result, answer.ext_info, answer.ret_msg
            hide_new_orders(self._faults, endpoint, result)
        else:
            granted = None if allowance is None else allowance.granted
            result, ext_info = self._batch(endpoint, orders, uid, wanted, granted)
            ret_msg = "OK"
        return wrap(endpoint.envelope, result, ext_info, ret_msg, self._clock.now_ms())

    def _batch(
        self,
        endpoint: Endpoint,
        orders: Parameter,
        uid: str | None,
        params: dict[str, Any],
        granted: int | None,
    ) -> tuple[Any, Any]:
        def trade(items: list[dict[str, Any]]) -> batch.Fates:
            marked = [forget_names(self._faults, endpoint, item) for item in items]
            order = {**params, orders.name: marked}
            answer = self._venue.handle(endpoint.key, uid, order, changes=endpoint.mutates)
            return answer.result["list"], answer.ext_info["list"]

        # Options count requests, not orders: one unit lets the whole batch through.
        limit = endpoint.limit
        if limit is None or params.get("category") not in limit.per_order:
            granted = None
        rows, notes = batch.perform(orders, params, granted, trade)
        return {"list": rows}, {"list": notes}

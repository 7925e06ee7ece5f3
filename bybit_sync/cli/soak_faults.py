"""The soak's faults: a steady share of all requests meets one, each kind in its turn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

from bybit_sync.simulator import LocalExchange

Plant = Callable[[int], None]
"""Lets one request go wrong, after so many that are spared."""

_MOST_AT_ONCE = 40
"""Each is a question to the exchange: more would keep it from its work, and the run from being
looked at."""


class FaultSchedule:
    """Plants faults a little at a time, so that none is left over when the load ends."""

    def __init__(self, exchange: LocalExchange, share: float) -> None:
        self._exchange = exchange
        self._share = share
        self._kinds = cycle(_kinds(exchange))
        self._owed = 0.0
        self._before = exchange.faults.count()

    def top_up(self, calls: int) -> None:
        """Plant what another `calls` calls are to meet."""
        self._owed = min(self._owed + calls * self._share, _MOST_AT_ONCE)
        if self._owed < 1 or len(self._exchange.faults.waiting()) > 2 * _MOST_AT_ONCE:
            return  # what was planted has not happened yet
        apart, spared = round(1 / self._share), 0
        while self._owed >= 1:
            self._owed -= 1
            next(self._kinds)(spared)  # all that are planted count the requests from now on
            spared += apart

    def happened(self) -> int:
        """How many came true."""
        return self._exchange.faults.count() - self._before

    def clear(self) -> None:
        """Let nothing more go wrong."""
        self._exchange.faults.clear()


def _kinds(exchange: LocalExchange) -> list[Plant]:
    """Every way in which a request can go wrong that ends within a time-out of a second or two."""
    faults, anywhere = exchange.faults, "/v5/*"
    return [
        lambda skip: faults.drop_before_accept(anywhere, skip=skip),
        lambda skip: faults.close_after_answer(anywhere, skip=skip),
        lambda skip: faults.drop_after_accept(anywhere, skip=skip),
        lambda skip: faults.http_status(anywhere, 503, skip=skip),
        lambda skip: faults.reset_before(anywhere, skip=skip),
        lambda skip: faults.cut_body(anywhere, skip=skip),
        lambda skip: faults.stall(anywhere, skip=skip, after_accept=True),
        lambda skip: faults.html(anywhere, skip=skip),
        lambda skip: faults.reset_after(anywhere, skip=skip),
        lambda skip: faults.stray_bytes(anywhere, skip=skip),
        lambda skip: faults.late(anywhere, 0.2, skip=skip),
        lambda skip: faults.garbage(anywhere, skip=skip),
        lambda skip: faults.close_after_answer(anywhere, skip=skip, announce=True),
        lambda skip: faults.cut_body(anywhere, skip=skip, reset=True),
        lambda skip: faults.ret_code(anywhere, 10000, "Server Timeout", skip=skip),
        lambda skip: faults.rate_limit(anywhere, skip=skip, reset_in=0.1),
        lambda skip: faults.drip_body(anywhere, skip=skip, interval=0.05),
        lambda skip: faults.drip_headers(anywhere, skip=skip, interval=0.05),
        # Of new connections, which are few: the next one meets it.
        lambda _: faults.refuse_tls(),
        lambda _: faults.stall_handshake(),
        lambda _: faults.silent(),
    ]

"""A path of 50 ms, handshakes too: what a call takes beyond the round trips it needs.

A round trip is what a bare socket's warm call takes in the same run: the path wakes four threads
for it, which costs about a millisecond that no client can do anything about.
"""

from __future__ import annotations

import time
from statistics import median

from benchmarks import budget
from benchmarks.contenders import BareSocket, Ours
from benchmarks.contenders.ours import make_client
from benchmarks.measure import Call
from benchmarks.options import Options
from benchmarks.results import Comparison, Figure, Result
from benchmarks.server import Site
from benchmarks.work import SMALL

from .base import Workload

Taken = dict[str, list[float]]
"""Seconds, by what was done."""

_MOST_ROUNDS = 8
_WARM_CALLS = 2
_ROUND_TRIPS = {"warm": 1, "first": 1, "cold": 3}
_LABELS = {
    "warm": "warm call, ms beyond its round trip",
    "first": "first call after warm_up, ms beyond its round trip",
    "cold": "cold call, ms beyond its 3 round trips",
}


def _run(this: Workload, site: Site, options: Options) -> Result:
    far = site.far()
    bare: Taken = {"warm": [], "cold": []}
    ours: Taken = {"warm": [], "first": [], "cold": []}
    for _ in range(min(options.rounds, _MOST_ROUNDS)):
        _bare_calls(far, bare)
        _first_call(far, ours)
        _cold_and_warm_calls(far, ours)
    round_trip = median(bare["warm"])
    comparisons = [
        Comparison(
            _LABELS[kind],
            [(each - _ROUND_TRIPS[kind] * round_trip) * 1e3 for each in taken],
            budget.ROUND_TRIP_EXCESS_MS,
        )
        for kind, taken in ours.items()
    ]
    figures = [_figure(BareSocket.name, bare), _figure(Ours.name, ours)]
    return Result(this.name, this.title, figures, comparisons)


def _bare_calls(far: Site, taken: Taken) -> None:
    """What the path itself takes: a bare socket connects in `call_for`."""
    bare = BareSocket(far)
    bare.trust()
    try:
        started = time.perf_counter()
        call = bare.call_for(SMALL)
        call()
        taken["cold"].append(time.perf_counter() - started)
        taken["warm"] += [_seconds(call) for _ in range(_WARM_CALLS)]
    finally:
        bare.close()


def _first_call(far: Site, taken: Taken) -> None:
    with make_client(far, 30) as client:
        client.warm_up(1)
        taken["first"].append(_seconds(lambda: client.trade.get_open_orders(category="linear")))


def _cold_and_warm_calls(far: Site, taken: Taken) -> None:
    """The client is made before the clock starts: a program makes it once."""
    with make_client(far, 30) as client:
        taken["cold"].append(_seconds(lambda: client.trade.get_open_orders(category="linear")))
        for _ in range(_WARM_CALLS):
            seconds = _seconds(lambda: client.trade.get_open_orders(category="linear"))
            taken["warm"].append(seconds)


def _seconds(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _figure(name: str, taken: Taken) -> Figure:
    return Figure(name, {f"{kind} ms": median(each) * 1e3 for kind, each in taken.items()})


WORKLOAD = Workload("roundtrip", "A round trip of 50 ms, handshakes too", _run)

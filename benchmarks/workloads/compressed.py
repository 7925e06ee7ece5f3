"""Compressed answers against answers as they are: when does it pay to ask for gzip?

Near, a call shows what unpacking costs; at the end of a far path of 50 ms, what fewer bytes save.
There the first call of a connection is timed, which waits for the sender's window to open (so
does one after some seconds of silence), and a later one, which only the bandwidth holds up. The
server has compressed its answers beforehand: what that takes it comes on top.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from statistics import median

from benchmarks.contenders.base import check_answer
from benchmarks.contenders.ours import make_client
from benchmarks.measure import Call, time_calls
from benchmarks.options import Options
from benchmarks.results import Comparison, Figure, Result
from benchmarks.server import Site
from benchmarks.work import LARGE, MIDDLE, SMALL, Work
from bybit_sync import BybitClient

from .base import Workload, ratios

Case = tuple[str, str]
"""(the answer, what is measured and its unit)."""
Taken = dict[Case, list[float]]

_CODINGS = {"as it is": False, "gzip": True}
_SHARES = {SMALL.name: (SMALL, 1.0), MIDDLE.name: (MIDDLE, 0.5), LARGE.name: (LARGE, 0.15)}
"""The calls, and how many of the usual number of them are made near."""
_MOST_ROUNDS = 10
_LATER_CALLS = 4


def _run(this: Workload, site: Site, options: Options) -> Result:
    taken: dict[str, Taken] = {coding: {} for coding in _CODINGS}
    with ExitStack() as stack:
        near = {
            coding: stack.enter_context(make_client(site.packed(), 1, compression=asks))
            for coding, asks in _CODINGS.items()
        }
        for number in range(min(options.rounds, _MOST_ROUNDS)):
            for coding in list(_CODINGS)[:: -1 if number % 2 else 1]:
                _near_calls(near[coding], options, taken[coding])
                for mbit in site.slow_ports:
                    _far_calls(site, mbit, _CODINGS[coding], taken[coding])
    plain, packed = taken.values()
    comparisons = [
        Comparison(
            f"{answer}, {what.rpartition(' ')[0]}: gzip to none", ratios(packed[answer, what], each)
        )
        for (answer, what), each in plain.items()
    ]
    return Result(this.name, this.title, _figures(taken), comparisons)


def _near_calls(client: BybitClient, options: Options, taken: Taken) -> None:
    for work, share in _SHARES.values():
        call = _call(client, work)
        check_answer(work.name, call())
        batch = time_calls(call, max(5, int(options.calls * share)))
        taken.setdefault((work.name, "near us"), []).append(batch.p50 * 1e6)
        taken.setdefault((work.name, "CPU us"), []).append(batch.cpu_per_call * 1e6)


def _far_calls(site: Site, mbit: str, asks: bool, taken: Taken) -> None:
    """A connection of its own for each answer: one that has carried a large one is no longer
    young."""
    for work, _ in _SHARES.values():
        with make_client(site.packed(mbit), 1, compression=asks) as client:
            client.warm_up(1)
            call = _call(client, work)
            first = _milliseconds(call)
            later = median(_milliseconds(call) for _ in range(_LATER_CALLS))
        taken.setdefault((work.name, f"{mbit} Mbit/s first ms"), []).append(first)
        taken.setdefault((work.name, f"{mbit} Mbit/s later ms"), []).append(later)


def _call(client: BybitClient, work: Work) -> Call:
    function = getattr(getattr(client, work.group), work.function)
    return lambda: function(**work.params)


def _milliseconds(call: Call) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3


def _figures(taken: dict[str, Taken]) -> list[Figure]:
    return [
        Figure(
            f"{name}, {coding}",
            {what: median(each) for (answer, what), each in found.items() if answer == name},
        )
        for name in _SHARES
        for coding, found in taken.items()
    ]


WORKLOAD = Workload("compressed", "Answers as they are and compressed, near and far", _run)

"""One run: the server, the cores, and the workloads one after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

from .contenders import missing
from .cores import Watch, allowed_cores, awake, pin
from .environment import plain_environment
from .machine import describe
from .options import Options
from .results import Result
from .server import ServerProcess
from .workloads import Workload


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found, and where."""

    machine: dict[str, Any]
    options: Options
    missing: list[str]
    results: list[Result]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "machine": self.machine,
            "options": asdict(self.options),
            "not_installed": self.missing,
            "results": [result.to_dict() for result in self.results],
        }


def run(
    workloads: Sequence[Workload], options: Options, tell: Callable[[str], None] = lambda text: None
) -> Report:
    """Measure these workloads; `tell` hears what is being done.

    Raises:
        BenchmarkError, ServerError: something could not be measured.
    """
    server = ServerProcess()
    cores = allowed_cores()
    # The server first: a process inherits the cores of the one that starts it.
    with (
        awake() if options.keeps_awake else nullcontext(),
        plain_environment(),
        server as site,
    ):
        client_core = pin(0)
        try:
            results = []
            for workload in workloads:
                tell(f"{workload.name} …")
                watch = Watch(client_core)
                result = workload.measure(site, options)
                results.append(replace(result, others=watch.others()))
        finally:
            if client_core is not None:
                os.sched_setaffinity(0, cores)
    machine = describe(client_core, server.core, awake=options.keeps_awake)
    return Report(machine, options, missing(), results)

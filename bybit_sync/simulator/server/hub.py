"""What all connections share."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .clock import ServerClock
from .faults import FaultPlan
from .gateway import Gateway
from .journal import Connections, Journal

if TYPE_CHECKING:
    from .connection import Connection


@dataclass(slots=True, kw_only=True)
class Hub:
    """The parts of one server, handed to each of its connections."""

    gateway: Gateway
    clock: ServerClock
    faults: FaultPlan
    journal: Journal
    connections: Connections = field(default_factory=Connections)
    latency: float = 0.0
    idle_timeout: float | None = None
    live: set[Connection] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    """Tracebacks of faults in the simulator itself; a test may ask that there be none."""

    def report(self, error: BaseException) -> None:
        """Book a fault of our own."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.errors.append(text)
        sys.stderr.write(text)

    @property
    def patience(self) -> tuple[float, bool] | None:
        """Seconds that an unused connection lives, and whether a fault says so."""
        rule = self.faults.standing("close_idle")
        if rule is not None:
            return float(rule.details["after"]), True
        return None if self.idle_timeout is None else (self.idle_timeout, False)

"""The workloads, one module each, in the order in which they run."""

from __future__ import annotations

from . import (
    imports,
    large,
    memory,
    middle,
    new_connection,
    order,
    round_trip,
    session,
    small,
    threads30,
    threads100,
)
from .base import Workload

ALL: tuple[Workload, ...] = (
    small.WORKLOAD,
    session.WORKLOAD,
    middle.WORKLOAD,
    large.WORKLOAD,
    order.WORKLOAD,
    threads30.WORKLOAD,
    threads100.WORKLOAD,
    round_trip.WORKLOAD,
    new_connection.WORKLOAD,
    imports.WORKLOAD,
    memory.WORKLOAD,
)

__all__ = ["ALL", "Workload"]

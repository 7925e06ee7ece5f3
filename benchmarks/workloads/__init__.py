"""The workloads, one module each, in the order in which they run."""

from __future__ import annotations

from . import (
    compressed,
    imports,
    large,
    memory,
    middle,
    million,
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

ON_REQUEST: tuple[Workload, ...] = (million.WORKLOAD, compressed.WORKLOAD)
"""What takes minutes, and is run only when it is named."""

__all__ = ["ALL", "ON_REQUEST", "Workload"]

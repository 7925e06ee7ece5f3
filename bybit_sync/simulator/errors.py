"""What the simulator itself can fail with."""

from __future__ import annotations


class SimulatorError(RuntimeError):
    """The local exchange could not be started, or does not answer any more."""

"""How a local exchange behaves: one frozen record, handed to its process as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

EXTRA = 'the simulator needs more packages: pip install "bybit-sync[simulator]"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that may differ between two local exchanges. Times are in seconds."""

    latency: float = 0.0
    """One round trip: each request takes one, a new connection one for TCP and one for TLS."""
    tls: bool = True
    port: int = 0
    """0 takes a free one."""
    seed: int = 0
    """Of the market: the same seed gives the same prices."""
    limits: bool | Mapping[str, int] = True
    """Per account and endpoint as Bybit has them; a mapping path -> calls raises some of them."""
    ip_limit: int | None = 600
    """Requests that one address may make in `ip_window`; None = any number."""
    ip_window: float = 5.0
    ip_ban: float = 600.0
    """How long an address that went over it gets HTTP 403."""
    idle_timeout: float | None = None
    """Closes connections that were unused for so long; None = never."""
    state: str | None = None
    """A file: read at the start if it exists, kept up to date, written at the end. What a client
    was told outlives a kill, by FILE.diary beside it."""
    world: str = "bybit_sync.simulator.world:World"
    """The market behind the server, as ``module:class``."""

    def __post_init__(self) -> None:
        _at_least("latency", self.latency, 0.0)
        _at_least("ip_window", self.ip_window, 0.001)
        _at_least("ip_ban", self.ip_ban, 0.0)
        if self.idle_timeout is not None:
            _at_least("idle_timeout", self.idle_timeout, 0.001)
        if self.ip_limit is not None:
            _at_least("ip_limit", self.ip_limit, 1)
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port: {self.port} is not from 0 to 65535")

    def to_json(self) -> str:
        """This record as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The record that `to_json` wrote."""
        return cls(**json.loads(text))


def _at_least(name: str, value: float, low: float) -> None:
    if not low <= value < float("inf"):
        raise ValueError(f"{name}: {value!r} is not a number from {low:g} up")

"""What the doctor knows about one client, and what a finding consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from bybit_sync.cli.reading import Reading, Span

if TYPE_CHECKING:
    from bybit_sync.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What only a probe can find out."""

    errors: tuple[Exception, ...] = ()
    """What calls ended with, in their order."""
    server_closes_after: float | None = None
    """Seconds after which the server was seen to close an unused connection."""
    watched: float = 0.0
    """Seconds for which one was left unused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One client, looked at several times."""

    exchange: str
    looks: Sequence[Reading]
    settings: Config | None = None
    """What it was started with, where that is known."""
    probed: Probed | None = None

    @property
    def span(self) -> Span:
        """From the first look to the last."""
        return Span(self.exchange, self.looks[0], self.looks[-1])

    def gauge(self, name: str) -> list[float]:
        """A gauge of the pool, at every look."""
        name = f"http_pool_{name}"
        return [look.get(name, exchange=self.exchange) or 0.0 for look in self.looks]

    def total(self, name: str, **labels: str) -> float:
        """A counter since the client's start."""
        return self.span.now(name, **labels) or 0.0

    def calls(self, **labels: str) -> float:
        """Calls that ended meanwhile."""
        return self.span.gained("http_request_duration_seconds_count", **labels)

    def setting(self, table: str, key: str) -> Any:
        """A setting of the client's; None where that is not known."""
        return None if self.settings is None else getattr(getattr(self.settings, table), key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, and the knob to turn."""

    name: str
    symptom: str
    evidence: str
    knob: str
    """``table.key`` of the config, or what it is called elsewhere."""
    suggestion: Mapping[str, Any] = field(default_factory=dict)
    """Values to set, by ``table.key``."""
    advice: str
    is_certain: bool = True
    """False where it is only worth a look."""

    def figures(self) -> dict[str, Any]:
        """The finding, for programs."""
        return asdict(self)


def plural(count: float, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{count:.0f} {noun}" + ("" if round(count) == 1 else "s")


def seconds(value: float) -> str:
    """A duration as people read it."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.3g} s"

"""How one strategy is run: checked when it is added."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from bybit_sync.config import checks
from bybit_sync.config.checks import Check
from bybit_sync.config.table import Fault, Table, setting

_DAY = 86_400.0
_LONGEST_PAUSE = 60.0
_NAME_LENGTH = 100


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings(Table):
    """What `StrategyRunner.add` was given, times in seconds."""

    table: ClassVar[str] = "strategy"

    every: float = setting(1.0, checks.positive(365 * _DAY))
    jitter: float = setting(0.0, checks.number(0, 365 * _DAY))
    timeout: float | None = setting(None, _optional(checks.positive(_DAY)))
    on_overrun: str = setting("skip", checks.choice("skip", "queue"))
    restart: str = setting("backoff", checks.choice("backoff", "never"))

    @classmethod
    def _settle_together(cls, values: dict[str, Any]) -> Iterable[Fault]:
        every, jitter = values.get("every"), values.get("jitter")
        if every is not None and jitter is not None and jitter > every:
            text = f"{jitter:g} is above strategy.every; allowed is 0 to {every:g}"
            yield Fault(("jitter",), text)

    def pause_after(self, failures: int) -> float:
        """Seconds to leave a strategy alone that has failed so many times in a row."""
        first = min(self.every, 1.0)
        return min(_LONGEST_PAUSE, first * 2.0 ** min(failures - 1, 30))


def checked_name(name: object) -> str:
    """A name that tells a strategy from others, in logs and as a metric's label.

    Raises:
        RefusedError: it is no short printable text.
    """
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _NAME_LENGTH:
        allowed = f"1 to {_NAME_LENGTH} printable characters"
        raise checks.refuse(f"{checks.quoted(name)} is not a name of {allowed}")
    return name

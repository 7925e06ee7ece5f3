"""The strategies of one runner, by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bybit_sync.clock import Clock
from bybit_sync.config.checks import RefusedError, quoted
from bybit_sync.exceptions import ConfigError
from bybit_sync.forking import renew_after_fork

from .settings import StrategySettings, checked_name
from .steps import step_of
from .strategy import Strategy, StrategyStats


class Roster:
    """Every strategy of a runner. The lock guards the set, and each strategy in it."""

    def __init__(self, clock: Clock) -> None:
        self.lock = threading.Lock()
        renew_after_fork(self, "lock")
        self._clock = clock
        self._strategies: dict[str, Strategy] = {}

    def add(
        self,
        target: Any,
        name: str | None,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        settings: StrategySettings,
    ) -> Strategy:
        """Take in one more.

        Raises:
            ConfigError: it is nothing that can be run, or its name is taken.
        """
        if step_of(target) is None or isinstance(target, type):
            raise ConfigError(
                f"strategy: {quoted(target)} is no function, and no object with a step() method"
            )
        try:
            chosen = checked_name(_name_of(target, args) if name is None else name)
        except RefusedError as refused:
            raise ConfigError(f"strategy.name: {refused}") from None
        strategy = Strategy(chosen, target, args, kwargs, settings)
        with self.lock:
            # Refused, not renamed: a notebook's cell that is run twice must not trade twice.
            if chosen in self._strategies:
                raise ConfigError(
                    f"strategy.name: {chosen!r} runs here already: remove() it first, "
                    "or give this one another name"
                )
            self._strategies[chosen] = strategy
        return strategy

    def find(self, name: str) -> Strategy:
        """The strategy of that name.

        Raises:
            ConfigError: there is none.
        """
        with self.lock:
            strategy = self._strategies.get(name)
        if strategy is None:
            raise ConfigError(
                f"strategy.name: {quoted(name)} is not the name of one that runs here"
            )
        return strategy

    def forget(self, strategy: Strategy) -> None:
        """Leave one out; it may be gone already. The caller holds the lock."""
        if self._strategies.get(strategy.name) is strategy:
            del self._strategies[strategy.name]

    def __iter__(self) -> Iterator[Strategy]:
        """In the order of their coming. The caller holds the lock, or does not mind changes."""
        return iter(list(self._strategies.values()))

    def __len__(self) -> int:
        return len(self._strategies)

    def stats(self) -> dict[str, StrategyStats]:
        """All of them at one moment, by name."""
        now = self._clock.monotonic()
        with self.lock:
            return {each.name: each.stats(now) for each in self._strategies.values()}


def _name_of(target: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """``step``, or ``step(BTCUSDT)`` where short arguments tell one from the next."""
    own = getattr(target, "__name__", None) or type(target).__name__
    told = [str(each) for each in args if isinstance(each, str | int) and str(each).isprintable()]
    name = f"{own}({', '.join(told)})" if told else own
    return name if len(name) <= 100 else own[:100]

"""Where a command calls: the options that every command with a client has, and that client."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .output import note

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from bybit_sync.client import BybitClient
    from bybit_sync.config import Config

ENVIRONMENTS = ("mainnet", "testnet", "demo", "demo-testnet")
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which exchange, with which settings."""

    config: str | None = None
    environment: str | None = None
    base_url: str | None = None
    ca_file: str | None = None
    local: bool = False

    def __post_init__(self) -> None:
        others = (self.environment, self.base_url, self.ca_file)
        if self.local and any(others):
            raise click.UsageError(
                "--local starts an exchange of its own: it goes with neither --environment nor "
                "--base-url nor --ca-file"
            )
        if self.environment and self.base_url:
            raise click.UsageError("--environment or --base-url, not both")

    @property
    def is_named(self) -> bool:
        """True where the command line says where to call."""
        return self.local or any((self.config, self.environment, self.base_url))

    def settings(self) -> Config:
        """The settings of ``--config``, or the defaults; what it warns of goes to stderr.

        Raises:
            ConfigError: the file is wrong.
        """
        from bybit_sync.config import Config

        config = Config()
        if self.config is not None:
            with warnings.catch_warnings(record=True) as doubts:
                warnings.simplefilter("always")
                config = Config.load(self.config)
            for doubt in doubts:
                note(f"warning: {doubt.message}")
        if self.ca_file is not None:
            config = replace(config, tls=replace(config.tls, ca_file=self.ca_file))
        return config

    @contextmanager
    def client(
        self,
        change: Callable[[Config], Config] | None = None,
        registry: CollectorRegistry | None = None,
    ) -> Iterator[BybitClient]:
        """The client of this place, closed at the end; `change` may alter its settings first.

        A command starts no exporter: the port of ``--config`` is the program's.
        """
        from prometheus_client import CollectorRegistry

        from bybit_sync.client import BybitClient

        config = self.settings()
        if change is not None:
            config = change(config)
        config = replace(config, metrics=replace(config.metrics, port=0))
        registry = CollectorRegistry() if registry is None else registry
        if self.local:
            client = BybitClient.local(config=config, registry=registry)
        else:
            client = BybitClient(
                environment=self.environment,
                base_url=self.base_url,
                config=config,
                registry=registry,
            )
        with client:
            yield client


def with_place(command: _F) -> _F:
    """``--config``, ``--environment``, ``--base-url``, ``--ca-file``, ``--local`` as ``place``."""
    from functools import wraps

    @wraps(command)
    def placed(**options: Any) -> Any:
        names = ("config", "environment", "base_url", "ca_file", "local")
        place = Place(**{name: options.pop(name) for name in names})
        return command(place=place, **options)

    for option in reversed(_OPTIONS):
        placed = option(placed)
    return placed  # type: ignore[return-value]


_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False),
        help="Settings; keys may be in it, BYBIT_API_KEY and BYBIT_API_SECRET win.",
    ),
    click.option(
        "--environment", type=click.Choice(ENVIRONMENTS), help="Which Bybit. [default: mainnet]"
    ),
    click.option("--base-url", metavar="URL", help="Another host in place of an environment's."),
    click.option(
        "--ca-file",
        type=click.Path(exists=True),
        help="The CA to trust, as `simulate` prints it.",
    ),
    click.option("--local", is_flag=True, help="A local exchange, started for this command."),
)

"""All settings of a client in one record."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from bybit_sync.exceptions import ConfigError

from .checks import quoted
from .document import FileFacts, read_document
from .draft import TABLES, Draft
from .show import written
from .tables import (
    ClientConfig,
    ClockConfig,
    ConnectionPoolConfig,
    MetricsConfig,
    OrdersConfig,
    RateLimitConfig,
    RetryConfig,
    TcpKeepaliveConfig,
    TlsConfig,
)

_OTHERS_MAY = 0o077


class ConfigWarning(UserWarning):
    """A setting is allowed, but a person should look at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every table of ``config.toml``; what is not given takes its default."""

    client: ClientConfig = field(default_factory=ClientConfig)
    connection_pool: ConnectionPoolConfig = field(default_factory=ConnectionPoolConfig)
    tcp_keepalive: TcpKeepaliveConfig = field(default_factory=TcpKeepaliveConfig)
    tls: TlsConfig = field(default_factory=TlsConfig)
    retry: RetryConfig = field(default_factory=RetryConfig)
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)
    clock: ClockConfig = field(default_factory=ClockConfig)
    orders: OrdersConfig = field(default_factory=OrdersConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)

    def __post_init__(self) -> None:
        faults = [
            f"{name}: {quoted(getattr(self, name))} is not a {record.__name__}"
            for name, record in TABLES.items()
            if not isinstance(getattr(self, name), record)
        ]
        if faults:
            raise ConfigError("\n".join(faults))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Config:
        """The settings of a TOML file.

        Draws a `ConfigWarning` for a file that holds keys and is open to other users, and for
        a ``keepalive_timeout`` beside ``force_close``, which wins.

        Raises:
            ConfigError: the file cannot be read, or something in it is not allowed; all faults
                are told, one on a line.
        """
        found = _read(path)
        if isinstance(found, str):
            raise ConfigError(found)
        draft, file = found
        config = cls(**draft.records())
        for doubt in _doubts(config, draft, file):
            warnings.warn(doubt, ConfigWarning, stacklevel=2)
        return config

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> Config:
        """The settings of a dict of dicts, by table and key as in the file.

        Raises:
            ConfigError: something is not allowed; all faults are told, one on a line.
        """
        draft = Draft(tables, "dict")
        del tables  # it may hold a secret, and a traceback shows locals
        return cls(**draft.records())

    def to_toml(self) -> str:
        """The settings as a TOML text, without API key and secret."""
        return written({one.name: getattr(self, one.name) for one in fields(self)})


def _read(path: str | os.PathLike[str]) -> tuple[Draft, FileFacts] | str:
    """What the file asks for, or what is wrong with it.

    That is for the caller to raise: the frames below here hold the file's text, secret and
    all, and a traceback may show the locals of each.
    """
    try:
        document = read_document(path)
    except ConfigError as error:
        return error.message
    return Draft(document.tables, document.file.name, document.lines.of), document.file


def _doubts(config: Config, draft: Draft, file: FileFacts) -> list[str]:
    doubts = []
    if config.client.api_key or config.client.api_secret:
        doubts += _exposure(file)
    if config.connection_pool.force_close and draft.has("connection_pool", "keepalive_timeout"):
        doubts.append(
            f"{file.name}: connection_pool.force_close closes every connection after its "
            "request; keepalive_timeout has no effect"
        )
    return doubts


def _exposure(file: FileFacts) -> list[str]:
    if file.mode is None:
        return []
    open_to = "can be read or written by other users" if file.mode & _OTHERS_MAY else ""
    if not open_to and file.owner not in (0, os.geteuid()):
        open_to = f"belongs to another user (uid {file.owner})"
    if not open_to:
        return []
    return [f"{file.name} holds API keys and {open_to}, mode {file.mode:o}: chmod 600 it"]

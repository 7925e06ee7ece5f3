"""The market and everybody's keys to it: what a state file holds."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import orjson

from bybit_sync.simulator.errors import SimulatorError

from .auth import Key, Keyring
from .clock import market_ms

FORMAT = 1


class Answer(Protocol):
    """What the market says to a call."""

    result: Any
    ext_info: Any
    ret_msg: str


class Account(Protocol):
    """Somebody's money and orders."""

    @property
    def uid(self) -> str:
        """The number by which the exchange knows them."""
        ...


class World(Protocol):
    """What the server needs of a market."""

    def open_account(self, balances: Mapping[str, str] | None = None) -> Account:
        """A new account that holds these coins."""
        ...

    def account(self, uid: str) -> Account:
        """The account that has this number."""
        ...

    def handles(self, key: str) -> bool:
        """True if this endpoint has state here."""
        ...

    def handle(self, key: str, account: Account | None, params: Mapping[str, Any]) -> Answer:
        """Carry out a call; raises Refusal."""
        ...

    def tick(self) -> None:
        """Let time act."""
        ...

    def accepted_orders(self, start: int = 0) -> list[dict[str, Any]]:
        """Every order ever accepted, oldest first, without the first `start`."""
        ...

    def accepted_count(self) -> int:
        """How many there are."""
        ...

    def dump(self) -> dict[str, Any]:
        """The whole state."""
        ...


class Venue:
    """One market, its accounts and their keys; the first key is the one shown to the user."""

    def __init__(self, world: World, keyring: Keyring) -> None:
        self._world = world
        self.keyring = keyring
        self._handled: dict[str, bool] = {}
        self.tick = world.tick
        self.accepted_orders = world.accepted_orders
        self.accepted_count = world.accepted_count

    @classmethod
    def open(cls, world: str, seed: int, state: str | None) -> Venue:
        """The market that `state` holds if there is such a file, else a new one."""
        module, _, name = world.partition(":")
        try:
            kind = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise SimulatorError(f"there is no market {world}: {error}") from error
        if state is not None and Path(state).exists():
            return cls._load(kind, Path(state))
        venue = cls(kind(seed=seed, now_ms=market_ms), Keyring())
        venue.open_account()
        return venue

    @classmethod
    def _load(cls, kind: Any, path: Path) -> Venue:
        try:
            state = orjson.loads(path.read_bytes())
            if state["format"] != FORMAT:
                raise SimulatorError(f"{path}: format {state['format']} is not {FORMAT}")
            keyring = Keyring()
            for key in state["keys"]:
                keyring.add(Key(**key))
            return cls(kind.load(state["world"], now_ms=market_ms), keyring)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SimulatorError(f"{path} does not hold a saved exchange: {error!r}") from error

    @property
    def first_key(self) -> Key:
        """The key of the account that was there first."""
        return next(iter(self.keyring.keys().values()))

    def open_account(self, balances: Mapping[str, str] | None = None, **traits: Any) -> Key:
        """A new account and the key to it."""
        return self.keyring.create(self._world.open_account(balances).uid, **traits)

    def handles(self, key: str) -> bool:
        """True if the market keeps state for this endpoint."""
        known = self._handled.get(key)
        if known is None:
            known = self._handled[key] = key != "market.get_server_time" and self._world.handles(
                key
            )
        return known

    def handle(self, key: str, uid: str | None, params: Mapping[str, Any]) -> Answer:
        """Carry out a call; raises Refusal."""
        account = None if uid is None else self._world.account(uid)
        return self._world.handle(key, account, params)

    def save(self, path: Path) -> float:
        """Write everything; an interrupted write leaves the old file. Returns the seconds it took.

        The file holds the keys' secrets: nobody else may read it.
        """
        started = time.monotonic()
        state = {
            "format": FORMAT,
            "keys": [key.to_state() for key in self.keyring.keys().values()],
            "world": self._world.dump(),
        }
        draft = path.with_name(f"{path.name}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(state))
        draft.replace(path)
        return time.monotonic() - started

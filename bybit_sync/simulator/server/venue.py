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
from bybit_sync.simulator.refusal import Refusal

from .auth import Key, Keyring
from .clock import MarketClock
from .diary import Diary, Entry

FORMAT = 2


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

    def __init__(
        self, world: World, keyring: Keyring, clock: MarketClock, state: Path | None = None
    ) -> None:
        self._world = world
        self.keyring = keyring
        self._clock = clock
        self._state = state
        self._diary = None if state is None else Diary(state)
        self._generation = 0
        self._handled: dict[str, bool] = {}
        self.tick = world.tick
        self.accepted_orders = world.accepted_orders
        self.accepted_count = world.accepted_count

    @classmethod
    def open(cls, world: str, seed: int, state: str | None) -> Venue:
        """The market that `state` holds if there is such a file, else a new one.

        Raises:
            SimulatorError: there is no such market, or the file is none of ours.
            OSError: the file cannot be written.
        """
        module, _, name = world.partition(":")
        try:
            kind = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise SimulatorError(f"there is no market {world}: {error}") from error
        path = None if state is None else Path(state)
        if path is not None and path.exists():
            venue = cls._load(kind, path)
        else:
            clock = MarketClock()
            venue = cls(kind(seed=seed, now_ms=clock), Keyring(), clock, path)
            venue._open_account(None)
        venue.save()
        return venue

    @classmethod
    def _load(cls, kind: Any, path: Path) -> Venue:
        clock = MarketClock()
        try:
            state = orjson.loads(path.read_bytes())
            if state["format"] != FORMAT:
                raise SimulatorError(f"{path}: format {state['format']} is not {FORMAT}")
            keyring = Keyring()
            for key in state["keys"]:
                keyring.add(Key(**key))
            venue = cls(kind.load(state["world"], now_ms=clock), keyring, clock, path)
            venue._generation = state["generation"]
            venue._catch_up()
        except (OSError, ValueError, KeyError, TypeError, Refusal) as error:
            raise SimulatorError(f"{path} does not hold a saved exchange: {error!r}") from error
        return venue

    def _catch_up(self) -> None:
        """Do again what was done after the file was written."""
        assert self._diary is not None
        for what, at_ms, *rest in self._diary.entries(self._generation):
            self._clock.held_ms = at_ms
            if what == "account":
                self._reopen_account(*rest)
            else:
                key, uid, params = rest
                self._world.handle(key, self._world.account(uid), params)
        self._clock.held_ms = None

    @property
    def first_key(self) -> Key:
        """The key of the account that was there first."""
        return next(iter(self.keyring.keys().values()))

    def open_account(self, balances: Mapping[str, str] | None = None, **traits: Any) -> Key:
        """A new account and the key to it."""
        key = self._open_account(balances, **traits)
        self._note("account", balances, key.to_state())
        return key

    def _open_account(self, balances: Mapping[str, str] | None, **traits: Any) -> Key:
        return self.keyring.create(self._world.open_account(balances).uid, **traits)

    def _reopen_account(self, balances: Mapping[str, str] | None, key: dict[str, Any]) -> None:
        self._world.open_account(balances)
        self.keyring.add(Key(**key))

    def handles(self, key: str) -> bool:
        """True if the market keeps state for this endpoint."""
        known = self._handled.get(key)
        if known is None:
            known = self._handled[key] = key != "market.get_server_time" and self._world.handles(
                key
            )
        return known

    def handle(
        self, key: str, uid: str | None, params: Mapping[str, Any], *, changes: bool
    ) -> Answer:
        """Carry out a call; raises Refusal. One that `changes` something outlives a kill."""
        account = None if uid is None else self._world.account(uid)
        answer = self._world.handle(key, account, params)
        if changes:  # a refused one has changed nothing
            self._note("call", key, uid, params)
        return answer

    def _note(self, what: str, *rest: Any) -> None:
        if self._diary is not None:
            entry: Entry = [what, self._clock.last_ms, *rest]
            self._diary.note(*entry)

    def save(self) -> float:
        """Write everything; an interrupted write leaves the old file. Returns the seconds it took.

        The file holds the keys' secrets: nobody else may read it.
        """
        if self._state is None or self._diary is None:
            return 0.0
        started = time.monotonic()
        self._generation += 1
        state = {
            "format": FORMAT,
            "generation": self._generation,
            "keys": [key.to_state() for key in self.keyring.keys().values()],
            "world": self._world.dump(),
        }
        draft = self._state.with_name(f"{self._state.name}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(state))
        draft.replace(self._state)
        self._diary.restart(self._generation)
        return time.monotonic() - started

    def close(self) -> None:
        """Write everything for the last time."""
        self.save()
        if self._diary is not None:
            self._diary.end()

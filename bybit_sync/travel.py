"""A client on its way to another process: it travels as its configuration.

Sockets stay behind, and so do key and secret: what is sent says where they are found, in the
environment or in a config file, and the other process looks there. It makes one client, and so one
pool, of all that arrive with the same configuration.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from bybit_sync.config import Config, Credentials, Secret, resolve_credentials
from bybit_sync.config.credentials import KEY_VARIABLE, SECRET_VARIABLE
from bybit_sync.exceptions import ConfigError, MissingCredentialsError
from bybit_sync.forking import renew_after_fork

if TYPE_CHECKING:
    from .client import BybitClient

NOWHERE, ARGUMENTS, ENVIRONMENT, FILE = "nowhere", "arguments", "environment", "config"


@dataclass(frozen=True, slots=True)
class KeyOrigin:
    """Where a client found its keys, and which they are, without telling them."""

    place: str
    """`NOWHERE`, `ARGUMENTS`, `ENVIRONMENT` or `FILE`."""
    mark: str = ""
    """Tells one API key from another; the key cannot be read from it."""
    file: str = ""
    """The path of the config file, where one was read."""


def origin_of(
    credentials: Credentials | None, has_arguments: bool, environ: Mapping[str, str]
) -> KeyOrigin:
    """Where keys that were resolved in the usual order have come from."""
    if credentials is None:
        return KeyOrigin(NOWHERE)
    mark = hashlib.sha256(credentials.api_key.encode()).hexdigest()[:16]
    if has_arguments:
        return KeyOrigin(ARGUMENTS, mark)
    is_set = environ.get(KEY_VARIABLE) or environ.get(SECRET_VARIABLE)
    return KeyOrigin(ENVIRONMENT if is_set else FILE, mark)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a client can be made from in another process. It holds no secret."""

    cls: type[BybitClient]
    config: Config
    keys: KeyOrigin

    def make(self) -> BybitClient:
        """A client of this process.

        Raises:
            ConfigError: the keys are not where they should be, or are others.
        """
        if self.keys.place == NOWHERE:
            # The sender need not have keys that its workers have in their environment.
            return self.cls(config=self.config)
        key, secret = self._find_keys()
        client = self.cls(key, secret, config=self.config)
        client.key_origin = self.keys
        return client

    def _find_keys(self) -> tuple[Secret, Secret]:
        found = self._look()
        if found is None:
            raise MissingCredentialsError(
                f"the client that was sent here has its keys in {self._place()}, and in this "
                f"process (pid {os.getpid()}) there are none: set them here, too"
            )
        if origin_of(found, False, {}).mark != self.keys.mark:
            raise ConfigError(
                f"{self._place()} of this process (pid {os.getpid()}) holds another API key than "
                "the client had where it was made"
            )
        return Secret(found.api_key), found.api_secret

    def _look(self) -> Credentials | None:
        if self.keys.place == ENVIRONMENT:
            return resolve_credentials(Config(), environ=os.environ)
        return resolve_credentials(Config.load(self.keys.file), environ={})

    def _place(self) -> str:
        if self.keys.place == ENVIRONMENT:
            return f"{KEY_VARIABLE} and {SECRET_VARIABLE}"
        return self.keys.file


def recipe_of(client: BybitClient) -> Recipe:
    """How to make this client again, elsewhere.

    Raises:
        TypeError: its keys are known to this process only.
    """
    origin = client.key_origin
    if origin.place == ARGUMENTS or (origin.place == FILE and not origin.file):
        raise TypeError(
            "a BybitClient whose keys were given as arguments is not pickled, for they would "
            f"travel with it: set {KEY_VARIABLE} and {SECRET_VARIABLE}, or use "
            "BybitClient.from_config(path), there and here"
        )
    config = client.config
    plain = replace(
        config,
        client=replace(config.client, api_key=Secret(), api_secret=Secret()),
        # A port is one process's; the others are scraped where their programs say.
        metrics=replace(config.metrics, port=0),
    )
    return Recipe(type(client), plain, origin)


class _Residents:
    """The clients of this process that were sent or have arrived. The lock guards them, and is
    held while one is made: two that arrive at once are one client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._sent: dict[Recipe, weakref.ref[BybitClient]] = {}
        self._arrived: dict[Recipe, BybitClient] = {}

    def note(self, recipe: Recipe, client: BybitClient) -> None:
        """This client may come back, from a pickle that never left the process."""
        with self._lock:
            self._sent[recipe] = weakref.ref(client)

    def admit(self, recipe: Recipe) -> BybitClient:
        """The client that was sent; it stays open to the end of the process, or to its close()."""
        with self._lock:
            sent = self._sent.get(recipe)
            here = sent() if sent is not None else None
            if here is None or here.is_closed:
                here = self._arrived.get(recipe)
            if here is None or here.is_closed:
                here = self._arrived[recipe] = recipe.make()
            return here


_RESIDENTS = _Residents()


def pack(client: BybitClient) -> Recipe:
    """What is pickled in place of a client.

    Raises:
        TypeError: see `recipe_of`.
    """
    recipe = recipe_of(client)
    _RESIDENTS.note(recipe, client)
    return recipe


class AbsentClient:
    """In place of a client that cannot be made here: whatever is asked of it raises the reason.

    Raised already while a task is unpickled, the reason would break a pool of processes, and make
    a Dask worker hang; this way it is the task that fails.
    """

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # whoever asks for a protocol is no caller
            raise AttributeError(name)
        raise self._error.with_traceback(None)

    def __enter__(self) -> NoReturn:
        raise self._error.with_traceback(None)

    def __exit__(self, *exc_info: object) -> None:
        """Never reached."""

    def __repr__(self) -> str:
        return f"<no BybitClient here: {self._error}>"


def unpack(recipe: Recipe) -> BybitClient | AbsentClient:
    """This process's client for what was pickled; the same one each time, while it is open.

    Where it cannot be made, an `AbsentClient`: its first use raises what `Recipe.make` raised.
    """
    try:
        return _RESIDENTS.admit(recipe)
    except Exception as error:  # noqa: BLE001  (raised again at the first use)
        return AbsentClient(error)

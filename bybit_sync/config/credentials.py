"""Which API key and secret a client signs with."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bybit_sync.exceptions import ConfigError

from . import checks
from .config import Config
from .secret import Secret

KEY_VARIABLE = "BYBIT_API_KEY"
SECRET_VARIABLE = "BYBIT_API_SECRET"  # noqa: S105  (a name, not a secret)

_KEY_LENGTH, _SECRET_LENGTH = 18, 36  # as Bybit makes them; other lengths are let pass


class Credentials:
    """An API key and its secret, of one pair."""

    __slots__ = ("_key", "api_secret")

    def __init__(self, key: Secret, secret: Secret) -> None:
        self._key = key
        self.api_secret = secret

    @property
    def api_key(self) -> str:
        """The key's public name, in full."""
        return self._key.reveal()

    @property
    def is_rsa(self) -> bool:
        """True where the secret is a private key."""
        return self.api_secret.reveal().lstrip().startswith("-----BEGIN")

    def __repr__(self) -> str:
        return f"Credentials(api_key={self._key!r}, api_secret={self.api_secret!r})"


def resolve_credentials(
    config: Config,
    api_key: str | Secret | None = None,
    api_secret: str | Secret | None = None,
    environ: Mapping[str, str] | None = None,
) -> Credentials | None:
    """The first pair that is given by the arguments, the environment or the config; or None.

    A pair comes from one place: the key of one account and the secret of another would be taken
    for one, and Bybit's refusal does not tell. Empty text counts as not given.

    Raises:
        ConfigError: the place gives one of the two only, or something that cannot be a key.
    """
    key, secret = Secret(api_key or ""), Secret(api_secret or "")
    del api_key, api_secret  # a traceback shows locals
    set_key, set_secret = _from(os.environ if environ is None else environ)
    del environ
    pairs = (
        ("api_key", key, "api_secret", secret),
        (KEY_VARIABLE, set_key, SECRET_VARIABLE, set_secret),
        ("client.api_key", config.client.api_key, "client.api_secret", config.client.api_secret),
    )
    for pair in pairs:
        if pair[1] or pair[3]:
            return _paired(*pair)
    return None


def _from(environ: Mapping[str, str]) -> tuple[Secret, Secret]:
    return Secret(environ.get(KEY_VARIABLE, "")), Secret(environ.get(SECRET_VARIABLE, ""))


def _paired(key_name: str, key: Secret, secret_name: str, secret: Secret) -> Credentials:
    if not key or not secret:
        given, missing = (key_name, secret_name) if key else (secret_name, key_name)
        raise ConfigError(f"{given} is given without {missing}; a pair comes from one place")
    faults = []
    for name, check, value in (
        (key_name, checks.api_key, key),
        (secret_name, checks.api_secret, secret),
    ):
        try:
            check(value)
        except checks.RefusedError as refused:
            faults.append(f"{name}: {refused}")
    if not faults and (len(key.reveal()), len(secret.reveal())) == (_SECRET_LENGTH, _KEY_LENGTH):
        faults.append(
            f"{key_name} and {secret_name} look swapped (values not shown): Bybit's keys have "
            f"{_KEY_LENGTH} characters, their secrets {_SECRET_LENGTH}"
        )
    if faults:
        raise ConfigError("\n".join(faults))
    return Credentials(Secret(key, shown=True), secret)

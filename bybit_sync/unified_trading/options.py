"""pybit's constructor options: their defaults, what each may be, and the host that they name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from typing import Any

from bybit_sync.config import checks
from bybit_sync.exceptions import ConfigError

Check = Callable[[Any], Any]
Timeout = float | tuple[float | None, float | None] | None

RETRY_CODES = (10002, 10006, 30034, 30035, 130035, 130150)
"""The retCodes after which pybit repeats a call, unless it is given others."""
LONGEST_WINDOW_MS = 60_000

_SUBDOMAINS = {
    (False, False): "api",
    (True, False): "api-testnet",
    (False, True): "api-demo",
    (True, True): "api-demo-testnet",
}
_SECONDS = checks.positive(86_400.0)


class Options:
    """What `HTTP` was asked for. Each value is checked when it is set, also later on.

    It knows nothing of the client, so that the client's parts may hold it. Keys are not in it.
    """

    __slots__ = (
        "demo",
        "domain",
        "force_retry",
        "ignore_codes",
        "log_requests",
        "logging_level",
        "max_retries",
        "record_request_time",
        "recv_window",
        "referral_id",
        "retry_codes",
        "retry_delay",
        "return_response_headers",
        "rsa_authentication",
        "testnet",
        "timeout",
        "tld",
    )

    testnet: bool
    demo: bool
    domain: str
    tld: str
    rsa_authentication: bool
    logging_level: int | str
    log_requests: bool
    timeout: tuple[float | None, float | None]
    recv_window: int
    force_retry: bool
    retry_codes: Container[int]
    ignore_codes: Container[int]
    max_retries: int
    retry_delay: float
    referral_id: str
    record_request_time: bool
    return_response_headers: bool

    def __init__(self, **given: Any) -> None:
        for name, value in given.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        check = _CHECKS.get(name, bool)
        try:
            object.__setattr__(self, name, check(value))
        except checks.RefusedError as refused:
            raise ConfigError(f"HTTP: {name}: {refused}") from None

    @property
    def url(self) -> str:
        """The host that testnet, demo, domain and tld name."""
        subdomain = _SUBDOMAINS[self.testnet, self.demo]
        return f"https://{subdomain}.{self.domain}.{self.tld}"

    @property
    def names_no_host(self) -> bool:
        """True where testnet, demo, domain and tld are all as by default."""
        return (self.testnet, self.demo, self.domain, self.tld) == (False, False, "bybit", "com")


def _codes(*default: int) -> Check:
    """The user's own set, so that it may grow; an empty one means the default, as in pybit."""

    def check(value: Any) -> Container[int]:
        if not value:
            return set(default)
        if not isinstance(value, Container) or isinstance(value, str | bytes):
            raise checks.refuse(f"{checks.quoted(value)} is not a set of retCodes")
        return value

    return check


def _timeout(value: Timeout) -> tuple[float | None, float | None]:
    """Seconds to connect and seconds between two reads; None takes the config's."""
    pair = value if isinstance(value, tuple) else (value, value)
    if len(pair) != 2:
        raise checks.refuse(f"{len(pair)} numbers are not one, nor a (connect, read) pair")
    connect, read = (None if each is None else _SECONDS(each) for each in pair)
    return connect, read


def _text_or(default: str) -> Check:
    def check(value: Any) -> str:
        if value is not None and not isinstance(value, str):
            raise checks.refuse(f"{checks.quoted(value)} is not a text")
        return value or default

    return check


def _level(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise checks.refuse(f"{checks.quoted(value)} is not a level of logging")
    if isinstance(value, str) and not isinstance(logging.getLevelName(value), int):
        raise checks.refuse(f"{checks.quoted(value)} is not a level of logging, such as INFO")
    return value


_CHECKS: dict[str, Check] = {
    "domain": _text_or("bybit"),
    "tld": _text_or("com"),
    "logging_level": _level,
    "timeout": _timeout,
    "recv_window": checks.whole(1, LONGEST_WINDOW_MS),
    "retry_codes": _codes(*RETRY_CODES),
    "ignore_codes": _codes(),
    "max_retries": checks.whole(1, 100),
    "retry_delay": checks.number(0.0, 3600.0),
    "referral_id": _text_or(""),
}
"""What is not here is a switch: as in pybit, whatever counts as true is."""

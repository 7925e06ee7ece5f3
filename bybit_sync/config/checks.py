"""What one value of a table may be.

A `Check` takes what a user gave and returns it in its plain form (an int for a float becomes a
float), or raises `RefusedError` with words that name the value and what is allowed.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from .mappings import PathLimits
from .secret import Secret

Check = Callable[[object], Any]

_QUOTED_LENGTH = 80
_TEXT_LENGTH = 4096
_KEY_LENGTH = 512
_PEM_LENGTH = 16_384

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<end>/?)",
    re.IGNORECASE | re.ASCII,
)
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE | re.ASCII)
_STORE = re.compile(r"redis(s?)://([^/@?#]{1,270})(?:/[0-9]{0,4})?", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_ENDPOINT = re.compile(r"/[A-Za-z0-9._~/-]{1,200}", re.ASCII)
_PLAIN_ASCII = re.compile(r"[!-~]*", re.ASCII)
_PEM = re.compile(r"[\n\r\t -~]*", re.ASCII)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----", re.ASCII)


class RefusedError(ValueError):
    """A value is not allowed. ``faults`` holds a text for each key below it that is at fault;
    the key is empty where the value itself is."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__("; ".join(text for _, text in faults))
        self.faults = faults


def refuse(text: str) -> RefusedError:
    """The refusal of a value as a whole."""
    return RefusedError(("", text))


class GivesWay(int):
    """A default that yields to what was given beside it, where a given value would be a fault.

    It is an int in every respect; `dataclasses.replace` carries it on as what it is.
    """

    __slots__ = ()


def quoted(value: object) -> str:
    """The value as an error may show it: short, on one line, whatever it is."""
    if isinstance(value, str):
        shown = repr(value[: _QUOTED_LENGTH + 1])
        return shown if len(value) <= _QUOTED_LENGTH else f"{shown[:_QUOTED_LENGTH]}…'"
    if isinstance(value, int) and not -(10**30) < value < 10**30:
        return "a number of more than 30 digits"  # Python refuses to write the longest ones
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    return f"something of type {type(value).__name__}"


# --- numbers and switches -----------------------------------------------------------------


def whole(low: int, high: int) -> Check:
    """A whole number in a range, both ends included."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise refuse(f"{quoted(value)} is not a whole number from {low} to {high}")
        return value if isinstance(value, GivesWay) else int(value)

    return check


def number(low: float, high: float) -> Check:
    """A number in a range, both ends included."""
    return _number(lambda value: low <= value <= high, f"a number from {low:.12g} to {high:.12g}")


def positive(high: float) -> Check:
    """A number above zero."""
    return _number(lambda value: 0 < value <= high, f"a number above 0 and up to {high:.12g}")


def _number(holds: Callable[[float], bool], allowed: str) -> Check:
    def check(value: object) -> float:
        # NaN holds in no range, and an int is compared before it is turned into a float.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not holds(value):
            raise refuse(f"{quoted(value)} is not {allowed}")
        return float(value)

    return check


def switch(value: object) -> bool:
    """True or false, and nothing that merely counts as such."""
    if not isinstance(value, bool):
        raise refuse(f"{quoted(value)} is not true or false")
    return value


# --- text ---------------------------------------------------------------------------------


def choice(*names: str) -> Check:
    """One of these words."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise refuse(f"{quoted(value)} is not one of {', '.join(names)}")
        return str.__str__(value)

    return check


def label(value: object) -> str:
    """The value of a metric's label."""
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        allowed = "1 to 64 letters, digits, '_', '.' or '-', a letter or digit first"
        raise refuse(f"{quoted(value)} is not {allowed}")
    return str.__str__(value)


def path(value: object) -> str:
    """A path of the file system, or nothing; the file need not be there."""
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(given, str):
        raise refuse(f"{quoted(value)} is not the path of a file, as text")
    if len(given) > _TEXT_LENGTH or not given.isprintable():
        allowed = f"up to {_TEXT_LENGTH} printable characters"
        raise refuse(f"{quoted(value)} is not a path of {allowed}")
    return str.__str__(given)


def existing_file(value: object) -> str:
    """The path of a file that is there, or nothing."""
    found = path(value)
    if found and not os.path.isfile(found):
        raise refuse(f"{quoted(found)} is not a file that exists")
    return found


def existing_path(value: object) -> str:
    """The path of a file or folder that is there, or nothing."""
    found = path(value)
    if found and not os.path.exists(found):
        raise refuse(f"{quoted(found)} is not a file or folder that exists")
    return found


# --- hosts --------------------------------------------------------------------------------


def host(value: object) -> str:
    """A host's name or address."""
    if not isinstance(value, str) or not (_is_address(value) or _HOST_NAME.fullmatch(value)):
        raise refuse(f"{quoted(value)} is not the name or address of a host")
    return str.__str__(value)


def address(value: object) -> str:
    """An IP address, or nothing."""
    if not isinstance(value, str) or (value and not _is_address(value)):
        raise refuse(f"{quoted(value)} is not an IP address")
    return str.__str__(value)


def store(value: object) -> str:
    """``redis://host[:port][/database]``, or rediss for TLS, or nothing."""
    if value == "":
        return ""
    match = _STORE.fullmatch(value) if isinstance(value, str) else None
    parts = _split_url(f"http{'s' if match[1] else ''}://{match[2]}") if match else None
    if match is None or parts is None:
        raise refuse(
            f"{_quoted_url(value)} is not redis://host:port/database (rediss for TLS); a password "
            "belongs in the environment, as BYBIT_REDIS_PASSWORD"
        )
    return str.__str__(match[0])


def base_url(value: object) -> str:
    """``https://host[:port]`` without a slash at its end, or nothing."""
    allowed = "https://host or https://host:port (http only for this machine), and nothing after it"
    if value == "":
        return ""
    parts = _split_url(value)
    if parts is None:
        raise refuse(f"{_quoted_url(value)} is not {allowed}")
    if parts["scheme"].lower() == "http" and not _is_loopback(parts["host"].strip("[]")):
        raise refuse(f"{_quoted_url(value)} is not encrypted: http is for this machine only")
    return _joined_url(parts)


def proxy(value: object) -> str:
    """``http://host:port``, or nothing."""
    if value == "":
        return ""
    if isinstance(value, str) and value.lower().startswith("socks"):
        raise refuse("SOCKS proxies are not supported; allowed is http://host:port")
    parts = _split_url(value)
    if parts is None or parts["scheme"].lower() != "http" or not parts["port"]:
        raise refuse(f"{_quoted_url(value)} is not http://host:port")
    return _joined_url(parts)


def _split_url(value: object) -> dict[str, str] | None:
    match = _URL.fullmatch(value) if isinstance(value, str) and len(value) <= 300 else None
    if match is None or not 0 < int(match["port"] or 443) < 65_536:
        return None
    name = match["host"]
    known = _is_address(name[1:-1]) if name.startswith("[") else _HOST_NAME.fullmatch(name)
    return match.groupdict(default="") if known else None


def _joined_url(parts: Mapping[str, str]) -> str:
    port = f":{parts['port']}" if parts["port"] else ""
    return f"{parts['scheme'].lower()}://{parts['host'].lower()}{port}"


def _quoted_url(value: object) -> str:
    if isinstance(value, str) and any(mark in value for mark in "@?#"):
        return "the value (not shown: it may hold a password)"
    return quoted(value)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return "%" not in name


def _is_loopback(name: str) -> bool:
    if _is_address(name):
        return ipaddress.ip_address(name).is_loopback
    return name.lower() == "localhost" or name.lower().endswith(".localhost")


# --- credentials: their value is in no message --------------------------------------------


def api_key(value: object) -> Secret:
    """The public name of an API key, or nothing."""
    text = _credential(value)
    if text.lstrip().startswith("-----BEGIN"):
        raise refuse("the value (not shown) is a private key: that belongs in api_secret")
    _check_plain(text)
    return Secret(text, shown=True)


def api_secret(value: object) -> Secret:
    """The secret of an API key: text for HMAC, a private key in PEM form for RSA, or nothing."""
    text = _credential(value)
    if text.lstrip().startswith("-----BEGIN"):
        _check_pem(text)
    else:
        _check_plain(text)
    return Secret(text)


def _credential(value: object) -> str:
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str):
        raise refuse(f"the value (not shown) is of type {type(text).__name__}, not text")
    return str.__str__(text)


def _check_plain(text: str) -> None:
    if len(text) > _KEY_LENGTH or not _PLAIN_ASCII.fullmatch(text):
        raise refuse(
            "the value (not shown) holds white space, a line end, a control or a non-ASCII "
            f"character, or is too long; allowed are up to {_KEY_LENGTH} printable ASCII characters"
        )


def _check_pem(text: str) -> None:
    if (
        len(text) > _PEM_LENGTH
        or not _PEM.fullmatch(text)
        or not _PRIVATE_KEY.match(text.lstrip())
        or "-----END" not in text
    ):
        raise refuse(
            "the value (not shown) starts as a private key does, but is not one in PEM form "
            "from -----BEGIN ... PRIVATE KEY----- to -----END ... PRIVATE KEY-----"
        )


# --- tables inside tables -----------------------------------------------------------------


def endpoint_limits(value: object) -> PathLimits:
    """Calls per second by path."""
    if not isinstance(value, Mapping):
        raise refuse(f"{quoted(value)} is not a table of paths and calls per second")
    rate, limits, faults = positive(1_000_000), {}, []
    for name, calls in value.items():
        if not isinstance(name, str) or not _ENDPOINT.fullmatch(name):
            faults.append((quoted(name), 'this is not the path of an endpoint ("/v5/...")'))
            continue
        try:
            limits[str.__str__(name)] = rate(calls)
        except RefusedError as refused:
            faults.append((f'"{name}"', str(refused)))
    if faults:
        raise RefusedError(*faults)
    return PathLimits(limits)

"""Who is calling? Keys, both signature schemes and the window in which a timestamp counts."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bybit_sync.simulator.refusal import Refusal

from .http import HttpRefusal, Request

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

DEFAULT_RECV_WINDOW_MS = 5000
MAX_AHEAD_MS = 1000
_ALPHABET = string.ascii_letters + string.digits


@dataclass(slots=True, kw_only=True)
class Key:
    """An API key. ``rsa_public_key`` (PEM) replaces the secret where it is given."""

    api_key: str
    api_secret: str = field(repr=False)
    uid: str
    read_only: bool = False
    expired: bool = False
    rsa_public_key: str | None = None
    _verifier: RSAPublicKey | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.rsa_public_key is not None:
            self._verifier = _load_public_key(self.rsa_public_key)

    def signed(self, signature: str, text: bytes) -> bool:
        """True if `signature` is this key's for `text`."""
        if self._verifier is not None:
            return _is_rsa_signature(self._verifier, signature, text)
        expected = hmac.digest(self.api_secret.encode(), text, "sha256").hex()
        return hmac.compare_digest(expected.encode(), signature.encode())

    def to_state(self) -> dict[str, Any]:
        """What a new `Key` needs to be this one."""
        names = ("api_key", "api_secret", "uid", "read_only", "expired", "rsa_public_key")
        return {name: getattr(self, name) for name in names}


class Keyring:
    """All keys of the exchange, in the order in which they were made."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}

    def create(self, uid: str, **traits: Any) -> Key:
        """A new key with random text for the account `uid`."""
        rsa = traits.get("rsa_public_key") is not None
        return self.add(
            Key(api_key=_random(18), api_secret="" if rsa else _random(36), uid=uid, **traits)
        )

    def add(self, key: Key) -> Key:
        """Accept a key from now on."""
        self._keys[key.api_key] = key
        return key

    def keys(self) -> Mapping[str, Key]:
        """Every key by its text."""
        return self._keys

    def authenticate(self, request: Request, now_ms: int) -> Key:
        """The key that signed this request.

        Raises:
            HttpRefusal: 401, an auth header is missing.
            Refusal: 10003, 33004, 10002 or 10004.
        """
        headers = request.headers
        api_key = headers.get("x-bapi-api-key", "")
        timestamp = headers.get("x-bapi-timestamp", "")
        signature = headers.get("x-bapi-sign", "")
        if not (api_key and timestamp and signature):
            raise HttpRefusal(401, "")
        key = self._keys.get(api_key)
        if key is None:
            raise Refusal(10003, "API key is invalid.")
        if key.expired:
            raise Refusal(33004, "Your api key has expired.")
        recv_window = headers.get("x-bapi-recv-window", "")
        _check_time(timestamp, recv_window, now_ms)
        origin = f"{timestamp}{api_key}{recv_window}".encode("latin-1") + request.payload
        if not key.signed(signature, origin):
            # Bybit echoes what it wanted signed, the key among it; the secret it cannot.
            shown = origin.decode("utf-8", "replace")
            raise Refusal(10004, f"error sign! origin_string[{shown}]")
        return key


def _check_time(timestamp: str, recv_window: str, now_ms: int) -> None:
    try:
        sent_ms = int(timestamp)
        window_ms = int(recv_window) if recv_window else DEFAULT_RECV_WINDOW_MS
    except ValueError:
        raise Refusal(
            10001, "params error: X-BAPI-TIMESTAMP or X-BAPI-RECV-WINDOW invalid"
        ) from None
    if not now_ms - window_ms <= sent_ms < now_ms + MAX_AHEAD_MS:
        raise Refusal(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{sent_ms}],server_timestamp[{now_ms}],recv_window[{window_ms}]",
        )


def _is_rsa_signature(key: RSAPublicKey, signature: str, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(base64.b64decode(signature, validate=True), text, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error):
        return False
    return True


def _load_public_key(pem: str) -> RSAPublicKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise ValueError("rsa_public_key: not an RSA key")  # noqa: TRY004 - a value from outside
    return key


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))

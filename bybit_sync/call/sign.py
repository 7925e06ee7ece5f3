"""Signatures: who asks, when, and that nobody changed the question.

A signer keeps the key in a form from which it cannot be read back, shows nothing of it, and
cannot be pickled or copied.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, Protocol

from bybit_sync.config import Credentials
from bybit_sync.exceptions import ConfigError
from bybit_sync.net.answer import encode_headers

_BLOCK = 64  # bytes that SHA-256 takes at once


class SignedHeaders(Mapping[str, str]):
    """Headers that are never shown: not in a log, nor in a traceback with locals.

    ``raw`` is their wire form, which is all that the usual way of a call looks at.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def _fields(self) -> dict[str, str]:
        lines = self.raw.decode("latin-1").split("\r\n")[:-1]
        return dict(line.split(": ", 1) for line in lines)

    def __getitem__(self, name: str) -> str:
        return self._fields()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields())

    def __len__(self) -> int:
        return len(self._fields())

    def __repr__(self) -> str:
        return "SignedHeaders(***)"


class Signer(Protocol):
    """Signs one request at one moment."""

    @property
    def api_key(self) -> str:
        """The key's public name, which no message may hold either."""
        ...

    def sign(self, payload: bytes, timestamp_ms: int, recv_window_ms: int) -> SignedHeaders:
        """The headers that vouch for `payload` at `timestamp_ms`, Bybit's time."""
        ...


class _KeyHolder:
    """What both signers share: the headers, and keeping the key to themselves."""

    __slots__ = ("_api_key", "_key_bytes", "_same")

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._key_bytes = api_key.encode()
        # What every signature shares, checked once; the rest is digits, hex and base64.
        self._same = encode_headers({"X-BAPI-API-KEY": api_key, "X-BAPI-SIGN-TYPE": "2"})

    @property
    def api_key(self) -> str:
        """The key's public name, which no message may hold either."""
        return self._api_key

    def _headers(self, timestamp_ms: int, recv_window_ms: int, signature: bytes) -> SignedHeaders:
        return SignedHeaders(
            b"%bX-BAPI-TIMESTAMP: %d\r\nX-BAPI-RECV-WINDOW: %d\r\nX-BAPI-SIGN: %b\r\n"
            % (self._same, timestamp_ms, recv_window_ms, signature)
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds a secret and is neither pickled nor copied: "
            "make a client where it is needed, with the keys from its environment"
        )


class HmacSigner(_KeyHolder):
    """HMAC-SHA256 with the API secret, in lower-case hex."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, api_key: str, secret: bytes) -> None:
        super().__init__(api_key)
        # Copied for every signature: the key is hashed in once, and kept nowhere else. These are
        # the two hashes of RFC 2104; the module `hmac` copies three for each signature.
        block = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(
            _BLOCK, b"\0"
        )
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def sign(self, payload: bytes, timestamp_ms: int, recv_window_ms: int) -> SignedHeaders:
        """The headers that vouch for `payload` at `timestamp_ms`, Bybit's time."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(b"%d%b%d%b" % (timestamp_ms, self._key_bytes, recv_window_ms, payload))
        outer.update(inner.digest())
        return self._headers(timestamp_ms, recv_window_ms, outer.hexdigest().encode())


class RsaSigner(_KeyHolder):
    """RSA PKCS#1 v1.5 over SHA-256, in base64; needs the extra ``rsa``."""

    __slots__ = ("_sign",)

    def __init__(self, api_key: str, pem: bytes) -> None:
        super().__init__(api_key)
        self._sign = _rsa_function(pem)

    def sign(self, payload: bytes, timestamp_ms: int, recv_window_ms: int) -> SignedHeaders:
        """The headers that vouch for `payload` at `timestamp_ms`, Bybit's time."""
        text = b"%d%b%d%b" % (timestamp_ms, self._key_bytes, recv_window_ms, payload)
        signature = self._sign(text)
        return self._headers(timestamp_ms, recv_window_ms, base64.b64encode(signature))


def _rsa_function(pem: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
    except ImportError as error:
        raise ConfigError('RSA keys need the extra "rsa": pip install "bybit-sync[rsa]"') from error
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        # The library's own text is dropped with its traceback: both may quote the key.
        raise ConfigError(
            "api_secret looks like a private key, but is not an unencrypted RSA key in PEM form"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError("api_secret is a private key, but not an RSA one")
    scheme, digest = padding.PKCS1v15(), hashes.SHA256()
    return lambda data: key.sign(data, scheme, digest)


def make_signer(credentials: Credentials) -> Signer:
    """The signer that the secret asks for: RSA for a PEM private key, HMAC otherwise.

    Raises:
        ConfigError: the PEM is no RSA private key, or the extra ``rsa`` is not installed.
    """
    api_key, secret = credentials.api_key, credentials.api_secret.reveal()
    if secret.lstrip().startswith("-----BEGIN"):
        return RsaSigner(api_key, secret.encode())
    return HmacSigner(api_key, secret.encode())

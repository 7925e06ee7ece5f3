"""Signatures that Bybit accepts, from signers that give nothing away."""

from __future__ import annotations

import base64
import builtins
import copy
import hashlib
import hmac
import pickle
import traceback
from typing import Any

import pytest

from bybit_sync.call.encode import encode
from bybit_sync.call.sign import HmacSigner, RsaSigner, make_signer
from bybit_sync.config import Credentials, Secret
from bybit_sync.exceptions import ConfigError
from tests.unit.call_fakes import API_KEY, GET_TICKERS, ORDER, PLACE_ORDER, SECRET


def credentials(secret: str) -> Credentials:
    return Credentials(Secret(API_KEY, shown=True), Secret(secret))


def hmac_of(text: bytes) -> str:
    return hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()


def test_the_signature_covers_time_key_window_and_the_query_as_sent() -> None:
    signer = make_signer(credentials(SECRET))
    request = encode(GET_TICKERS, {"category": "linear", "symbol": "No VIP"})
    headers = signer.sign(request.payload, 1658384314791, 5000)
    assert dict(headers) == {
        "X-BAPI-API-KEY": API_KEY,
        "X-BAPI-TIMESTAMP": "1658384314791",
        "X-BAPI-SIGN": hmac_of(
            f"1658384314791{API_KEY}5000category=linear&symbol=No%20VIP".encode()
        ),
        "X-BAPI-SIGN-TYPE": "2",
        "X-BAPI-RECV-WINDOW": "5000",
    }


def test_the_signature_covers_the_body_byte_for_byte() -> None:
    request = encode(PLACE_ORDER, ORDER, {"note": "größer"})
    headers = make_signer(credentials(SECRET)).sign(request.payload, 1, 2000)
    assert headers["X-BAPI-SIGN"] == hmac_of(f"1{API_KEY}2000".encode() + request.body)


def test_a_signer_signs_the_same_again() -> None:
    signer = HmacSigner(API_KEY, SECRET.encode())
    first = signer.sign(b"a", 1, 1)["X-BAPI-SIGN"]
    signer.sign(b"other", 1, 1)
    assert signer.sign(b"a", 1, 1)["X-BAPI-SIGN"] == first


@pytest.fixture(scope="module")
def rsa_pem() -> tuple[Any, str]:
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    from cryptography.hazmat.primitives import serialization

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return key, pem.decode()


def test_a_pem_secret_signs_by_rsa(rsa_pem: tuple[Any, str]) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    key, pem = rsa_pem
    signer = make_signer(credentials(pem))
    assert isinstance(signer, RsaSigner)
    signature = base64.b64decode(signer.sign(b"{}", 1, 5000)["X-BAPI-SIGN"])
    signed = f"1{API_KEY}5000{{}}".encode()
    key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())


def test_a_pem_that_is_no_key_is_a_config_error_that_does_not_quote_it() -> None:
    pem = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"
    with pytest.raises(ConfigError, match="RSA key in PEM") as refused:
        make_signer(credentials(pem))
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_without_the_extra_the_error_tells_the_command(
    rsa_pem: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def no_cryptography(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_cryptography)
    with pytest.raises(ConfigError, match=r'pip install "bybit-sync\[rsa\]"'):
        make_signer(credentials(rsa_pem[1]))


def shown_by(thing: Any) -> str:
    slots = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
    values = [repr(getattr(thing, name)) for name in slots if name != "_api_key"]
    return "\n".join([repr(thing), str(thing), f"{thing}", *values])


def test_a_signer_shows_no_secret_and_is_neither_pickled_nor_copied(
    rsa_pem: tuple[Any, str],
) -> None:
    for secret in (SECRET, rsa_pem[1]):
        signer = make_signer(credentials(secret))
        assert not hasattr(signer, "__dict__")
        for line in secret.splitlines():
            assert line not in shown_by(signer)
        for steal in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="neither pickled nor copied"):
                steal(signer)


def test_signed_headers_are_not_seen_in_a_repr() -> None:
    headers = HmacSigner(API_KEY, SECRET.encode()).sign(b"", 1, 1)
    assert API_KEY not in f"{headers!r}{headers}"
    assert headers["X-BAPI-SIGN"] not in f"{headers!r}{headers}"

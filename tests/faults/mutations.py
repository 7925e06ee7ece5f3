"""Answers as they come, and damage to them: a byte, a piece, a number, a key, the framing."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator

ORDER_ID = "1523347543495541248"
LINK_ID = "spot-test-postonly"

BODIES = [
    json.dumps(body, separators=(",", ":")).encode()
    for body in (
        {
            "retCode": 0,
            "retMsg": "OK",
            "result": {"orderId": ORDER_ID, "orderLinkId": LINK_ID},
            "retExtInfo": {},
            "time": 1672211918471,
        },
        {
            "retCode": 0,
            "retMsg": "OK",
            "result": {
                "category": "spot",
                "list": [{"symbol": "BTCUSDT", "bid1Price": "20517.96", "ask1Size": "0.1"}] * 3,
            },
            "retExtInfo": {},
            "time": 1673859087947,
        },
        {"retCode": 10001, "retMsg": "params error: qty", "result": {}, "time": 1672211918471},
        {"retCode": 10006, "retMsg": "Too many visits!", "result": {}, "time": 1672211918471},
        {"retCode": 10016, "retMsg": "Server error", "result": None, "time": 1672211918471},
    )
]

_INTERESTING = [
    *(b"null", b"NaN", b"Infinity", b"1e999", b"true", b'"0"', b"-0", b"0.0", b"[]", b"{}"),
    *(b"\xff", b"\x00", b"\r\n", b"\\ud800", b"\xef\xbb\xbf", b"9" * 400, b"[" * 2000, b'"'),
    *(b'"retCode":0,', b'"ret_code":0,', b',"retCode":10001', b"HTTP/1.1 200 OK\r\n\r\n"),
]
_SWAPS = [
    (b"Content-Length: ", b"Content-Length: 1"),
    (b"Content-Length: ", b"Content-Length: -"),
    (b"Content-Length: ", b"Transfer-Encoding: chunked\r\nContent-Length: "),
    (b"Content-Type", b"Content-Encoding: gzip\r\nContent-Type"),
    (b"200 OK", b"204 No Content"),
    (b"200 OK", b"302 Found\r\nLocation: http://127.0.0.1:1/"),
    (b"200 OK", b"403 Forbidden"),
    (b"200 OK", b"100 Continue"),
    (b"HTTP/1.1", b"HTTP/9.9"),
    (b"\r\n", b"\n"),
]


def mutated_answers(seed: int, count: int) -> Iterator[bytes]:
    """`count` damaged answers, head and body; the same ones for the same seed."""
    dice = random.Random(seed)
    wholes = [_whole(body, packed=packed) for body in BODIES for packed in (False, True)]
    kinds: list[Callable[[random.Random, bytes], bytes]] = [
        *(_flip, _cut, _drop, _double, _insert, _insert, _digit, _swap),
        *(_in_the_body, _in_the_body, _in_the_body),
    ]
    for _ in range(count):
        data = dice.choice(wholes)
        for _ in range(dice.choice((1, 1, 1, 2, 4))):
            data = dice.choice(kinds)(dice, data)
        yield data


def _whole(body: bytes, *, packed: bool) -> bytes:
    sent = gzip.compress(body, mtime=0) if packed else body
    coding = b"Content-Encoding: gzip\r\n" if packed else b""
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        + coding
        + b"Content-Length: %d\r\n\r\n" % len(sent)
        + sent
    )


def _at(dice: random.Random, data: bytes) -> int:
    return dice.randrange(len(data)) if data else 0


def _flip(dice: random.Random, data: bytes) -> bytes:
    at = _at(dice, data)
    return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]


def _cut(dice: random.Random, data: bytes) -> bytes:
    return data[: _at(dice, data)]


def _drop(dice: random.Random, data: bytes) -> bytes:
    at = _at(dice, data)
    return data[:at] + data[at + dice.randint(1, 40) :]


def _double(dice: random.Random, data: bytes) -> bytes:
    at = _at(dice, data)
    end = at + dice.randint(1, 60)
    return data[:end] + data[at:end] + data[end:]


def _insert(dice: random.Random, data: bytes) -> bytes:
    at = _at(dice, data)
    return data[:at] + dice.choice(_INTERESTING) + data[at:]


def _digit(dice: random.Random, data: bytes) -> bytes:
    places = [index for index, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return data
    at = dice.choice(places)
    return data[:at] + str(dice.randrange(10)).encode() + data[at + 1 :]


def _swap(dice: random.Random, data: bytes) -> bytes:
    old, new = dice.choice(_SWAPS)
    return data.replace(old, new, 1)


def _in_the_body(dice: random.Random, data: bytes) -> bytes:
    """Damage to the JSON alone, framed as if nothing were wrong: it reaches the last reader."""
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark or b"gzip" in head:
        return _flip(dice, data)
    body = dice.choice((_flip, _cut, _drop, _double, _insert, _digit))(dice, body)
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]) + mark + body

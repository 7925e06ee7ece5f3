"""Answers that are compressed for who asks, as nginx does it: level 6, in chunks, without a length.

Their rows differ as those of a market do, for rows that are all alike are compressed to nothing:
tickers to about a quarter, orders to about a fifth. They are compressed beforehand, all but the
time at their end, so what compressing takes a server is not in anybody's figures.
"""

from __future__ import annotations

import json
import random
import re
import struct
import time
import zlib
from collections.abc import Mapping
from typing import Any

from .answers import FEW, HEAD, ORDER, TICKER, Build, Choose, envelope, fixed, path_of

_ASKS = re.compile(rb"accept-encoding:[^\r\n]*\bgzip\b", re.IGNORECASE)
_PACKED_HEAD = HEAD.replace(
    b"Content-Length: %d", b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked"
)
_CHUNK_BYTES = 8192
_LEVEL = 6
_GZIP_START = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
_DIGIT = re.compile(r"\d")
_SHORTEST_NUMBER = 4
"""Shorter texts (an index, a flag) are the same in every row."""


def by_coding() -> Choose:
    """Every path has two answers, as it is and compressed: a request says which it takes."""
    starts = _starts()
    plain = {path: fixed(start) for path, start in starts.items()}
    packed = {path: _packed(start) for path, start in starts.items()}

    def choose(head: bytes) -> Build | None:
        return (packed if _ASKS.search(head) else plain).get(path_of(head))

    return choose


def _starts() -> dict[bytes, bytes]:
    """The answers up to their time, by path."""
    digits = random.Random(1)  # the same in every run
    return {
        b"/v5/order/realtime": envelope(FEW),
        b"/v5/order/history": _varied_rows(ORDER, 17_000, digits),
        b"/v5/market/tickers": _varied_rows(TICKER, 310_000, digits),
    }


def _varied_rows(row: Mapping[str, Any], size: int, digits: random.Random) -> bytes:
    """An envelope of about `size` bytes; every row has other digits in its texts."""
    step = len(json.dumps(row, separators=(",", ":"))) + 1
    rows = [
        {**{name: _varied(value, digits) for name, value in row.items()}, "symbol": f"B{n:04d}USDT"}
        for n in range(size // step)
    ]
    return envelope({"category": "linear", "list": rows})


def _varied(value: Any, digits: random.Random) -> Any:
    if not isinstance(value, str) or len(value) < _SHORTEST_NUMBER:
        return value
    return _DIGIT.sub(lambda _: str(digits.randrange(10)), value)


def _packed(start: bytes) -> Build:
    engine = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    done = _GZIP_START + engine.compress(start) + engine.flush(zlib.Z_SYNC_FLUSH)
    checksum = zlib.crc32(start)

    def build(body: bytes, stays_open: bool) -> bytes:
        now = int(time.time() * 1000)
        end = b"%d}" % now
        # What comes last is stored as it is: deflate knows blocks of that kind, too.
        block = b"\x01" + struct.pack("<HH", len(end), len(end) ^ 0xFFFF) + end
        total = struct.pack("<II", zlib.crc32(end, checksum), len(start) + len(end))
        kept = b"keep-alive" if stays_open else b"close"
        return _PACKED_HEAD % (kept, now, now) + _in_chunks(done + block + total)

    return build


def _in_chunks(data: bytes) -> bytes:
    pieces = [data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))

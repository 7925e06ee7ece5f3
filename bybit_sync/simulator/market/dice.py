"""Random numbers that are a pure function of a name: nothing is stored, order does not matter."""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import shake_128

_MOST_CORNERS = 4096


@lru_cache(maxsize=64)
def _layout(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}H")


class Dice:
    """Numbers from 0 to 65535, the same ones each time the same index is asked for."""

    __slots__ = ("_corners", "_root")

    def __init__(self, *name: object) -> None:
        self._root = shake_128("|".join(map(str, name)).encode())
        self._corners: dict[int, int] = {}

    def throw(self, index: int, count: int) -> tuple[int, ...]:
        """`count` numbers for this index."""
        state = self._root.copy()
        state.update(b"%d" % index)
        return _layout(count).unpack(state.digest(2 * count))

    def hex(self, index: int, digits: int) -> str:
        """`digits` (an even number) of hexadecimal for this index."""
        state = self._root.copy()
        state.update(b"%d" % index)
        return state.hexdigest(digits // 2)

    def wave(self, at: int, period: int) -> int:
        """Noise from -32768 to 32767 that takes `period` steps to become another value."""
        cell, inside = divmod(at, period)
        here, there = self._corner(cell, period), self._corner(cell + 1, period)
        return (here * (period - inside) + there * inside) // period - 32768

    def _corner(self, cell: int, period: int) -> int:
        name = cell * 4096 + period
        known = self._corners.get(name)
        if known is None:
            if len(self._corners) > _MOST_CORNERS:
                self._corners.clear()
            known = self._corners[name] = self.throw(name, 1)[0]
        return known

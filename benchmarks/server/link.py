"""One direction of a long path: when bytes that are handed to it will have arrived.

With a `rate` bytes leave one segment after another, no faster than it, and no more of them are on
their way than the sender's window allows. That window is what a large answer waits for on a young
connection: ten segments at first, one more for each that is acknowledged, and ten again after
some silence. So it is with CUBIC, Linux's default.

Not modelled: loss and what follows from it, queues of other people's traffic, acknowledgements
that are delayed, the receiver's window, and senders that begin otherwise (BBR does not start over
after silence, and grows a little faster).
"""

from __future__ import annotations

from collections import deque

_SEGMENT_BYTES = 1460
_AROUND_BYTES = 78
"""Ethernet, IP and TCP around each segment."""
_FIRST_WINDOW = 10.0
_SILENCE = 0.2
"""Seconds beyond a round trip, for each of which a silent sender's window is halved."""
_TOGETHER = 0.001
"""Seconds within which segments are handed over as one."""

Arrival = tuple[float, int]
"""(when it is all there, how many bytes)."""


class Link:
    """Knows what is on its way. Seconds are those of the caller's clock; `rate` is bytes a second,
    0 for a path on which bytes take half a round trip however many they are."""

    def __init__(self, round_trip: float, rate: float = 0.0) -> None:
        self._round_trip = round_trip
        self._rate = rate
        self._free = 0.0
        self._window = _FIRST_WINDOW
        self._most = 0
        self._unacknowledged: deque[float] = deque()

    def arrivals(self, now: float, size: int) -> list[Arrival]:
        """When `size` bytes that are handed over `now` arrive, in order."""
        half = self._round_trip / 2
        if not self._rate:
            return [(now + half, size)]
        self._acknowledge(now)
        self._rest(now)
        found: list[Arrival] = []
        began = now
        for start in range(0, size, _SEGMENT_BYTES):
            piece = min(_SEGMENT_BYTES, size - start)
            due = self._send(now, piece) + half
            if found and due - began < _TOGETHER:
                found[-1] = (due, found[-1][1] + piece)
            else:
                began = due
                found.append((due, piece))
        return found

    def _send(self, now: float, size: int) -> float:
        """Let one segment go as soon as may be; returns when its last byte has left."""
        leaves = max(now, self._free)
        self._acknowledge(leaves)
        while len(self._unacknowledged) >= int(self._window):
            leaves = self._unacknowledged[0]
            self._acknowledge(leaves)
        self._free = leaves + (size + _AROUND_BYTES) / self._rate
        self._unacknowledged.append(self._free + self._round_trip)
        self._most = max(self._most, len(self._unacknowledged))
        return self._free

    def _acknowledge(self, now: float) -> None:
        while self._unacknowledged and self._unacknowledged[0] <= now:
            self._unacknowledged.popleft()
            if self._window < 2 * self._most:  # one that was never filled is not widened
                self._window += 1

    def _rest(self, now: float) -> None:
        """Forget, in a silence, what the path bore before it."""
        if self._unacknowledged:
            return
        self._most = 0
        silences = (now - self._free) // (self._round_trip + _SILENCE)
        self._window = max(_FIRST_WINDOW, self._window / 2 ** min(max(silences, 0.0), 30.0))

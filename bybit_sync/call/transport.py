"""What a call needs of whatever carries it: one request out, one answer back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from bybit_sync.clock import Deadline
from bybit_sync.net.answer import Answer, HeaderBlock


class Transport(Protocol):
    """What carries a request to its host and brings the answer back."""

    def send(
        self,
        base: str,
        method: str,
        target: str,
        *,
        headers: HeaderBlock,
        body: bytes,
        deadline: Deadline,
        sign: Callable[[], Mapping[str, str]] | None,
    ) -> Answer:
        """Send one request and read its answer, whatever its status; follow no redirect.

        `sign` is asked for further headers once a connection is in hand; what it raises is passed
        on. Otherwise this raises TransportError, BadAnswerError or ClientClosedError.
        """
        ...

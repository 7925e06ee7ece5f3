"""What one exchange of bytes may take, and how far it has come.

A `Budget` travels through ``HTTPAdapter.send`` as its ``timeout`` argument, because that is the
one argument which requests and urllib3 hand on untouched.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

import urllib3

from bybit_sync.clock import Deadline
from bybit_sync.exceptions import (
    AnswerTooLargeError,
    BadAnswerError,
    ConnectError,
    ConnectionLostError,
    DnsError,
    FailedRequestError,
    ReadTimeoutError,
    TlsError,
    TotalTimeoutError,
)

Sign = Callable[[], Mapping[str, str]]
"""Makes the headers that only the last moment can make; with ``raw``, their checked wire form,
they are sent as that."""


class AnswerFaultError(Exception):
    """The peer's bytes are not an HTTP answer; raised and mapped inside `net` only."""


class CutAnswerError(AnswerFaultError):
    """The answer ended before its end."""


class OversizeError(AnswerFaultError):
    """The answer is larger than is allowed."""


class PeerClosedError(ConnectionError):
    """The peer closed the connection before the first byte of an answer."""


class Budget(urllib3.Timeout):
    """The time that one request may take, and what has been done of it.

    It belongs to one thread and one request. ``written`` is true once a byte of the request may
    have left; that, and nothing else, decides ``effect_unknown``.
    """

    # What urllib3's own constructor would set, for its repr: it checks three numbers that this
    # class does not use, on every call.
    _connect = _read = total = None
    _start_connect = None

    phase = "pool"
    written = False
    answered = False
    reused = False
    _sent_at = 0.0

    def __init__(  # not the base's, see above
        self,
        deadline: Deadline,
        *,
        connect: float,
        read: float,
        sign: Sign | None = None,
        max_bytes: int | None = None,
        stream: bool = False,
    ) -> None:
        self.deadline = deadline
        self.connect_seconds = connect
        self.read_seconds = read
        self.sign = sign
        self.max_bytes = max_bytes
        self.stream = stream
        self._now = deadline.now
        self._allow(deadline, read)

    def clone(self) -> Budget:
        """This budget: urllib3 copies its timeouts, but time that is spent is spent."""
        return self

    def start_connect(self) -> float:
        """Nothing: the deadline runs already, and goes on through a repeat."""
        return 0.0

    @property
    def connect_timeout(self) -> float:
        """Seconds that connecting may still take."""
        return min(self.connect_seconds, self.deadline.remaining())

    @property
    def read_timeout(self) -> float:
        """Seconds that the next read may take."""
        return min(self.read_seconds, self.deadline.remaining())

    def start_connecting(self) -> Deadline:
        """The deadline of DNS, TCP, proxy and TLS together."""
        deadline = self.deadline.sooner(self.connect_seconds)
        self._allow(deadline, self.connect_seconds)  # also where reads may take less
        self.phase = "dns"
        return deadline

    def end_connecting(self) -> None:
        """From here on the call's own deadline rules again."""
        self._allow(self.deadline, self.read_seconds)

    def start_writing(self) -> None:
        """The time on the wire begins."""
        self._sent_at = self._now()
        self.phase = "write"

    def on_the_wire(self) -> float:
        """Seconds since the request began to be written."""
        return self._now() - self._sent_at

    def note_write(self) -> None:
        """``http.client`` writes; what it writes to a proxy before that is not the request."""
        if self.phase == "write":
            self.written = True

    def patience(self) -> float:
        """Seconds that the next wait on the socket may take.

        Raises:
            TimeoutError: none are left.
        """
        now = self._now()
        if now < self._far_until:
            return self._longest
        left = self._ends_at - now
        if left <= 0.0:
            raise TimeoutError("the time is used up")
        return left

    def limit(self, sock: Any) -> None:
        """Let the socket's next read or write take `patience`; it costs a system call only if that
        differs from the time before.

        Raises:
            TimeoutError: no time is left.
        """
        # Far from the deadline, as nearly always, it is one number: twice in each call.
        seconds = self._longest if self._now() < self._far_until else self.patience()
        if sock.gettimeout() != seconds:
            sock.settimeout(seconds)

    def _allow(self, deadline: Deadline, longest: float) -> None:
        """Let waits end with the deadline, and take no longer than so many seconds each."""
        self._ends_at, self._longest = deadline.at, longest
        self._far_until = deadline.at - longest

    def fault(self, error: BaseException, host: str) -> FailedRequestError:
        """Our error for what went wrong; the phase and the bytes written say which one."""
        spent = f"{host}, {self.phase} phase, after {self.deadline.elapsed():.3f} s"
        unknown = self.written
        if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
            return self._timed_out(spent)
        if isinstance(error, AnswerFaultError):
            kind = AnswerTooLargeError if isinstance(error, OversizeError) else BadAnswerError
            return kind(f"{error} ({spent})", effect_unknown=unknown)
        if self.phase == "dns":
            return DnsError(f"no address found: {error} ({spent})", phase="dns")
        if self.phase == "connect":
            return ConnectError(f"cannot connect: {error} ({spent})", phase="connect")
        if self.phase == "tls":
            of_tls = TlsError if _is_about_trust(error) else ConnectError
            return of_tls(f"TLS handshake failed: {error} ({spent})", phase="tls")
        if self.answered:
            return BadAnswerError(
                f"the answer broke off: {error} ({spent})", effect_unknown=unknown
            )
        return ConnectionLostError(
            f"connection lost: {error} ({spent})", phase=self.phase, effect_unknown=unknown
        )

    def _timed_out(self, spent: str) -> FailedRequestError:
        unknown = self.written
        if self.deadline.has_passed():
            return TotalTimeoutError(
                f"not done within {self.deadline.seconds:g} s ({spent})",
                phase=self.phase,
                effect_unknown=unknown,
            )
        if self.phase == "dns":
            return DnsError(f"no address within {self.connect_seconds:g} s ({spent})", phase="dns")
        if self.phase in ("connect", "tls"):
            return ConnectError(
                f"not connected within {self.connect_seconds:g} s ({spent})", phase=self.phase
            )
        return ReadTimeoutError(
            f"silent for {self.read_seconds:g} s ({spent})",
            phase=self.phase,
            effect_unknown=unknown,
        )


def _is_about_trust(error: BaseException | None) -> bool:
    """True for a handshake that will fail again; a connection cut under it may well succeed."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return False
    return isinstance(error, ssl.SSLError | ssl.CertificateError | urllib3.exceptions.SSLError)

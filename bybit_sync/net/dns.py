"""Names to addresses, remembered: one look-up per name at a time, none that can hang a call."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bybit_sync.clock import Clock, Deadline

log = logging.getLogger("bybit_sync.net")

_REFRESH_AT = 0.8
"""Part of its life after which an entry is refreshed in the background while it is still served."""
_PENALTY_SECONDS = 60.0
"""How long an address that did not answer is tried last."""
_STALE_WAIT_SECONDS = 1.0
"""How long calls wait for a fresh answer while an old one is at hand, counted from when the first
of them asked; once a resolver was found failing, they do not wait at all."""


class Address(NamedTuple):
    """One way to reach a host, as ``socket.socket`` and ``connect`` take it."""

    family: int
    kind: int
    proto: int
    sockaddr: Any


@dataclass(slots=True)
class _Entry:
    addresses: list[Address]
    learnt_at: float
    refresh_at: float
    expires_at: float
    bad_until: dict[Any, float] = field(default_factory=dict)
    resolver_fails: bool = False
    """True where this is old and the resolver gave nothing newer when it was last asked."""

    def doubt(self, now: float) -> None:
        """The host may have moved: newer addresses are worth a wait."""
        self.expires_at = self.refresh_at = now
        self.resolver_fails = False

    def best_first(self, now: float) -> list[Address]:
        return sorted(
            self.addresses, key=lambda address: self.bad_until.get(address.sockaddr, 0.0) > now
        )


class _Flight:
    """One look-up under way; everybody who asks for the name waits for this one."""

    __slots__ = ("addresses", "done", "error", "started_at")

    def __init__(self, now: float) -> None:
        self.done = threading.Event()
        self.started_at = now
        self.addresses: list[Address] = []
        self.error: OSError | None = None


class Resolver:
    """A cache in front of ``getaddrinfo``.

    ``getaddrinfo`` knows no timeout, so each look-up runs in a daemon thread of its own and the
    callers wait with theirs. The lock guards the entries, the flights and the counters.
    """

    def __init__(self, ttl: float, clock: Clock) -> None:
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, int], _Entry] = {}
        self._flights: dict[tuple[str, int], _Flight] = {}
        self.hits = 0
        """Asked and answered without a look-up of one's own."""
        self.misses = 0
        """Look-ups made, those in the background included."""
        self.stale = 0
        """Asked and answered with addresses past their time, as the resolver gave no others."""

    def resolve(self, host: str, port: int, deadline: Deadline) -> list[Address]:
        """The addresses of a host, the ones that answered lately first.

        Raises:
            TimeoutError: no answer before the deadline.
            OSError: the name does not exist or the resolver failed, and no old answer is known.
        """
        literal = _literal(host, port)
        if literal is not None:
            return [literal]
        key = (host, port)
        entry, flight, is_new = self._look_up(key)
        if flight is not None and is_new:
            self._start(key, flight)
        now = self._clock.monotonic()
        if entry is not None and now < entry.expires_at:
            return entry.best_first(now)
        assert flight is not None
        return self._wait(flight, entry, deadline, host)

    def _look_up(self, key: tuple[str, int]) -> tuple[_Entry | None, _Flight | None, bool]:
        """What is known, the look-up to wait for, and whether the caller has to start it."""
        now = self._clock.monotonic()
        with self._lock:
            entry = self._entries.get(key)
            flight = self._flights.get(key)
            if flight is not None or (entry is not None and now < entry.refresh_at):
                self.hits += 1
                return entry, flight, False
            self.misses += 1
            if entry is not None:
                entry.refresh_at = entry.expires_at  # one refresh per life
            flight = _Flight(now)
            if self._ttl > 0:
                self._flights[key] = flight
            return entry, flight, True

    def _start(self, key: tuple[str, int], flight: _Flight) -> None:
        try:
            threading.Thread(
                target=self._run, args=(key, flight), name=f"bybit_sync-dns-{key[0]}", daemon=True
            ).start()
        except RuntimeError as error:  # no more threads: the callers must not wait for ever
            flight.error = OSError(str(error))
            self._land(key, flight)

    def _run(self, key: tuple[str, int], flight: _Flight) -> None:
        try:
            found = socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
            flight.addresses = _alternate([Address(f, k, p, a) for f, k, p, _, a in found])
        except OSError as error:
            flight.error = error
        except UnicodeError as error:  # a label that IDNA refuses
            flight.error = OSError(f"not a host name: {error}")
        except Exception as error:  # the top of a thread: who waits for it has to be told
            log.exception("look-up of %s failed", key[0])
            flight.error = OSError(f"the look-up failed: {error!r}")
        self._land(key, flight)

    def _land(self, key: tuple[str, int], flight: _Flight) -> None:
        now = self._clock.monotonic()
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
            old = self._entries.get(key)
            if old is not None and not flight.addresses:
                old.resolver_fails = True
            elif flight.addresses and self._ttl > 0:
                self._entries[key] = _Entry(
                    flight.addresses,
                    now,
                    now + self._ttl * _REFRESH_AT,
                    now + self._ttl,
                    old.bad_until if old else {},
                )
        flight.done.set()

    def _wait(
        self, flight: _Flight, stale: _Entry | None, deadline: Deadline, host: str
    ) -> list[Address]:
        patience = (
            deadline.remaining() if stale is None else self._patience(flight, stale, deadline)
        )
        if self._clock.wait(flight.done, patience) and flight.error is None:
            return self._fresh(flight, stale)
        if stale is not None:
            return self._old(stale, host)
        if flight.error is not None:
            raise flight.error
        raise TimeoutError(f"no answer from the resolver for {host}")

    def _patience(self, flight: _Flight, stale: _Entry, deadline: Deadline) -> float:
        """Seconds to wait for newer addresses while old ones are at hand."""
        if stale.resolver_fails:
            return 0.0
        asked_for = self._clock.monotonic() - flight.started_at
        return max(0.0, min(deadline.remaining() / 2, _STALE_WAIT_SECONDS - asked_for))

    def _fresh(self, flight: _Flight, stale: _Entry | None) -> list[Address]:
        if stale is None:
            return flight.addresses
        with self._lock:
            bad = dict(stale.bad_until)
        now = self._clock.monotonic()
        return sorted(flight.addresses, key=lambda a: bad.get(a.sockaddr, 0.0) > now)

    def _old(self, stale: _Entry, host: str) -> list[Address]:
        now = self._clock.monotonic()
        with self._lock:
            self.stale += 1
            is_news = not stale.resolver_fails
            stale.resolver_fails = True
        if is_news:
            age = now - stale.learnt_at
            log.warning("no answer from the resolver for %s: addresses of %.0f s ago", host, age)
        return stale.best_first(now)

    def report(self, host: str, port: int, bad: Sequence[Address], *, connected: bool) -> None:
        """Learn from a connect: silent addresses go last; when all failed, look up early."""
        if not bad:
            return
        with self._lock:
            entry = self._entries.get((host, port))
            if entry is None:
                return
            now = self._clock.monotonic()
            for address in bad:
                entry.bad_until[address.sockaddr] = now + _PENALTY_SECONDS
            if not connected:
                entry.doubt(now)

    def doubt(self, host: str, port: int) -> None:
        """A host that was connected has fallen silent: look its name up before the next connect."""
        with self._lock:
            entry = self._entries.get((host, port))
            if entry is not None:
                entry.doubt(self._clock.monotonic())

    def counts(self) -> tuple[int, int, int]:
        """Hits, misses and answers past their time so far."""
        with self._lock:
            return self.hits, self.misses, self.stale

    def oldest_age(self) -> float:
        """Seconds since the addresses that have been kept for longest were learnt; 0 for none."""
        with self._lock:
            learnt_at = min((entry.learnt_at for entry in self._entries.values()), default=None)
        return 0.0 if learnt_at is None else self._clock.monotonic() - learnt_at

    def reset_after_fork(self) -> None:
        """Forget look-ups whose threads the child does not have."""
        self._lock = threading.Lock()
        self._flights = {}


def _literal(host: str, port: int) -> Address | None:
    """The address that an IP literal is, without asking anybody."""
    bare = host.strip("[]")
    for family, sockaddr in (
        (socket.AF_INET, (bare, port)),
        (socket.AF_INET6, (bare, port, 0, 0)),
    ):
        try:
            socket.inet_pton(family, bare)
        except (OSError, ValueError):
            continue
        return Address(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, sockaddr)
    return None


def _alternate(addresses: list[Address]) -> list[Address]:
    """The families in turn (RFC 8305), so that a family without a route costs one stagger."""
    first = [a for a in addresses if a.family == addresses[0].family] if addresses else []
    other = [a for a in addresses if a.family != addresses[0].family] if addresses else []
    mixed: list[Address] = []
    for index in range(max(len(first), len(other))):
        mixed += first[index : index + 1] + other[index : index + 1]
    return mixed

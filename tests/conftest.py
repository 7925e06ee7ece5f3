"""Fixtures that every suite may use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, Config, TlsConfig
from bybit_sync.call.shared_limits import SHARED
from bybit_sync.clock import Clock
from bybit_sync.simulator import LocalExchange


class FakeClock(Clock):
    """A clock that stands still until somebody sleeps or `advance` is called."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._now = 1000.0
        self._wall = wall
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self._wall += seconds

    def step_wall(self, seconds: float) -> None:
        """Let the wall clock jump, as an NTP correction does."""
        self._wall += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        if event.is_set():
            return True
        self.sleep(timeout or 0.0)
        return event.is_set()

    def acquire(self, lock: threading.Lock, timeout: float) -> bool:
        if lock.acquire(blocking=False):
            return True
        self.sleep(timeout)
        return lock.acquire(blocking=False)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that never waits."""
    return FakeClock()


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    """A test that leaves a non-daemon thread running has forgotten a close()."""
    before = set(threading.enumerate())
    yield
    left = [t for t in threading.enumerate() if t not in before and not t.daemon and t.is_alive()]
    for thread in left:
        thread.join(2)
    assert not [t.name for t in left if t.is_alive()]


@pytest.fixture(autouse=True)
def _limits_start_anew() -> None:
    """Clients of one process share their counts, and a ban: no test may meet another's."""
    SHARED.forget()


@pytest.fixture(autouse=True)
def _no_keys_of_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have keys in the environment: no test may sign with them."""
    monkeypatch.delenv("BYBIT_API_KEY", raising=False)
    monkeypatch.delenv("BYBIT_API_SECRET", raising=False)


@pytest.fixture(scope="session")
def local_exchange() -> Iterator[LocalExchange]:
    """The one local exchange of the run; take `exchange`, which clears up after each test."""
    with LocalExchange(limits=False, ip_limit=None) as exchange:
        yield exchange


@pytest.fixture
def exchange(local_exchange: LocalExchange) -> Iterator[LocalExchange]:
    """A local exchange without limits, one for the whole run: count from what is there.

    What a test lets go wrong ends with it, and a fault of the exchange's own fails the test.
    """
    known_errors = len(local_exchange.errors)
    yield local_exchange
    local_exchange.faults.clear()
    assert not local_exchange.errors[known_errors:]


@pytest.fixture
def client(exchange: LocalExchange) -> Iterator[BybitClient]:
    """A client with an account of its own on the exchange, and a registry of its own."""
    account = exchange.add_account()
    config = Config(tls=TlsConfig(ca_file=exchange.ca_file or ""))
    with BybitClient(
        account.api_key,
        account.api_secret,
        base_url=exchange.url,
        config=config,
        registry=CollectorRegistry(),
    ) as client:
        yield client

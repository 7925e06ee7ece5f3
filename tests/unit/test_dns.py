"""The cache in front of the resolver, with time that stands still."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from bybit_sync.clock import Deadline
from bybit_sync.net.dns import Address, Resolver
from tests.conftest import FakeClock


class Names:
    """What the system's resolver says, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: list[Any] = [["10.0.0.1"]]
        """One for each look-up, the last one for ever: addresses, or what is raised."""

    def getaddrinfo(self, host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return [
            (
                socket.AF_INET6 if ":" in ip else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (ip, port, 0, 0) if ":" in ip else (ip, port),
            )
            for ip in answer
        ]


class WaitingClock(FakeClock):
    """Stands still, but gives the thread of a look-up the real time that it needs."""

    is_patient = True

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        return (self.is_patient and event.wait(5)) or super().wait(event, timeout)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    return names


@pytest.fixture
def clock() -> WaitingClock:
    return WaitingClock()


@pytest.fixture
def resolver(clock: WaitingClock) -> Resolver:
    return Resolver(100.0, clock)


def ips(resolver: Resolver, clock: FakeClock, host: str = "a.test") -> list[str]:
    found = resolver.resolve(host, 443, Deadline.after(5.0, clock))
    settle(resolver)
    return [address.sockaddr[0] for address in found]


def settle(resolver: Resolver) -> None:
    """Let a look-up in the background land."""
    for flight in list(resolver._flights.values()):
        assert flight.done.wait(5)
    for thread in threading.enumerate():
        if "bybit_sync-dns" in thread.name:
            thread.join(5)


def test_a_name_is_looked_up_once_in_its_life(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    assert [ips(resolver, clock) for _ in range(3)] == [["10.0.0.1"]] * 3
    clock.advance(79.0)
    assert ips(resolver, clock) == ["10.0.0.1"]

    assert names.asked == 1
    assert resolver.counts() == (3, 1, 0)


def test_the_last_fifth_of_a_life_refreshes_once_and_serves_what_is_known(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    names.answers = [["10.0.0.1"], ["10.0.0.2"]]
    ips(resolver, clock)
    clock.advance(81.0)

    assert ips(resolver, clock) == ["10.0.0.1"]
    assert ips(resolver, clock) == ["10.0.0.2"]
    assert names.asked == 2


def test_a_refresh_that_fails_is_not_tried_again_in_the_same_life(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    names.answers = [["10.0.0.1"], OSError("down")]
    ips(resolver, clock)
    clock.advance(81.0)

    for _ in range(5):
        assert ips(resolver, clock) == ["10.0.0.1"]

    assert names.asked == 2


def test_after_its_life_a_name_is_waited_for(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    names.answers = [["10.0.0.1"], ["10.0.0.2"]]
    ips(resolver, clock)
    clock.advance(101.0)

    assert ips(resolver, clock) == ["10.0.0.2"]


def test_old_addresses_are_better_than_none(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    names.answers = [["10.0.0.1"], OSError("down"), OSError("down"), ["10.0.0.2"]]
    ips(resolver, clock)
    clock.advance(101.0)

    assert ips(resolver, clock) == ["10.0.0.1"]
    clock.advance(1000.0)
    assert ips(resolver, clock) == ["10.0.0.1"]
    assert ips(resolver, clock) == ["10.0.0.2"]


def test_a_failure_is_raised_and_not_remembered(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    names.answers = [socket.gaierror(socket.EAI_NONAME, "unknown"), ["10.0.0.1"]]

    with pytest.raises(socket.gaierror, match="unknown"):
        ips(resolver, clock)
    assert ips(resolver, clock) == ["10.0.0.1"]


def test_a_life_of_zero_remembers_nothing(names: Names, clock: WaitingClock) -> None:
    resolver = Resolver(0.0, clock)

    for _ in range(3):
        assert ips(resolver, clock) == ["10.0.0.1"]

    assert names.asked == 3
    assert resolver._entries == {}


def test_hosts_and_ports_are_kept_apart(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    ips(resolver, clock, "a.test")
    ips(resolver, clock, "b.test")
    resolver.resolve("a.test", 80, Deadline.after(5.0, clock))

    assert names.asked == 3


@pytest.mark.parametrize(
    ("literal", "family", "sockaddr"),
    [
        ("192.0.2.1", socket.AF_INET, ("192.0.2.1", 443)),
        ("::1", socket.AF_INET6, ("::1", 443, 0, 0)),
        ("[2001:db8::1]", socket.AF_INET6, ("2001:db8::1", 443, 0, 0)),
    ],
)
def test_an_address_is_its_own_answer(
    literal: str,
    family: int,
    sockaddr: Any,
    names: Names,
    clock: WaitingClock,
    resolver: Resolver,
) -> None:
    [found] = resolver.resolve(literal, 443, Deadline.after(5.0, clock))

    assert (found.family, found.sockaddr) == (family, sockaddr)
    assert names.asked == 0
    assert resolver.counts() == (0, 0, 0)


def test_the_families_are_tried_in_turn(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    names.answers = [["::1", "::2", "::3", "10.0.0.1"]]

    assert ips(resolver, clock) == ["::1", "10.0.0.1", "::2", "::3"]


def known(resolver: Resolver, clock: FakeClock) -> dict[str, Address]:
    found = resolver.resolve("a.test", 443, Deadline.after(5.0, clock))
    return {address.sockaddr[0]: address for address in found}


def test_an_address_that_did_not_answer_is_tried_last_for_a_minute(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    names.answers = [["10.0.0.1", "10.0.0.2"]]
    bad = known(resolver, clock)["10.0.0.1"]

    resolver.report("a.test", 443, [bad], connected=True)

    assert ips(resolver, clock) == ["10.0.0.2", "10.0.0.1"]
    clock.advance(61.0)
    assert ips(resolver, clock) == ["10.0.0.1", "10.0.0.2"]
    assert names.asked == 1


def test_a_new_look_up_does_not_make_a_bad_address_good(names: Names, clock: WaitingClock) -> None:
    resolver = Resolver(10.0, clock)
    names.answers = [["10.0.0.1", "10.0.0.2"]]
    resolver.report("a.test", 443, [known(resolver, clock)["10.0.0.1"]], connected=True)
    clock.advance(11.0)

    assert ips(resolver, clock) == ["10.0.0.2", "10.0.0.1"]
    assert ips(resolver, clock) == ["10.0.0.2", "10.0.0.1"]
    assert names.asked == 2


def test_when_no_address_connects_the_name_is_looked_up_anew(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    names.answers = [["10.0.0.1"], ["10.0.0.2"]]
    all_of_them = list(known(resolver, clock).values())

    resolver.report("a.test", 443, all_of_them, connected=False)

    assert ips(resolver, clock) == ["10.0.0.2"]


def test_a_report_about_an_unknown_name_is_nothing(clock: WaitingClock, resolver: Resolver) -> None:
    resolver.report("never.test", 443, [], connected=False)
    address = Address(socket.AF_INET, socket.SOCK_STREAM, 6, ("10.0.0.1", 443))
    resolver.report("never.test", 443, [address], connected=True)

    assert resolver._entries == {}


def test_a_caller_without_time_is_told_so(
    monkeypatch: pytest.MonkeyPatch, clock: WaitingClock
) -> None:
    stuck = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: stuck.wait(5) and [])
    standing = FakeClock()  # this one does not wait for the thread
    resolver = Resolver(100.0, standing)

    with pytest.raises(TimeoutError, match=r"no answer from the resolver for slow\.test"):
        resolver.resolve("slow.test", 443, Deadline.after(2.5, standing))

    assert standing.slept == [2.5]
    stuck.set()
    settle(resolver)


def test_a_late_answer_still_serves_the_next_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    late, asked = threading.Event(), []

    def getaddrinfo(*args: Any, **kwargs: Any) -> list[Any]:
        asked.append(args)
        late.wait(5)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.9", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    clock = FakeClock()
    resolver = Resolver(100.0, clock)
    for _ in range(2):  # the second joins the look-up of the first
        with pytest.raises(TimeoutError):
            resolver.resolve("slow.test", 443, Deadline.after(1.0, clock))
    late.set()
    settle(resolver)

    assert ips(resolver, clock, "slow.test") == ["10.0.0.9"]
    assert len(asked) == 1


def test_a_resolver_that_has_gone_silent_costs_one_wait_and_not_one_per_connection(
    monkeypatch: pytest.MonkeyPatch, names: Names
) -> None:
    clock = WaitingClock()
    resolver = Resolver(10.0, clock)
    assert ips(resolver, clock) == ["10.0.0.1"]
    clock.advance(11.0)
    clock.is_patient = False
    back = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: back.wait(5) and [])

    for _ in range(3):
        [old] = resolver.resolve("a.test", 443, Deadline.after(5.0, clock))
        assert old.sockaddr[0] == "10.0.0.1"

    assert sum(clock.slept) == 1.0
    assert resolver.counts()[2] == 3
    assert resolver.oldest_age() == 12.0
    back.set()
    settle(resolver)


def test_when_the_host_may_have_moved_a_failing_resolver_is_waited_for_again(
    names: Names, clock: WaitingClock
) -> None:
    resolver = Resolver(10.0, clock)
    names.answers = [["10.0.0.1"], socket.gaierror(socket.EAI_AGAIN, "down"), ["10.0.0.2"]]
    [old] = known(resolver, clock).values()
    clock.advance(11.0)
    assert ips(resolver, clock) == ["10.0.0.1"]

    resolver.report("a.test", 443, [old], connected=False)

    assert ips(resolver, clock) == ["10.0.0.2"]


def test_without_a_thread_to_look_it_up_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, clock: WaitingClock, resolver: Resolver
) -> None:
    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    with pytest.raises(OSError, match="can't start new thread"):
        resolver.resolve("a.test", 443, Deadline.after(5.0, clock))

    assert resolver._flights == {}


def test_a_child_process_forgets_look_ups_that_its_parent_had_under_way(
    names: Names, clock: WaitingClock, resolver: Resolver
) -> None:
    from bybit_sync.net.dns import _Flight

    resolver._flights[("a.test", 443)] = _Flight(0.0)  # its thread stayed behind

    resolver.reset_after_fork()

    assert ips(resolver, clock) == ["10.0.0.1"]

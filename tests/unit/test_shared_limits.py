"""Whose counts a client's calls are."""

from __future__ import annotations

import gc

import pytest

from bybit_sync.call.rate_limit import RateLimiter
from bybit_sync.call.shared_limits import LimitScope, Windows, limit_scope
from bybit_sync.clock import Deadline
from tests.conftest import FakeClock
from tests.unit.call_fakes import API_KEY, GET_TICKERS, PLACE_ORDER

MAINNET = "https://api.bybit.com"


def scope(
    windows: Windows, base_url: str = MAINNET, key: str = API_KEY, proxy: str = ""
) -> LimitScope:
    return limit_scope(base_url, api_key=key, proxy=proxy, windows=windows)


@pytest.fixture
def windows(clock: FakeClock) -> Windows:
    return Windows(clock)


@pytest.mark.parametrize(
    "other",
    ["https://api.bytick.com", "https://api.bybit.nl", "https://api-demo.bybit.com"],
)
def test_bybits_hosts_count_towards_one_budget(windows: Windows, other: str) -> None:
    assert scope(windows).address == scope(windows, other).address


@pytest.mark.parametrize(
    ("base_url", "proxy"),
    [
        ("https://api-testnet.bybit.com", ""),
        ("https://127.0.0.1:8443", ""),
        ("http://localhost:8080", ""),
        (MAINNET, "http://user:secret@proxy.example:3128"),
    ],
)
def test_another_place_or_another_way_out_has_a_budget_of_its_own(
    windows: Windows, base_url: str, proxy: str
) -> None:
    other = scope(windows, base_url, proxy=proxy)
    assert other.address != scope(windows).address
    assert "secret" not in repr(other)


def test_two_local_exchanges_share_nothing(windows: Windows) -> None:
    one, two = scope(windows, "https://127.0.0.1:1111"), scope(windows, "https://127.0.0.1:2222")
    assert one.address != two.address
    assert one.account != two.account


def test_an_account_is_known_by_its_key_which_stands_in_no_name(windows: Windows) -> None:
    one, same, other = scope(windows), scope(windows), scope(windows, key="another-key-0001")
    assert one.account == same.account != other.account
    assert API_KEY not in repr(one)
    assert scope(windows, key="").account != one.account


def test_clients_of_one_account_share_its_limits_and_others_do_not(
    clock: FakeClock, windows: Windows
) -> None:
    def place(limits: RateLimiter) -> float:
        grant = limits.acquire(PLACE_ORDER, {"category": "linear"}, Deadline.after(9.0, clock))
        grant.depart()
        grant.end(clock.monotonic())
        return grant.waited

    one, same = (RateLimiter(clock, scope=scope(windows)) for _ in range(2))
    other = RateLimiter(clock, scope=scope(windows, key="another-key-0001"))
    assert sum(place(one) for _ in range(10)) == 0.0
    assert place(other) == 0.0
    assert place(same) > 0.0


def test_what_was_sent_outlives_the_client_that_sent_it_at_a_real_address_only(
    clock: FakeClock, windows: Windows
) -> None:
    for base_url, is_kept in ((MAINNET, True), ("https://127.0.0.1:1111", False)):
        limits = RateLimiter(clock, ip_limit=1, scope=scope(windows, base_url))
        limits.acquire(GET_TICKERS, {}, Deadline.after(9.0, clock)).depart()
        del limits
        gc.collect()
        again = RateLimiter(clock, ip_limit=1, scope=scope(windows, base_url))
        grant = again.acquire(GET_TICKERS, {}, Deadline.after(9.0, clock))
        assert (grant.waited > 0.0) is is_kept


def test_forgotten_limits_start_anew(clock: FakeClock, windows: Windows) -> None:
    RateLimiter(clock, scope=scope(windows)).ban()
    windows.forget()
    RateLimiter(clock, scope=scope(windows)).acquire(GET_TICKERS, {}, Deadline.after(9.0, clock))

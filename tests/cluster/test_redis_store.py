"""The contract of `LimitStore`, kept by a real Redis."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bybit_sync.call.redis_store import RedisStore

from .conftest import RedisServer

NAME = "bybit 0123 trade.place_order 5/1"


@pytest.fixture
def make(redis_server: RedisServer) -> Iterator[Callable[[], RedisStore]]:
    """Makes stores, each as another process would have it."""
    made: list[RedisStore] = []

    def one() -> RedisStore:
        made.append(RedisStore(redis_server.url))
        return made[-1]

    yield one
    for each in made:
        each.close()


def grab(store: RedisStore, count: int, calls: int, seconds: float) -> int:
    """How many of so many turns are granted at once; who is not granted leaves the line."""
    granted = 0
    for number in range(count):
        ticket = f"{time.monotonic()}-{number}"
        if store.take(NAME, ticket, 1, calls, seconds).granted:
            granted += 1
        else:
            store.give_back(NAME, ticket)
    return granted


def test_of_all_together_no_more_than_the_limit_stand(make: Callable[[], RedisStore]) -> None:
    stores = [make() for _ in range(4)]

    said = [
        store.take(NAME, f"{mine}-{number}", 1, 5, 0.4)
        for number in range(5)
        for mine, store in enumerate(stores)
    ]

    assert [each.granted for each in said] == [True] * 5 + [False] * 15
    assert all(0.001 <= each.wait <= 1.7 for each in said[5:])
    assert said[5].wait <= said[9].wait <= said[10].wait  # the second window, then the third


def test_a_window_is_never_shorter_than_it_is_said_to_be(make: Callable[[], RedisStore]) -> None:
    store = make()
    shortest = 1.0
    for number in range(40):
        before = time.monotonic()
        assert store.take(f"{NAME} {number}", "a", 1, 1, 0.02).granted
        while not store.take(f"{NAME} {number}", "b", 1, 1, 0.02).granted:
            pass
        shortest = min(shortest, time.monotonic() - before)

    assert shortest >= 0.02


def test_turns_are_given_in_the_order_of_the_line_and_dead_ones_do_not_stop_it(
    make: Callable[[], RedisStore],
) -> None:
    one, other = make(), make()
    for number in range(2):
        assert one.take(NAME, f"a{number}", 1, 2, 0.3).granted
    assert not one.take(NAME, "dead", 1, 2, 0.3).granted
    assert not other.take(NAME, "second", 1, 2, 0.3).granted
    assert not one.take(NAME, "third", 1, 2, 0.3).granted

    time.sleep(0.32)
    assert not one.take(NAME, "third", 1, 2, 0.3).granted  # both places are for those before it
    assert other.take(NAME, "second", 1, 2, 0.3).granted  # and one of them takes his
    assert not one.take(NAME, "newcomer", 1, 2, 0.3).granted


def test_a_ticket_that_stands_is_dated_anew_and_counts_once(make: Callable[[], RedisStore]) -> None:
    store = make()
    assert store.take(NAME, "a", 1, 2, 0.4).granted
    time.sleep(0.3)
    assert store.take(NAME, "a", 1, 2, 0.4).granted
    assert store.take(NAME, "b", 1, 2, 0.4).granted
    time.sleep(0.2)

    assert not store.take(NAME, "c", 1, 2, 0.4).granted


def test_batches_count_as_many_units_as_they_have(make: Callable[[], RedisStore]) -> None:
    store = make()

    assert store.take(NAME, "a", 3, 5, 0.3).granted
    assert not store.take(NAME, "b", 3, 5, 0.3).granted
    assert not store.take(NAME, "c", 1, 5, 0.3).granted, "nobody passes the batch that waits"
    store.give_back(NAME, "b")
    assert store.take(NAME, "c", 1, 5, 0.3).granted
    time.sleep(0.32)
    assert store.take(NAME, "whole", 50, 5, 0.3).granted
    assert not store.take(NAME, "d", 1, 5, 0.3).granted


def test_what_is_given_back_is_free_and_what_is_kept_is_not(make: Callable[[], RedisStore]) -> None:
    store = make()
    assert store.take(NAME, "a", 1, 1, 0.3).granted
    store.give_back(NAME, "a")
    assert store.take(NAME, "b", 1, 1, 0.3).granted
    store.keep(NAME, "b", 0.3)
    time.sleep(0.35)

    said = store.take(NAME, "c", 1, 1, 0.3)
    assert not said.granted
    assert 0.1 < said.wait < 0.3


def test_what_the_exchange_says_holds_for_all(make: Callable[[], RedisStore]) -> None:
    one, other = make(), make()
    one.learn(NAME, 2)
    assert [other.take(NAME, f"a{number}", 1, 5, 0.3).granted for number in range(3)] == [
        True,
        True,
        False,
    ]
    one.hold("held", 0.3)
    one.hold("held", 0.1)
    said = other.take("held", "a", 1, 5, 1.0)
    assert not said.granted
    assert 0.2 < said.wait <= 0.3
    time.sleep(0.31)
    assert other.take("held", "a", 1, 5, 1.0).granted


def test_a_ban_stops_all_and_lets_one_try(make: Callable[[], RedisStore]) -> None:
    one, other = make(), make()
    one.ban(NAME, 0.2)
    said = other.take(NAME, "a", 1, 5, 1.0)
    assert not said.granted
    assert 0.1 < said.banned_for <= 0.2
    time.sleep(0.21)
    assert other.take(NAME, "a", 1, 5, 1.0).granted
    assert one.take(NAME, "b", 1, 5, 1.0).banned_for > 5.0
    other.welcome(NAME)
    assert one.take(NAME, "b", 1, 5, 1.0).granted


def test_many_threads_of_many_stores_are_served_in_turn(make: Callable[[], RedisStore]) -> None:
    stores = [make() for _ in range(4)]
    granted: list[tuple[float, float, int]] = []
    lock = threading.Lock()
    end = time.monotonic() + 2.5

    start = threading.Barrier(20)

    def work(mine: int, thread: int) -> None:
        number = 0
        start.wait(10)
        while time.monotonic() < end:
            number += 1
            ticket = f"{mine}-{thread}-{number}"
            asked = time.monotonic()
            while not (said := stores[mine].take(NAME, ticket, 1, 20, 0.5)).granted:
                time.sleep(max(0.001, said.wait))
                asked = time.monotonic()
            with lock:
                granted.append((asked, time.monotonic(), mine))

    threads = [threading.Thread(target=work, args=(m, t)) for m in range(4) for t in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    # Redis has granted it between the two moments: so these are surely within one window.
    busiest = max(
        sum(asked >= begin and noted < begin + 0.5 for asked, noted, _ in granted)
        for begin, _, _ in granted
    )
    assert busiest <= 20
    moments = sorted(noted for _, noted, _ in granted)
    # From the second window on: the first goes to whose threads are the first.
    settled = [mine for _, noted, mine in granted if noted > moments[0] + 0.5]
    shares = [settled.count(each) for each in range(4)]
    assert max(shares) - min(shares) <= 6, shares
    assert len(granted) >= 0.85 * 20 * (moments[-1] - moments[0]) / 0.5


# --- Redis away ---------------------------------------------------------------------------


def test_while_redis_is_away_each_process_keeps_to_its_share_and_says_so_once(
    redis_server: RedisServer,
    make: Callable[[], RedisStore],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    stores = [make() for _ in range(2)]
    for mine, store in enumerate(stores):
        assert store.take(NAME, f"before-{mine}", 1, 10, 0.3).granted
    assert stores[0].take(NAME, "again", 1, 10, 0.3).granted  # hears of the other
    time.sleep(0.35)
    redis_server.kill()

    for store in stores:
        assert grab(store, 20, 10, 0.3) <= 5
        assert store.is_away
    time.sleep(0.35)  # what others were granted before the loss has passed
    for store in stores:
        assert grab(store, 20, 10, 0.3) == 5
    told = [record for record in caplog.records if "is away" in record.message]
    assert len(told) == 2  # by each store, which is one per process
    assert f"127.0.0.1:{redis_server.port}" in told[0].message


def test_it_comes_back_by_itself_and_counts_what_was_done_meanwhile(
    redis_server: RedisServer, make: Callable[[], RedisStore], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stores = [make(), make()]
    for number in range(4):  # two each
        assert stores[number % 2].take(NAME, f"before-{number}", 1, 10, 0.5).granted
    redis_server.kill()
    assert grab(stores[0], 20, 10, 0.5) == 3
    redis_server.start()

    began, granted = time.monotonic(), 0
    while stores[0].is_away:
        granted += grab(stores[0], 1, 10, 0.5)
        time.sleep(0.01)
        assert time.monotonic() - began < 5.0
    # It keeps to its share for a while, though Redis knows of nothing: the others come back later.
    assert grab(stores[0], 20, 10, 0.5) <= 5
    assert "is back" in caplog.text
    time.sleep(1.8)
    assert grab(stores[0], 20, 10, 0.5) == 10


def test_a_redis_that_hangs_is_away_after_half_a_second(
    redis_server: RedisServer, make: Callable[[], RedisStore]
) -> None:
    store = make()
    assert store.take(NAME, "before", 1, 10, 0.5).granted
    redis_server.pause()
    began = time.monotonic()
    try:
        assert store.take(NAME, "a", 1, 10, 0.5).granted
        assert 0.4 < time.monotonic() - began < 2.0
        began = time.monotonic()
        assert 0.0 < store.take(NAME, "b", 1, 10, 0.5).wait <= 0.5
        assert time.monotonic() - began < 0.3, "the others do not wait for it"
    finally:
        redis_server.resume()


def test_a_process_that_never_reached_redis_takes_a_tenth() -> None:
    store = RedisStore("redis://127.0.0.1:1/0")

    assert grab(store, 20, 50, 0.3) == 1
    time.sleep(0.35)
    assert grab(store, 20, 50, 0.3) == 5
    store.close()

"""What a process may use of a limit while the store that counts for all is away."""

from __future__ import annotations

from bybit_sync.call.store_share import Share
from tests.conftest import FakeClock


def taken(share: Share, clock: FakeClock, tries: int, calls: int, seconds: float = 1.0) -> int:
    """How many of so many turns are given at this moment."""
    given = 0
    for number in range(tries):
        ticket = f"{clock.monotonic()}-{number}"
        if share.take(ticket, 1, calls, seconds, clock.monotonic()) == 0.0:
            given += 1
        else:
            share.forget(ticket)
    return given


def test_the_share_is_the_limit_divided_by_those_who_were_heard_of(clock: FakeClock) -> None:
    share = Share()
    share.hear(4, 0, "a", clock.monotonic(), 1.0)

    assert taken(share, clock, 50, 50) == 12
    clock.advance(0.99)
    assert taken(share, clock, 50, 50) == 0
    clock.advance(0.01)
    assert taken(share, clock, 50, 50) == 12


def test_one_who_has_heard_of_nobody_takes_a_tenth(clock: FakeClock) -> None:
    assert taken(Share(), clock, 50, 50) == 5


def test_less_than_one_call_a_window_is_one_call_a_longer_window(clock: FakeClock) -> None:
    share = Share()
    share.hear(100, 0, "a", clock.monotonic(), 1.0)

    assert taken(share, clock, 3, 50) == 1
    clock.advance(1.9)
    assert taken(share, clock, 3, 50) == 0
    clock.advance(0.1)
    assert taken(share, clock, 3, 50) == 1


def test_what_the_store_granted_before_it_went_counts(clock: FakeClock) -> None:
    share = Share()
    share.hear(2, 0, "a", clock.monotonic(), 1.0)
    for number in range(3):
        share.note(str(number), 1, clock.monotonic(), 1.0)

    assert taken(share, clock, 10, 10) == 2


def test_a_ticket_that_is_dated_anew_counts_once(clock: FakeClock) -> None:
    share = Share()
    share.hear(1, 0, "a", clock.monotonic(), 1.0)
    share.note("same", 3, clock.monotonic(), 1.0)
    clock.advance(0.5)
    assert share.take("same", 3, 4, 1.0, clock.monotonic()) == 0.0
    clock.advance(0.6)

    assert taken(share, clock, 4, 4) == 1


def test_turns_are_given_in_order_and_waits_say_when(clock: FakeClock) -> None:
    share = Share()
    share.hear(1, 0, "a", clock.monotonic(), 1.0)
    assert taken(share, clock, 2, 2) == 2
    waits = [share.take(name, 1, 2, 1.0, clock.monotonic()) for name in "abc"]
    assert waits == [1.0, 1.0, 2.0]

    clock.advance(1.0)
    assert share.take("c", 1, 2, 1.0, clock.monotonic()) > 0.0
    assert share.take("b", 1, 2, 1.0, clock.monotonic()) == 0.0
    assert share.take("a", 1, 2, 1.0, clock.monotonic()) == 0.0


def test_who_does_not_come_back_leaves_the_line(clock: FakeClock) -> None:
    share = Share()
    share.hear(1, 0, "a", clock.monotonic(), 1.0)
    assert taken(share, clock, 1, 1) == 1
    assert share.take("dead", 1, 1, 1.0, clock.monotonic()) == 1.0

    clock.advance(2.9)
    assert taken(share, clock, 1, 1) == 0
    clock.advance(0.2)
    assert taken(share, clock, 1, 1) == 1


def test_a_store_that_lost_its_counts_is_not_relied_on_until_all_are_back(clock: FakeClock) -> None:
    share = Share()
    share.hear(3, 0, "a", clock.monotonic(), 1.0)
    assert not share.is_careful(clock.monotonic())

    share.hear(
        1, 0, "b", clock.monotonic(), 1.0
    )  # it was started anew, and the others are not back
    assert share.is_careful(clock.monotonic())
    assert taken(share, clock, 30, 30) == 10  # still a third
    clock.advance(2.1)  # each process looks once a second, and one window is on its way then
    assert share.is_careful(clock.monotonic())
    clock.advance(0.2)
    assert not share.is_careful(clock.monotonic())


def test_those_who_have_gone_are_forgotten_after_a_while(clock: FakeClock) -> None:
    share = Share()
    share.hear(3, 0, "a", clock.monotonic(), 1.0)
    clock.advance(11.0)
    share.hear(1, 0, "a", clock.monotonic(), 1.0)

    assert taken(share, clock, 30, 30) == 30


# --- the moment of the loss ---------------------------------------------------------------


def test_in_the_first_window_what_was_left_is_shared(clock: FakeClock) -> None:
    share = Share()
    share.hear(4, 30, "a", clock.monotonic(), 1.0)
    share.lose(clock.monotonic())

    assert taken(share, clock, 50, 50) == 5  # a quarter of 20
    clock.advance(0.5)
    assert taken(share, clock, 50, 50) == 0
    clock.advance(0.5)
    assert taken(share, clock, 50, 50) == 12


def test_of_a_window_that_was_used_up_nothing_is_left(clock: FakeClock) -> None:
    share = Share()
    share.hear(4, 50, "a", clock.monotonic(), 1.0)
    share.lose(clock.monotonic())

    wait = share.take("x", 1, 50, 1.0, clock.monotonic())
    assert wait == 1.0
    clock.advance(wait)
    assert share.take("x", 1, 50, 1.0, clock.monotonic()) == 0.0


def test_who_was_idle_knows_nothing_of_the_others_and_makes_one_call(clock: FakeClock) -> None:
    share = Share()
    share.hear(4, 0, "a", clock.monotonic(), 1.0)
    clock.advance(30.0)
    share.lose(clock.monotonic())

    assert taken(share, clock, 50, 50) == 1
    clock.advance(1.0)
    assert taken(share, clock, 50, 50) == 12

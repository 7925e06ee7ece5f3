"""The long path's arithmetic: what holds bytes up on it, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.server.link import Link

RTT = 0.05
RATE = 12_500_000.0
"""100 Mbit/s."""
SEGMENT = 1460
ON_THE_LINE = (SEGMENT + 78) / RATE


def last_of(link: Link, now: float, segments: int) -> float:
    """How long an answer of so many segments takes from `now` on."""
    return link.arrivals(now, segments * SEGMENT)[-1][0] - now


def test_without_a_rate_whatever_comes_takes_half_a_round_trip() -> None:
    assert Link(RTT).arrivals(7.0, 10**6) == [(7.0 + RTT / 2, 10**6)]


@pytest.mark.parametrize(
    ("segments", "waits"), [(1, 0), (10, 0), (11, 1), (30, 1), (31, 2), (70, 2), (150, 3)]
)
def test_a_young_connection_waits_a_round_trip_each_time_its_window_is_spent(
    segments: int, waits: int
) -> None:
    took = last_of(Link(RTT, RATE), 1.0, segments)

    # Each flight's own first segment has to leave before its acknowledgement can come.
    assert took == pytest.approx(RTT / 2 + waits * RTT, abs=segments * ON_THE_LINE + 1e-9)
    assert took >= RTT / 2 + waits * RTT


def test_a_connection_that_has_carried_much_is_held_up_by_the_rate_alone() -> None:
    link = Link(RTT, RATE)
    last_of(link, 1.0, 200)

    assert last_of(link, 1.4, 150) == pytest.approx(RTT / 2 + 150 * ON_THE_LINE)


def test_small_answers_do_not_widen_the_window() -> None:
    link = Link(RTT, RATE)
    for number in range(50):
        last_of(link, 1.0 + number * RTT, 2)

    assert last_of(link, 10.0, 11) >= RTT * 1.5


def test_after_a_long_silence_a_connection_is_young_again() -> None:
    link = Link(RTT, RATE)
    young = last_of(link, 1.0, 200)

    assert last_of(link, 1.6, 200) < young - RTT
    assert last_of(link, 60.0, 200) == pytest.approx(young)


@given(st.lists(st.integers(1, 400_000), min_size=1, max_size=8), st.floats(1e5, 1e8))
def test_every_byte_arrives_in_order_and_no_faster_than_the_rate(
    sizes: list[int], rate: float
) -> None:
    link = Link(RTT, rate)
    found = [arrival for size in sizes for arrival in link.arrivals(3.0, size)]

    moments = [when for when, _ in found]
    assert sum(size for _, size in found) == sum(sizes)
    assert moments == sorted(moments)
    assert moments[-1] >= 3.0 + RTT / 2 + sum(sizes) / rate - 1e-6

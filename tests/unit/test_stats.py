"""Durations counted into buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bybit_sync.net.stats import WAIT_BUCKETS, Histogram


def test_a_duration_counts_into_the_first_bucket_that_holds_it() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.100001, 1.0, 1.5, 99.0):
        histogram.observe(seconds)

    snapshot = histogram.snapshot()

    assert snapshot.counts == (2, 2, 2)
    assert snapshot.count == 6
    assert snapshot.sum == sum((0.05, 0.1, 0.100001, 1.0, 1.5, 99.0))
    assert snapshot.bounds == (0.1, 1.0)


def test_a_snapshot_does_not_change() -> None:
    histogram = Histogram()
    before = histogram.snapshot()

    histogram.observe(0.5)

    assert (before.count, histogram.snapshot().count) == (0, 1)


@given(st.lists(st.floats(0, 100), max_size=50))
def test_every_duration_is_counted_once(durations: list[float]) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.observe(seconds)

    snapshot = histogram.snapshot()

    assert snapshot.count == len(durations)
    for index, bound in enumerate(WAIT_BUCKETS):
        at_most = sum(snapshot.counts[: index + 1])
        assert at_most == sum(seconds <= bound for seconds in durations)

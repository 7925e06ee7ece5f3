"""A bar cut into parts loses nothing, whatever the seed."""

from __future__ import annotations

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bybit_sync.simulator.market.bars import MINUTE, SPANS, merge
from bybit_sync.simulator.market.path import Climate, Path

CLIMATES = st.sampled_from(
    [Climate(900_000, 12_000_000), Climate(25_000, 1_500_000_000), Climate(18_000, 40_000_000)]
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), CLIMATES, st.integers(18_300, 22_000), st.integers(0, 1439))
def test_every_level_adds_up_to_the_one_above(
    seed: int, climate: Climate, day: int, minute: int
) -> None:
    path = Path(seed, "BTC", climate)
    start = day * 1440 + minute
    for level in range(1, len(SPANS)):
        parent = start // SPANS[level - 1]
        count = SPANS[level - 1] // SPANS[level]
        parts = [path.bar(level, parent * count + i) for i in range(count)]
        assert merge(parts) == path.bar(level - 1, parent)
        assert all(before.close == after.open for before, after in itertools.pairwise(parts))
        assert all(bar.low * bar.volume <= bar.turnover <= bar.high * bar.volume for bar in parts)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), CLIMATES, st.integers(18_300 * 1440, 22_000 * 1440))
@example(5163, Climate(25_000, 1_500_000_000), 29_708_879)  # one tick wide, all at its high
def test_trades_add_up_to_their_minute(seed: int, climate: Climate, minute: int) -> None:
    path = Path(seed, "BTC", climate)
    bar, trades = path.bar(MINUTE, minute), path.trades(minute)

    prices = [trade.price for trade in trades]

    assert (prices[0], max(prices), min(prices), prices[-1]) == bar[:4]
    assert sum(trade.size for trade in trades) == bar.volume
    assert min(trade.size for trade in trades) >= 1
    assert sum(trade.size * trade.price for trade in trades) == bar.turnover
    assert [trade.ms for trade in trades] == sorted(trade.ms for trade in trades)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(18_300, 22_000))
def test_one_day_ends_where_the_next_begins(seed: int, day: int) -> None:
    path = Path(seed, "ETH", Climate(330_000, 20_000_000))

    assert path.bar(0, day).close == path.bar(0, day + 1).open

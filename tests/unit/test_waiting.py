"""Orders go first among those who wait, and nobody waits for ever."""

from __future__ import annotations

from bybit_sync.call.waiting import MOST_OVERTAKINGS, Waiter, WaitingLine

ORDER, ACCOUNT, MARKET = 0, 1, 2


def join(line: WaitingLine[str], name: str, rank: int, units: int = 1) -> Waiter[str]:
    waiter = Waiter(name, units, rank)
    line.join(waiter)
    return waiter


def serve(line: WaitingLine[str]) -> str:
    first = line.first()
    assert first is not None
    line.serve(first)
    return first.turn


def test_within_a_rank_it_is_first_come_first_served() -> None:
    line: WaitingLine[str] = WaitingLine()
    for name in "abc":
        join(line, name, MARKET)
    assert [serve(line) for _ in range(3)] == ["a", "b", "c"]
    assert line.first() is None


def test_orders_pass_the_accounts_other_calls_and_those_pass_market_data() -> None:
    line: WaitingLine[str] = WaitingLine()
    join(line, "tickers", MARKET)
    join(line, "positions", ACCOUNT)
    join(line, "order", ORDER)
    assert [serve(line) for _ in range(3)] == ["order", "positions", "tickers"]


def test_each_tenth_turn_goes_to_whoever_has_waited_longest() -> None:
    line: WaitingLine[str] = WaitingLine()
    for i in range(3):
        join(line, f"tickers {i}", MARKET)
    served = []
    for _ in range(30):
        join(line, "order", ORDER)
        served.append(serve(line))
    at = [i for i, name in enumerate(served) if name != "order"]
    assert at == [MOST_OVERTAKINGS, 2 * MOST_OVERTAKINGS + 1, 3 * MOST_OVERTAKINGS + 2]


def test_who_leaves_is_not_served() -> None:
    line: WaitingLine[str] = WaitingLine()
    a, b = join(line, "a", MARKET), join(line, "b", MARKET)
    assert line.leave(a)
    assert not line.leave(a)
    assert serve(line) == "b"
    assert not line.leave(b), "it was served, and has to give its turn back"
    assert line.count == 0


def test_who_had_its_turn_before_stands_before_everybody() -> None:
    line: WaitingLine[str] = WaitingLine()
    join(line, "order", ORDER)
    line.push_in(Waiter("again", 1, MARKET))
    assert serve(line) == "again"


def test_the_units_that_go_before_are_those_of_the_same_rank_and_of_lower_ones() -> None:
    line: WaitingLine[str] = WaitingLine()
    join(line, "a", ORDER, units=4)
    b = join(line, "b", ACCOUNT, units=2)
    c = join(line, "c", MARKET)
    assert [line.units_before(rank) for rank in (ORDER, ACCOUNT, MARKET)] == [4, 6, 7]
    assert line.units_before(ACCOUNT, b) == 4
    assert line.units_before(MARKET, c) == 6

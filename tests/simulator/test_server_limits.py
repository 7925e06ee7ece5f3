"""Who calls too often: per account and endpoint, and per address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bybit_sync.simulator import LocalExchange
from bybit_sync.simulator.server.limits import AddressBudget, RollingWindow

from .conftest import FAKE_WORLD
from .wire import Trader, now_ms

REALTIME = "/v5/order/realtime"
ITEM = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "1", "price": "9"}


@pytest.fixture(scope="module")
def limited() -> Iterator[LocalExchange]:
    with LocalExchange(world=FAKE_WORLD, ip_limit=None) as server:
        yield server


@pytest.fixture
def caller(limited: LocalExchange) -> Iterator[Trader]:
    """An account of its own: what others have used up does not count."""
    with Trader(limited, limited.add_account()) as trader:
        yield trader


def test_the_window_rolls() -> None:
    window = RollingWindow(2, 1.0)

    taken = [window.take(at, 1) for at in (0.0, 0.9, 0.95, 1.0, 1.5, 1.95)]

    assert taken == [1, 1, 0, 1, 0, 1]
    assert window.resets_in(1.95) == pytest.approx(0.05)


def test_a_batch_takes_what_is_left() -> None:
    window = RollingWindow(10, 1.0)

    assert [window.take(0.0, 7), window.take(0.1, 7), window.take(0.2, 1)] == [7, 3, 0]


def test_headers_count_down_and_then_say_when_to_come_back(caller: Trader) -> None:
    replies = [caller.place() for _ in range(12)]

    limits = [int(r.headers["x-bapi-limit"]) for r in replies]
    left = [int(r.headers["x-bapi-limit-status"]) for r in replies]
    assert (limits, left) == ([10] * 12, [*range(9, -1, -1), 0, 0])
    assert [r.code for r in replies] == [0] * 10 + [10006] * 2
    assert replies[-1].message == "Too many visits!"
    reset_ms = int(replies[-1].headers["x-bapi-limit-reset-timestamp"])
    assert -100 <= reset_ms - now_ms() <= 1001


def test_the_account_may_go_on_once_the_reset_time_has_come(caller: Trader) -> None:
    while (reply := caller.place()).code == 0:
        pass
    reset_ms = int(reply.headers["x-bapi-limit-reset-timestamp"])
    while now_ms() < reset_ms:
        caller.get("/v5/market/time")

    assert caller.place().code == 0


def test_categories_and_endpoints_are_counted_apart(caller: Trader) -> None:
    for _ in range(10):
        caller.place()

    assert caller.place().code == 10006
    spot = caller.place(category="spot")
    assert (spot.code, spot.headers["x-bapi-limit"]) == (0, "20")
    assert caller.get(REALTIME, "category=linear").headers["x-bapi-limit"] == "50"


def test_accounts_are_counted_apart(limited: LocalExchange, caller: Trader) -> None:
    for _ in range(11):
        caller.place()

    with Trader(limited, limited.add_account()) as other:
        assert other.place().code == 0


def test_the_orders_of_a_batch_that_do_not_fit_fail_one_by_one(
    limited: LocalExchange, caller: Trader
) -> None:
    before = len(limited.orders)
    body = {"category": "linear", "request": [ITEM] * 7}

    first = caller.post("/v5/order/create-batch", body)
    second = caller.post("/v5/order/create-batch", body)
    third = caller.post("/v5/order/create-batch", body)

    assert first.headers["x-bapi-limit-status"] == "3"
    codes = [note["code"] for note in second.json["retExtInfo"]["list"]]
    assert codes == [0, 0, 0, 10006, 10006, 10006, 10006]
    assert third.code == 10006
    assert len(limited.orders) == before + 10


def test_a_batch_of_options_costs_one(caller: Trader) -> None:
    body = {"category": "option", "request": [{**ITEM, "orderLinkId": "o"}] * 15}

    reply = caller.post("/v5/order/create-batch", body)

    assert reply.headers["x-bapi-limit-status"] == "9"
    assert {note["code"] for note in reply.json["retExtInfo"]["list"]} == {0}


def test_public_endpoints_carry_no_limit_headers(caller: Trader) -> None:
    assert "x-bapi-limit" not in caller.get("/v5/market/time").headers


def test_limits_can_be_raised_by_path() -> None:
    limits = {"/v5/order/create": 3}
    with (
        LocalExchange(world=FAKE_WORLD, limits=limits, ip_limit=None) as server,
        Trader(server) as trader,
    ):
        assert [trader.place().code for _ in range(4)] == [0, 0, 0, 10006]
        assert trader.get(REALTIME, "category=linear").headers["x-bapi-limit"] == "50"


def test_an_address_that_asks_too_often_is_banned_for_a_time() -> None:
    with (
        LocalExchange(world=FAKE_WORLD, ip_limit=5, ip_ban=0.3) as server,
        Trader(server) as trader,
        Trader(server, source="127.0.0.2") as neighbour,
    ):
        statuses = [trader.get("/v5/market/time").status for _ in range(7)]
        banned = trader.get("/v5/market/time")
        next_door = neighbour.get("/v5/market/time")
        while (after := trader.get("/v5/market/time")).status == 403:
            pass

    assert statuses == [200] * 5 + [403] * 2
    assert b"access too frequent" in banned.body
    assert banned.headers["content-type"].startswith("text/html")
    assert (next_door.status, after.status) == (200, 200)


def test_no_limit_is_no_limit() -> None:
    budget = AddressBudget(None, 5.0, 600.0)

    assert all(budget.admits("127.0.0.1") for _ in range(10_000))

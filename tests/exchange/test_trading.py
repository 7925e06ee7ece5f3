"""A day's work: place, ask, amend, cancel, fill, and see it in wallet and position."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from bybit_sync import BybitClient, InsufficientFundsError, OrderError, ParameterError, Reply
from bybit_sync.simulator import LocalExchange

from .tools import ORDER, RESTING, Seen, connect, failure, new_name, orders_named

CATEGORIES = ["spot", "linear"]


def order(category: str, **changes: Any) -> dict[str, Any]:
    """An order that rests far below the market, save for what is changed."""
    return {**RESTING, "category": category, "qty": "0.01", "orderLinkId": new_name(), **changes}


def rows(reply: Reply[Any]) -> list[Any]:
    """The list in an answer."""
    found: list[Any] = reply.result["list"]
    return found


def coin(client: BybitClient, name: str) -> Decimal:
    """How much of a coin is in the wallet."""
    (account,) = rows(client.account.get_wallet_balance(accountType="UNIFIED", coin=name))
    return next(Decimal(c["walletBalance"]) for c in account["coin"] if c["coin"] == name)


@pytest.mark.parametrize("category", CATEGORIES)
def test_an_order_is_placed_found_amended_cancelled_and_remembered(
    category: Any, exchange: LocalExchange, client: BybitClient
) -> None:
    wanted = order(category)
    name = wanted["orderLinkId"]
    which: dict[str, Any] = {"category": category, "symbol": "BTCUSDT"}

    placed = client.trade.place_order(**wanted)
    assert placed.result["orderLinkId"] == name
    (open_order,) = rows(client.trade.get_open_orders(**which))
    assert open_order["orderId"] == placed.result["orderId"]
    assert (open_order["orderStatus"], Decimal(open_order["price"])) == ("New", 10_000)

    client.trade.amend_order(**which, orderLinkId=name, price="9000")
    (amended,) = rows(client.trade.get_open_orders(**which, orderLinkId=name))
    assert Decimal(amended["price"]) == 9_000

    client.trade.cancel_order(**which, orderLinkId=name)
    # Asked for by name, realtime still shows what has just been closed.
    (closed,) = rows(client.trade.get_open_orders(**which, orderLinkId=name))
    assert closed["orderStatus"] == "Cancelled"
    assert rows(client.trade.get_open_orders(**which, openOnly=0)) == []
    (past,) = rows(client.trade.get_order_history(**which, orderLinkId=name))
    assert past["orderStatus"] == "Cancelled"
    assert len(orders_named(exchange, name)) == 1


def test_a_market_order_on_spot_moves_coins(client: BybitClient) -> None:
    usdt, btc = coin(client, "USDT"), coin(client, "BTC")

    wanted = order("spot", orderType="Market", price=None, marketUnit="baseCoin")
    client.trade.place_order(**wanted)

    (done,) = rows(client.trade.get_executions(category="spot", orderLinkId=wanted["orderLinkId"]))
    assert (done["execQty"], done["side"]) == (str(Decimal(done["execQty"])), "Buy")
    assert coin(client, "BTC") - btc == Decimal(done["execQty"]) - Decimal(done["execFee"])
    assert usdt - coin(client, "USDT") == Decimal(done["execValue"])


def test_a_market_order_on_a_contract_opens_a_position_and_another_closes_it(
    client: BybitClient,
) -> None:
    which: dict[str, Any] = {"category": "linear", "symbol": "BTCUSDT"}
    wanted = order("linear", orderType="Market", price=None)
    client.position.set_leverage(**which, buyLeverage="5", sellLeverage="5")

    client.trade.place_order(**wanted)
    (position,) = rows(client.position.get_positions(**which))
    assert (position["side"], Decimal(position["size"])) == ("Buy", Decimal("0.01"))
    assert Decimal(position["leverage"]) == 5

    client.trade.place_order(**{**wanted, "orderLinkId": new_name()})
    client.trade.place_order(
        **{**wanted, "orderLinkId": new_name(), "side": "Sell", "qty": "0.02"}, reduceOnly=True
    )
    (position,) = rows(client.position.get_positions(**which))
    assert Decimal(position["size"]) == 0
    executions = rows(client.trade.get_executions(**which))
    # An order may fill in several parts, as deep as the book happens to be.
    for side in ("Buy", "Sell"):
        dealt = sum(Decimal(e["execQty"]) for e in executions if e["side"] == side)
        assert dealt == Decimal("0.02")
    assert rows(client.position.get_closed_pnl(**which))


def test_prices_and_sizes_may_be_decimals_and_arrive_exactly(
    exchange: LocalExchange, client: BybitClient
) -> None:
    wanted = order("spot", qty=Decimal("0.00100"), price=Decimal("1E+4"))
    seen = Seen(exchange)

    client.trade.place_order(**wanted)

    assert '"qty":"0.00100"' in seen.rows(ORDER)[0]["body"]
    assert '"price":"10000"' in seen.rows(ORDER)[0]["body"]


@pytest.mark.parametrize("category", CATEGORIES)
def test_an_order_without_a_name_gets_one_that_is_echoed_and_finds_it(
    category: Any, exchange: LocalExchange, client: BybitClient
) -> None:
    first, second = (
        client.trade.place_order(**order(category, orderLinkId=None)).result for _ in range(2)
    )

    assert len(first["orderLinkId"]) == 32
    assert first["orderLinkId"] != second["orderLinkId"]
    (found,) = rows(
        client.trade.get_open_orders(category=category, orderLinkId=first["orderLinkId"])
    )
    assert found["orderId"] == first["orderId"]
    assert len(orders_named(exchange, first["orderLinkId"])) == 1


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_batch_gives_every_item_a_name_and_tells_which_were_refused(
    category: Any, exchange: LocalExchange, client: BybitClient
) -> None:
    item = {k: v for k, v in order(category).items() if k not in ("category", "orderLinkId")}
    mine = new_name()
    items = [item, {**item, "orderLinkId": mine}, {**item, "qty": "100000"}]

    reply = client.trade.place_batch_order(category=category, request=items)

    named = [row["orderLinkId"] for row in rows(reply)]
    assert named[1] == mine
    assert len(named[0]) == 32
    codes = [note["code"] for note in reply["retExtInfo"]["list"]]
    assert codes[:2] == [0, 0]
    assert codes[2] != 0
    assert [len(orders_named(exchange, name)) for name in named[:2]] == [1, 1]
    assert [len(item) for item in items] == [5, 6, 5]  # the caller's dicts are left alone

    cancelled = client.trade.cancel_batch_order(
        category=category,
        request=[{"symbol": "BTCUSDT", "orderLinkId": name} for name in named[:2]],
    )
    assert [note["code"] for note in cancelled["retExtInfo"]["list"]] == [0, 0]


def test_orders_that_come_by_request_get_a_name_too(
    exchange: LocalExchange, client: BybitClient
) -> None:
    reply = client.request("POST", ORDER, order("spot", orderLinkId=None))

    assert len(orders_named(exchange, reply.result["orderLinkId"])) == 1
    assert len(reply.result["orderLinkId"]) == 32


@pytest.mark.parametrize(("category", "code"), [("spot", 170141), ("linear", 110072)])
def test_a_name_that_was_used_before_is_an_order_error(
    category: Any, code: int, exchange: LocalExchange, client: BybitClient
) -> None:
    wanted = order(category)
    client.trade.place_order(**wanted)
    seen = Seen(exchange)

    error = failure(lambda: client.trade.place_order(**wanted))

    assert isinstance(error, OrderError)
    assert (error.ret_code, error.status_code) == (code, code)
    assert (error.effect_unknown, error.transient) == (False, False)
    assert seen.count() == 1
    assert len(orders_named(exchange, wanted["orderLinkId"])) == 1


@pytest.mark.parametrize(("category", "qty"), [("spot", "50"), ("linear", "200")])
def test_an_order_beyond_the_means_is_an_insufficient_funds_error(
    category: Any, qty: str, exchange: LocalExchange, client: BybitClient
) -> None:
    seen = Seen(exchange)

    error = failure(lambda: client.trade.place_order(**order(category, qty=qty, price="90000")))

    assert isinstance(error, InsufficientFundsError)
    assert not error.effect_unknown
    assert seen.count() == 1


def test_an_order_that_is_not_there_cannot_be_cancelled(client: BybitClient) -> None:
    for category in CATEGORIES:
        error = failure(
            lambda category=category: client.trade.cancel_order(  # type: ignore[misc]
                category=category, symbol="BTCUSDT", orderLinkId=new_name()
            )
        )
        assert isinstance(error, OrderError)


def test_a_symbol_that_nobody_knows_is_a_parameter_error(client: BybitClient) -> None:
    error = failure(lambda: client.trade.place_order(**order("linear", symbol="NOPEUSDT")))

    assert isinstance(error, ParameterError)
    assert error.request is not None
    assert error.request.params["symbol"] == "NOPEUSDT"
    assert error.body["retCode"] == error.ret_code


def test_history_comes_in_pages_whose_cursor_goes_back_as_it_came(client: BybitClient) -> None:
    names = [client.trade.place_order(**order("spot")).result["orderLinkId"] for _ in range(5)]
    which: dict[str, Any] = {"category": "spot", "symbol": "BTCUSDT", "limit": 2}
    found: list[str] = []
    cursor = None

    for _ in range(4):
        page = client.trade.get_open_orders(**which, cursor=cursor).result
        found += [each["orderLinkId"] for each in page["list"]]
        cursor = page["nextPageCursor"]
        if not cursor:
            break

    assert sorted(found) == sorted(names)


# --- market data --------------------------------------------------------------------------


@pytest.mark.parametrize("category", CATEGORIES)
def test_market_data_needs_no_key(category: Any, exchange: LocalExchange) -> None:
    which: dict[str, Any] = {"category": category, "symbol": "BTCUSDT"}
    with connect(exchange, keys=False) as client:
        seen = Seen(exchange)
        book = client.market.get_orderbook(**which, limit=5).result
        (ticker,) = rows(client.market.get_tickers(**which))
        candles = rows(client.market.get_kline(**which, interval="1", limit=3))
        (instrument,) = rows(client.market.get_instruments_info(**which))

        bid, ask = Decimal(book["b"][0][0]), Decimal(book["a"][0][0])
        assert len(book["b"]) == len(book["a"]) == 5
        assert bid < ask
        assert abs(Decimal(ticker["lastPrice"]) - bid) < bid / 50
        assert len(candles) == 3
        assert int(candles[0][0]) - int(candles[1][0]) == 60_000
        tick = Decimal(instrument["priceFilter"]["tickSize"])
        assert bid % tick == ask % tick == 0
        assert not any("x-bapi-sign" in row["headers"] for row in seen.rows())


def test_a_reply_is_the_envelope_with_headers_and_time(client: BybitClient) -> None:
    reply = client.trade.get_open_orders(category="spot", symbol="BTCUSDT")

    assert reply["retCode"] == 0
    assert reply.result is reply["result"]
    assert reply.headers["traceid"] == reply.headers["Traceid"]
    assert 0 < reply.elapsed < 5
    assert reply.rate_limit is None  # this exchange counts no calls: see test_limits
    assert json.loads(json.dumps(reply)) == reply


def test_a_reply_turns_into_a_table(client: BybitClient) -> None:
    client.trade.place_order(**order("spot"))

    frame = client.trade.get_open_orders(category="spot", symbol="BTCUSDT").to_frame()

    assert list(frame["symbol"]) == ["BTCUSDT"]

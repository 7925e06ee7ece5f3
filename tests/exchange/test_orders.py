"""`client.orders` on the exchange: the plain way, many threads, a close, and the journal."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from bybit_sync import (
    BybitClient,
    CallOptions,
    ClientClosedError,
    InsufficientFundsError,
    MissingCredentialsError,
    OrdersConfig,
    OrderUnknownError,
)
from bybit_sync.simulator import LocalExchange

from .tools import ORDER, RESTING, Seen, connect, failure, new_name, orders_named

WHICH: dict[str, Any] = {"category": "spot", "symbol": "BTCUSDT"}


def named(**changes: Any) -> dict[str, Any]:
    return {**RESTING, "orderLinkId": new_name(), **changes}


@pytest.mark.parametrize("category", ["spot", "linear", "inverse"])
def test_an_order_is_placed_amended_and_cancelled_with_one_request_each(
    category: str, exchange: LocalExchange, client: BybitClient
) -> None:
    symbol = "BTCUSD" if category == "inverse" else "BTCUSDT"
    qty = "10" if category == "inverse" else "0.01"
    wanted = named(category=category, symbol=symbol, qty=qty)
    which = {name: wanted[name] for name in ("category", "symbol", "orderLinkId")}
    seen = Seen(exchange)

    placed = client.orders.place(**wanted)
    amended = client.orders.amend(**which, price="9000")
    cancelled = client.orders.cancel(category=category, symbol=symbol, orderId=placed.orderId)

    assert seen.paths() == [ORDER, "/v5/order/amend", "/v5/order/cancel"]
    assert {placed.orderId, amended.orderId, cancelled.orderId} == {placed.orderId}
    assert not placed.recovered | amended.recovered | cancelled.recovered


def test_a_batch_comes_back_in_the_order_asked_each_order_or_its_error(
    exchange: LocalExchange, client: BybitClient
) -> None:
    item = {name: value for name, value in RESTING.items() if name != "category"}
    items = [item, {**item, "qty": "50", "price": "90000"}, {**item, "orderLinkId": new_name()}]

    first, second, third = client.orders.place_batch("spot", items)

    assert isinstance(first, dict)
    assert len(first.orderLinkId) == 32
    assert isinstance(second, InsufficientFundsError)
    assert isinstance(third, dict)
    assert third.orderLinkId == items[2]["orderLinkId"]
    assert len(orders_named(exchange, third.orderLinkId)) == 1


def test_all_threads_get_the_same_orders_and_a_close_ends_them(
    exchange: LocalExchange,
) -> None:
    client = connect(exchange)
    found = []
    start = threading.Barrier(8)

    def look() -> None:
        start.wait()
        found.append(client.orders)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    client.close()

    assert len({id(orders) for orders in found}) == 1
    assert isinstance(failure(lambda: found[0].place(**named())), ClientClosedError)


def test_without_keys_no_order_is_taken_up(exchange: LocalExchange, tmp_path: Path) -> None:
    orders = OrdersConfig(journal=str(tmp_path / "orders.sqlite"))
    with connect(exchange, keys=False, orders=orders) as client:
        error = failure(lambda: client.orders.place(**named()))

    assert isinstance(error, MissingCredentialsError)


def test_the_journal_tells_every_order_and_no_secret(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    path = tmp_path / "orders.sqlite"
    account = exchange.add_account()
    with connect(exchange, account=account, orders=OrdersConfig(journal=str(path))) as client:
        placed = client.orders.place(**named())
        refused = named(qty="1000", price="90000")
        failure(lambda: client.orders.place(**refused))
        on_disk = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT orderLinkId, state, orderId FROM orders").fetchall()
    connection.close()
    assert sorted(rows) == sorted(
        [(placed.orderLinkId, "placed", placed.orderId), (refused["orderLinkId"], "refused", "")]
    )
    assert placed.orderLinkId.encode() in on_disk
    for secret in (account.api_key, account.api_secret):
        assert secret.encode() not in on_disk


def test_an_unknown_order_is_in_the_journal_until_somebody_settles_it(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    account = exchange.add_account()
    settings: dict[str, Any] = {
        "account": account,
        "orders": OrdersConfig(
            journal=str(tmp_path / "orders.sqlite"), recv_window_ms=300, query_lag=0.1
        ),
        "pool": {"sock_read_timeout": 0.2},
    }
    wanted = named()
    exchange.faults.stall(ORDER, after_accept=True)
    exchange.faults.http_status("/v5/order/*", 503, times=None, skip=0)
    with connect(exchange, **settings) as client:
        error = failure(lambda: client.orders.place(**wanted, options=CallOptions(timeout=1.0)))
    assert isinstance(error, OrderUnknownError)
    exchange.faults.clear()

    with connect(exchange, **settings) as client:
        (settled,) = client.orders.recover()
        assert client.orders.recover() == []

    assert settled.orderLinkId == wanted["orderLinkId"]
    assert settled.orderId == orders_named(exchange, wanted["orderLinkId"])[0]["orderId"]
    # The first client's error still knows its order, but it has nobody to ask any more.
    assert isinstance(failure(error.resolve), OrderUnknownError)


def test_an_order_whose_name_the_caller_interrupted_can_be_recovered_without_a_journal(
    exchange: LocalExchange, client: BybitClient
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    wanted = named()
    with pytest.raises(KeyboardInterrupt):
        client.orders.place(**wanted, options=CallOptions(on_sign=interrupt))

    # It was signed; that it did not leave only the exchange can tell.
    orders = client.orders
    orders._inquiry._lag = 0.1
    (settled,) = orders.recover()
    assert (settled.orderLinkId, settled.placed) == (wanted["orderLinkId"], False)
    assert orders_named(exchange, wanted["orderLinkId"]) == []


def test_importing_the_client_does_not_import_orders_or_sqlite() -> None:
    code = (
        "import sys; from bybit_sync import BybitClient; BybitClient('key-of-a-test', 's' * 36);"
        "assert not {'bybit_sync.orders', 'sqlite3'} & set(sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=30)

    assert done.returncode == 0


def test_where_the_exchange_forgets_names_a_second_order_is_made_under_one(
    exchange: LocalExchange, client: BybitClient
) -> None:
    wanted = named()
    client.trade.place_order(**wanted)
    exchange.faults.forget_names()

    client.trade.place_order(**wanted)
    assert len(orders_named(exchange, wanted["orderLinkId"])) == 2

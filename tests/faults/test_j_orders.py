"""J. Orders: whatever is lost on the way, nothing is doubled and nothing is lost track of.

Rows 42, 70, 76 and 81 to 84 of other chapters are here too, for what they ask for is the same.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from bybit_sync import (
    ApiError,
    AuthError,
    BybitClient,
    CallOptions,
    ConfigError,
    OrderError,
    OrderNotPlacedError,
    OrdersConfig,
    OrderUnknownError,
    ParameterError,
    PermissionDeniedError,
    RateLimitConfig,
    RetryConfig,
)
from bybit_sync.simulator import LocalAccount, LocalExchange
from tests.exchange.tools import (
    ORDER,
    RESTING,
    Seen,
    connect,
    ends_within,
    eventually,
    failure,
    is_at_rest,
    new_name,
    orders_named,
)

BATCH, AMEND, CANCEL = "/v5/order/create-batch", "/v5/order/amend", "/v5/order/cancel"
OPEN_ORDERS, HISTORY = "/v5/order/realtime", "/v5/order/history"
WINDOW_MS, LAG = 300, 0.1
PROOF = WINDOW_MS / 1000 + LAG + 0.25
"""Seconds after which an order that does not show is provably absent."""
SHORT = {"sock_read_timeout": 0.4, "total_timeout": 6.0}
ITEM = {name: value for name, value in RESTING.items() if name != "category"}


def trade(
    exchange: LocalExchange, *, journal: Path | None = None, lag: float = LAG, **more: Any
) -> BybitClient:
    """A client whose orders are decided within a second."""
    orders = OrdersConfig(
        recv_window_ms=WINDOW_MS, query_lag=lag, journal="" if journal is None else str(journal)
    )
    tables = {
        "orders": orders,
        "rate_limit": RateLimitConfig(mode="off"),
        "retry": RetryConfig(base_delay=0.01, max_delay=0.05),
        "pool": SHORT,
        "account": more.pop("account", None) or exchange.add_account(),
        **more,
    }
    return connect(exchange, **tables)


@pytest.fixture
def trader(exchange: LocalExchange) -> Iterator[BybitClient]:
    with trade(exchange) as client:
        yield client
        assert is_at_rest(client)


def order(**changes: Any) -> dict[str, Any]:
    """An order that rests far below the market, with a name of its own."""
    return {**RESTING, "orderLinkId": new_name(), **changes}


Cause = Callable[[Any], None]


def answer(orderLinkId: str, orderId: str = "1") -> str:
    """An acknowledgement of some order, as it goes over the wire."""
    body = orjson.dumps(
        {
            "retCode": 0,
            "retMsg": "OK",
            "result": {"orderId": orderId, "orderLinkId": orderLinkId},
            "retExtInfo": {},
        }
    ).decode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n{body}"


# --- the answer is lost, the order is there -----------------------------------------------

LOST: dict[str, Cause] = {
    "closed": lambda faults: faults.drop_after_accept(ORDER),
    "late": lambda faults: faults.late(ORDER, 1.0, after_accept=True),
    "500": lambda faults: faults.http_status(ORDER, 500, after_accept=True),
    "503": lambda faults: faults.http_status(ORDER, 503, after_accept=True),
    "504": lambda faults: faults.http_status(ORDER, 504, after_accept=True),
}


def is_told_placed(exchange: LocalExchange, trader: BybitClient, cause: Cause) -> None:
    """The order is found by its name, told as placed, and there is one."""
    wanted = order()
    cause(exchange.faults)
    seen = Seen(exchange)

    with ends_within(2.0):
        placed = trader.orders.place(**wanted)

    (there,) = orders_named(exchange, wanted["orderLinkId"])
    assert (placed.orderId, placed.orderLinkId) == (there["orderId"], wanted["orderLinkId"])
    assert placed.recovered
    assert placed.placed
    assert placed.row is not None
    assert placed.row["orderStatus"] == "New"
    assert seen.paths().count(ORDER) == 1


@pytest.mark.row(92)
def test_an_order_whose_answer_never_comes_is_told_as_placed(
    exchange: LocalExchange, trader: BybitClient
) -> None:
    is_told_placed(exchange, trader, lambda faults: faults.stall(ORDER, after_accept=True))


@pytest.mark.row(93)
def test_an_order_whose_answer_was_cut_off_by_a_reset_is_told_as_placed(
    exchange: LocalExchange, trader: BybitClient
) -> None:
    is_told_placed(exchange, trader, lambda faults: faults.reset_after(ORDER))


@pytest.mark.row(94)
@pytest.mark.parametrize(
    "cause",
    [
        lambda faults: faults.http_status(ORDER, 502, after_accept=True),
        lambda faults: faults.html(ORDER, after_accept=True),
        lambda faults: faults.garbage(ORDER, after_accept=True),
        lambda faults: faults.cut_body(ORDER),
        lambda faults: faults.cut_body(ORDER, reset=True),
    ],
    ids=["502", "html", "garbage", "half", "half and reset"],
)
def test_an_order_whose_answer_is_no_answer_is_told_as_placed(
    cause: Cause, exchange: LocalExchange, trader: BybitClient
) -> None:
    is_told_placed(exchange, trader, cause)


@pytest.mark.row(76)
@pytest.mark.parametrize("cause", LOST.values(), ids=LOST)
def test_a_server_error_after_the_booking_leaves_one_order_and_tells_it(
    cause: Cause, exchange: LocalExchange, trader: BybitClient
) -> None:
    is_told_placed(exchange, trader, cause)


@pytest.mark.row(42)
@pytest.mark.row(45)
@pytest.mark.parametrize("booked", [True, False])
def test_a_reused_connection_that_dies_under_an_order_is_not_used_to_repeat_it(
    booked: bool, exchange: LocalExchange, trader: BybitClient
) -> None:
    trader.orders.place(**order())  # the connection is warm now
    wanted = order()
    drop = exchange.faults.reset_after if booked else exchange.faults.reset_before
    drop(ORDER)
    seen = Seen(exchange)

    if booked:
        assert trader.orders.place(**wanted).recovered
    else:
        assert isinstance(failure(lambda: trader.orders.place(**wanted)), OrderNotPlacedError)

    assert seen.paths().count(ORDER) == 1
    assert len(orders_named(exchange, wanted["orderLinkId"])) == int(booked)


@pytest.mark.row(70)
@pytest.mark.parametrize("booked", [True, False])
def test_an_acknowledgement_of_another_order_is_not_taken_for_ours(
    booked: bool, exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order()
    exchange.faults.garbage(ORDER, data=answer("somebody-elses"), after_accept=booked)

    if booked:
        placed = trader.orders.place(**wanted)
        assert (placed.recovered, placed.orderId) == (
            True,
            orders_named(exchange, wanted["orderLinkId"])[0]["orderId"],
        )
    else:
        error = failure(lambda: trader.orders.place(**wanted))
        assert isinstance(error, OrderNotPlacedError)
        assert "does not name the order" in str(error)


# --- codes that say nothing, codes that say no --------------------------------------------

UNCLEAR = [10000, 10016, 170007, 170032, 170146, 170147, 170310]


@pytest.mark.row(81)
@pytest.mark.parametrize("booked", [True, False])
@pytest.mark.parametrize("code", UNCLEAR)
def test_a_code_that_leaves_the_fate_open_is_looked_into(
    code: int, booked: bool, exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order()
    exchange.faults.ret_code(ORDER, code, "Server Timeout", after_accept=booked)
    seen = Seen(exchange)

    if booked:
        assert trader.orders.place(**wanted).recovered
    else:
        error = failure(lambda: trader.orders.place(**wanted))
        assert isinstance(error, OrderNotPlacedError)
        assert error.orderLinkId == wanted["orderLinkId"]

    assert seen.paths().count(ORDER) == 1
    assert len(orders_named(exchange, wanted["orderLinkId"])) == int(booked)


@pytest.mark.row(82)
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10001, ParameterError),
        (10003, AuthError),
        (10004, AuthError),
        (10005, PermissionDeniedError),
        (10010, PermissionDeniedError),
    ],
)
def test_a_clear_refusal_is_told_at_once_after_one_request(
    code: int, kind: type[ApiError], exchange: LocalExchange, trader: BybitClient
) -> None:
    exchange.faults.ret_code(ORDER, code)
    seen = Seen(exchange)

    error = failure(lambda: trader.orders.place(**order()))

    assert type(error) is kind
    assert not error.effect_unknown
    assert seen.paths() == [ORDER]


@pytest.mark.row(83)
@pytest.mark.parametrize("category", ["spot", "linear"])
def test_duplicate_after_our_own_repeat_is_the_first_ones_success(
    category: str, exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order(category=category, qty="0.01")
    # "Too many visits" may be repeated; this once it was booked all the same.
    exchange.faults.ret_code(ORDER, 10006, after_accept=True)
    seen = Seen(exchange)

    placed = trader.orders.place(**wanted)

    assert [row["ret_code"] for row in seen.rows(ORDER)][1] in (110072, 170141)
    assert placed.recovered
    assert placed.orderId == orders_named(exchange, wanted["orderLinkId"])[0]["orderId"]


@pytest.mark.row(84)
@pytest.mark.parametrize(("category", "code"), [("spot", 170141), ("linear", 110072)])
def test_duplicate_without_a_repeat_of_ours_is_a_refusal(
    category: str, code: int, exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order(category=category, qty="0.01")
    trader.trade.place_order(**wanted)  # somebody else's, as far as client.orders knows
    time.sleep(0.02)  # only what is older by some milliseconds can be told from one's own
    seen = Seen(exchange)

    error = failure(lambda: trader.orders.place(**wanted))

    assert isinstance(error, OrderError)
    assert error.ret_code == code
    assert seen.paths().count(ORDER) == 1


@pytest.mark.row(84)
@pytest.mark.parametrize(("category", "code"), [("spot", 170141), ("linear", 110072)])
def test_duplicate_for_a_name_that_only_the_client_knows_is_a_success(
    category: str, code: int, exchange: LocalExchange, trader: BybitClient
) -> None:
    # A gateway that hands one request on twice: the second answer is the one that comes back.
    exchange.faults.ret_code(ORDER, code, after_accept=True)

    placed = trader.orders.place(**{**RESTING, "category": category, "qty": "0.01"})

    assert placed.recovered
    assert placed.orderId == orders_named(exchange, placed.orderLinkId)[0]["orderId"]


# --- the order is not there ---------------------------------------------------------------


@pytest.mark.row(95)
@pytest.mark.parametrize(
    "cause",
    [
        lambda faults: faults.drop_before_accept(ORDER),
        lambda faults: faults.reset_before(ORDER),
        lambda faults: faults.stall(ORDER),
        lambda faults: faults.late(ORDER, 0.5),  # arrives after its window: refused, unheard
        lambda faults: faults.http_status(ORDER, 502),
    ],
    ids=["closed", "reset", "stall", "late", "502"],
)
@pytest.mark.parametrize("resend", [False, True])
def test_an_order_is_sent_again_only_when_it_provably_is_not_there(
    resend: bool, cause: Cause, exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order()
    cause(exchange.faults)
    seen = Seen(exchange)

    if resend:
        placed = trader.orders.place(**wanted, resend=True)
        assert not placed.recovered
    else:
        assert isinstance(failure(lambda: trader.orders.place(**wanted)), OrderNotPlacedError)

    sent = seen.rows(ORDER)
    assert len(sent) == 1 + resend
    if resend:
        assert sent[1]["time"] - sent[0]["time"] >= (PROOF - 0.25) * 1000
    assert len(orders_named(exchange, wanted["orderLinkId"])) == int(resend)


@pytest.mark.row(95)
def test_an_order_that_arrives_late_but_within_its_window_is_found(
    exchange: LocalExchange,
) -> None:
    wanted = order()
    exchange.faults.late(ORDER, 0.25)  # the client gives up first

    with trade(exchange, pool={"sock_read_timeout": 0.1}) as client:
        placed = client.orders.place(**wanted, resend=True)

    assert placed.recovered
    assert len(orders_named(exchange, wanted["orderLinkId"])) == 1


# --- the order is there, but cannot be seen -----------------------------------------------


@pytest.mark.row(97)
@pytest.mark.parametrize("hidden", [0.1, 0.3, 0.5])
def test_an_order_that_shows_late_is_waited_for(hidden: float, exchange: LocalExchange) -> None:
    wanted = order()
    exchange.faults.hide_new_orders(hidden)
    exchange.faults.drop_after_accept(ORDER)

    with trade(exchange, lag=0.5) as client:
        placed = client.orders.place(**wanted, resend=True)

    assert placed.recovered
    assert len(orders_named(exchange, wanted["orderLinkId"])) == 1


@pytest.mark.row(97)
def test_an_order_that_is_filled_and_gone_is_found_in_the_history(
    exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order(orderType="Market", price=None, marketUnit="baseCoin")
    nothing = orjson.dumps({"retCode": 0, "retMsg": "", "result": {"list": []}, "retExtInfo": {}})
    exchange.faults.http_status(OPEN_ORDERS, 200, times=None, body=nothing.decode())
    exchange.faults.drop_after_accept(ORDER)
    seen = Seen(exchange)

    placed = trader.orders.place(**wanted)

    assert placed.row is not None
    assert placed.row["orderStatus"] in ("Filled", "PartiallyFilledCanceled")
    assert seen.paths() == [ORDER, OPEN_ORDERS, HISTORY]


@pytest.mark.row(98)
@pytest.mark.parametrize("booked", [True, False])
def test_while_queries_fail_too_the_order_is_unknown_and_resolve_ends_it(
    booked: bool, exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order()
    exchange.faults.stall(ORDER, after_accept=booked)
    exchange.faults.http_status(OPEN_ORDERS, 503, times=None)
    exchange.faults.http_status(HISTORY, 503, times=None)

    with ends_within(1.5):
        error = failure(lambda: trader.orders.place(**wanted, options=CallOptions(timeout=1.5)))
    assert isinstance(error, OrderUnknownError)
    assert error.orderLinkId == wanted["orderLinkId"]
    assert error.effect_unknown
    with ends_within(0.5):
        assert isinstance(failure(lambda: error.resolve(timeout=0.5)), OrderUnknownError)

    exchange.faults.clear()
    with ends_within(2.0):
        if booked:
            assert error.resolve().orderId
        else:
            assert isinstance(failure(error.resolve), OrderNotPlacedError)


# --- the journal --------------------------------------------------------------------------

CHILD = "import sys; from tests.faults.test_j_orders import program; program(*sys.argv[1:])"


def program(url: str, ca_file: str, key: str, secret: str, journal: str, named: str) -> None:
    """A program that trades in four threads, and says each order's name before it is placed."""
    there: Any = SimpleNamespace(url=url, ca_file=ca_file)
    account = LocalAccount(key, secret, "")
    client = trade(there, journal=Path(journal), account=account, pool={"sock_read_timeout": 30.0})

    def work(thread: int) -> None:
        for number in range(1000):
            name = f"{named}-{thread}-{number}"
            os.write(1, f"{name}\n".encode())
            client.orders.place(**RESTING, orderLinkId=name)

    for thread in range(4):
        threading.Thread(target=work, args=(thread,)).start()


@pytest.mark.row(99)
def test_after_a_kill_the_journal_tells_what_became_of_every_order(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    journal = tmp_path / "orders.sqlite"
    account = exchange.add_account()
    stalls = exchange.faults.count("stall")
    # Of the four in flight when the process is killed, two are booked.
    exchange.faults.stall(ORDER, times=2, skip=10, after_accept=True)
    exchange.faults.stall(ORDER, times=2, skip=10)
    where = (exchange.url, exchange.ca_file, account.api_key, account.api_secret, journal)
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, where), new_name()[:16]],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as child:
        try:
            eventually(lambda: exchange.faults.count("stall") == stalls + 4, within=20.0)
        finally:
            child.send_signal(signal.SIGKILL)
        begun = child.communicate(timeout=10)[0].split()

    with trade(exchange, journal=journal, account=account) as client:
        settled = client.orders.recover()
        assert client.orders.recover() == []  # nothing is left open

    there = {row["orderLinkId"]: row["orderId"] for row in exchange.orders}
    assert sorted(one.placed for one in settled) == [False, False, True, True]
    for one in settled:
        assert one.orderLinkId in begun
        assert one.placed == (one.orderLinkId in there)
        assert one.orderId == there.get(one.orderLinkId, "")
    assert {len(orders_named(exchange, name)) for name in begun} <= {0, 1}


@pytest.mark.row(100)
def test_with_a_full_disk_nothing_is_sent_and_the_reason_is_told(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    journal = tmp_path / "orders.sqlite"
    with trade(exchange, journal=journal) as client:
        client.orders.place(**order())
        seen = Seen(exchange)
        most = resource.getrlimit(resource.RLIMIT_FSIZE)
        wal = journal.with_name("orders.sqlite-wal")
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, most[1]))
        try:
            error = failure(lambda: client.orders.place(**order()))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, most)

        assert isinstance(error, OrderNotPlacedError)
        assert "journal" in str(error)
        assert seen.count() == 0
        assert client.orders.place(**order()).orderId  # there is room again


@pytest.mark.row(100)
def test_a_journal_whose_end_was_torn_off_still_knows_the_orders_before(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    journal, copy = tmp_path / "orders.sqlite", tmp_path / "torn.sqlite"
    account = exchange.add_account()
    wanted = order()
    exchange.faults.stall(ORDER, after_accept=True)
    exchange.faults.stall(OPEN_ORDERS, times=None)
    with trade(exchange, journal=journal, account=account) as client:
        unknown = CallOptions(timeout=0.9)
        failure(lambda: client.orders.place(**wanted, options=unknown))
        exchange.faults.clear()
        client.orders.place(**order())
        # What a power loss leaves: the file as it is, the last write half there.
        copy.write_bytes(journal.read_bytes())
        wal = journal.with_name("orders.sqlite-wal").read_bytes()
        copy.with_name("torn.sqlite-wal").write_bytes(wal[:-1000])

    with trade(exchange, journal=copy, account=account) as client:
        settled = client.orders.recover()

    assert wanted["orderLinkId"] in [one.orderLinkId for one in settled]
    assert all(one.placed for one in settled)


# --- batches ------------------------------------------------------------------------------


@pytest.mark.row(101)
@pytest.mark.parametrize("category", ["spot", "linear"])
def test_each_order_of_a_batch_whose_answer_was_lost_is_found_by_its_own_name(
    category: Any, exchange: LocalExchange, trader: BybitClient
) -> None:
    item = {**ITEM, "qty": "0.01"}
    items = [{**item, "orderLinkId": new_name()} for _ in range(10)]
    for index in (3, 7):
        items[index]["qty"] = "99999"  # refused by the exchange
    exchange.faults.drop_after_accept(BATCH)
    seen = Seen(exchange)

    fates = trader.orders.place_batch(category, items)

    assert seen.paths().count(BATCH) == 1
    for index, (fate, wanted) in enumerate(zip(fates, items, strict=True)):
        there = orders_named(exchange, wanted["orderLinkId"])
        if index in (3, 7):
            assert isinstance(fate, OrderNotPlacedError)
            assert fate.orderLinkId == wanted["orderLinkId"]
            assert there == []
        else:
            assert isinstance(fate, dict)
            assert fate.recovered
            assert fate.orderId == there[0]["orderId"]


@pytest.mark.row(101)
def test_a_batch_that_was_dropped_is_sent_again_if_that_is_allowed(
    exchange: LocalExchange, trader: BybitClient
) -> None:
    exchange.faults.drop_before_accept(BATCH)

    fates = trader.orders.place_batch("spot", [ITEM] * 3, resend=True)

    names = [fate.orderLinkId for fate in fates if isinstance(fate, dict)]
    assert len(set(names)) == 3
    assert [len(orders_named(exchange, name)) for name in names] == [1, 1, 1]


# --- amends and cancels -------------------------------------------------------------------


@pytest.mark.row(102)
@pytest.mark.parametrize("category", ["spot", "linear"])
@pytest.mark.parametrize("path", [CANCEL, AMEND])
@pytest.mark.parametrize("booked", [True, False])
def test_a_change_whose_answer_was_lost_is_confirmed_or_made_again(
    booked: bool, path: str, category: str, exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order(category=category, qty="0.01")
    trader.orders.place(**wanted)
    which = {name: wanted[name] for name in ("category", "symbol", "orderLinkId")}
    (exchange.faults.reset_after if booked else exchange.faults.reset_before)(path)

    if path == CANCEL:
        done = trader.orders.cancel(**which)
    else:
        done = trader.orders.amend(**which, price="9000")

    (row,) = trader.trade.get_open_orders(**which).result["list"]
    assert row["orderStatus"] == ("Cancelled" if path == CANCEL else "New")
    assert path == CANCEL or float(row["price"]) == 9000
    assert (done.orderId, done.recovered) == (row["orderId"], booked)


@pytest.mark.row(102)
@pytest.mark.parametrize("category", ["spot", "linear"])
def test_does_not_exist_after_our_own_cancel_is_a_success(
    category: str, exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order(category=category, qty="0.01")
    trader.orders.place(**wanted)
    which = {name: wanted[name] for name in ("category", "symbol", "orderLinkId")}
    exchange.faults.ret_code(CANCEL, 10006, after_accept=True)  # the client repeats it
    seen = Seen(exchange)

    done = trader.orders.cancel(**which)

    assert [row["ret_code"] for row in seen.rows(CANCEL)][1] in (110001, 170213)
    assert done.recovered
    assert done.row is not None
    assert done.row["orderStatus"] == "Cancelled"


@pytest.mark.row(102)
def test_an_order_that_was_filled_before_its_cancel_is_not_told_as_cancelled(
    exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order(orderType="Market", price=None, marketUnit="baseCoin")
    trader.orders.place(**wanted)
    which = {name: wanted[name] for name in ("category", "symbol", "orderLinkId")}
    exchange.faults.drop_before_accept(CANCEL)  # and the second one is refused

    error = failure(lambda: trader.orders.cancel(**which))

    assert isinstance(error, OrderError)
    assert error.ret_code == 170213


@pytest.mark.row(102)
@pytest.mark.parametrize("path", [CANCEL, AMEND])
def test_what_is_not_there_can_be_neither_cancelled_nor_amended(
    path: str, exchange: LocalExchange, trader: BybitClient
) -> None:
    change = trader.orders.cancel if path == CANCEL else trader.orders.amend
    price = {} if path == CANCEL else {"price": "9000"}
    seen = Seen(exchange)

    error = failure(
        lambda: change(category="spot", symbol="BTCUSDT", orderLinkId=new_name(), **price)
    )

    assert isinstance(error, OrderError)
    assert seen.paths() == [path]


@pytest.mark.row(103)
def test_a_name_that_stands_for_another_order_is_refused_before_anything_is_sent(
    exchange: LocalExchange, trader: BybitClient
) -> None:
    wanted = order()
    trader.orders.place(**wanted)
    seen = Seen(exchange)

    error = failure(lambda: trader.orders.place(**{**wanted, "qty": "0.002"}))

    assert isinstance(error, ConfigError)
    assert wanted["orderLinkId"] in str(error)
    assert seen.count() == 0


# --- everything at once -------------------------------------------------------------------

THREADS, EACH = 16, 15


@pytest.mark.row(104)
@pytest.mark.parametrize("forgets", [False, True], ids=["names kept", "names forgotten"])
def test_in_chaos_nothing_is_doubled_and_every_order_is_what_its_caller_was_told(
    forgets: bool, exchange: LocalExchange
) -> None:
    if forgets:
        exchange.faults.forget_names()
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201  # whoever meets a failure has to repeat it
    causes = [
        *LOST.values(),
        lambda faults: faults.drop_before_accept(ORDER),
        lambda faults: faults.reset_before(ORDER),
        lambda faults: faults.reset_after(ORDER),
        lambda faults: faults.cut_body(ORDER),
        lambda faults: faults.garbage(ORDER, data=answer("not-yours"), after_accept=True),
        lambda faults: faults.ret_code(ORDER, 10000),
        lambda faults: faults.ret_code(ORDER, 10016, after_accept=True),
        lambda faults: faults.ret_code(ORDER, 10001),
        lambda faults: faults.ret_code(ORDER, 10006),
        lambda faults: faults.ret_code(ORDER, 170141, after_accept=True),
        lambda faults: faults.late(ORDER, 0.2),
        lambda faults: faults.reset_after(OPEN_ORDERS, times=2),
        lambda faults: faults.http_status(HISTORY, 503, times=2),
        lambda faults: faults.hide_new_orders(0.1),
    ]
    told: list[Any] = []

    def work(client: BybitClient) -> None:
        for _ in range(EACH):
            dice.choice(causes)(exchange.faults)
            wanted = {**RESTING, "timeInForce": "IOC"}
            try:
                fate: Any = client.orders.place(**wanted, resend=True)
            except OrderUnknownError as error:
                fate = error.resolve(10)
            except (OrderNotPlacedError, ApiError) as error:
                fate = error
            told.append(fate)

    before = len(exchange.orders)
    with trade(exchange) as client, ThreadPoolExecutor(THREADS) as crew:
        for done in [crew.submit(work, client) for _ in range(THREADS)]:
            done.result()

    assert len(told) == THREADS * EACH
    accepted = [row["orderLinkId"] for row in exchange.orders][before:]
    placed = [fate.orderLinkId for fate in told if isinstance(fate, dict)]
    assert sorted(accepted) == sorted(placed), f"seed {seed}"
    assert len(set(accepted)) == len(accepted)

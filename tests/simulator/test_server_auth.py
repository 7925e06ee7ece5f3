"""Who may call, by key, signature and clock."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bybit_sync.simulator import LocalExchange

from .wire import LIMIT_BUY, Trader, now_ms

REALTIME = "/v5/order/realtime"


def test_a_signed_get_passes(trader: Trader) -> None:
    assert trader.get(REALTIME, "category=linear&symbol=BTCUSDT").code == 0


def test_a_signed_post_passes_whatever_the_spacing(trader: Trader) -> None:
    body = (
        '{ "category" : "linear","symbol":"BTCUSDT", "side":"Buy" ,"orderType":"Market","qty":"1"}'
    )

    assert trader.post("/v5/order/create", body).code == 0


def test_the_query_is_signed_as_it_stands_on_the_wire(trader: Trader) -> None:
    assert trader.get(REALTIME, "symbol=BTC%55SDT&category=linear").code == 0


@pytest.mark.parametrize("header", ["X-BAPI-API-KEY", "X-BAPI-TIMESTAMP", "X-BAPI-SIGN"])
def test_a_missing_header_is_401(trader: Trader, header: str) -> None:
    assert trader.get(REALTIME, "category=linear", without=header).status == 401


def test_an_unknown_key_is_10003(trader: Trader) -> None:
    trader.api_key = "nobodysKeyIsThis00"

    reply = trader.get(REALTIME, "category=linear")

    assert (reply.status, reply.code) == (200, 10003)


def test_a_wrong_signature_is_10004_and_shows_what_was_to_be_signed(
    server: LocalExchange, trader: Trader
) -> None:
    at_ms = now_ms()

    reply = trader.get(REALTIME, "category=linear", signature="0" * 64, at_ms=at_ms)

    assert reply.code == 10004
    origin = f"{at_ms}{server.api_key}5000category=linear"
    assert reply.message == f"error sign! origin_string[{origin}]"
    assert server.api_secret not in reply.message


def test_a_signature_of_another_body_is_10004(server: LocalExchange, trader: Trader) -> None:
    before = len(server.orders)
    signature = trader.auth(b"{}")["X-BAPI-SIGN"]

    assert trader.post("/v5/order/create", LIMIT_BUY, signature=signature).code == 10004
    assert len(server.orders) == before


@pytest.mark.parametrize(
    ("behind_ms", "recv_window", "passes"),
    [
        (4000, "5000", True),
        (6000, "5000", False),
        (6000, "10000", True),
        (-500, "5000", True),
        (-2000, "5000", False),
        (-2000, "60000", False),  # a wide window helps slow clocks only
    ],
)
def test_the_clock_rule(trader: Trader, behind_ms: int, recv_window: str, passes: bool) -> None:
    at_ms = now_ms() - behind_ms

    reply = trader.get(REALTIME, "category=linear", at_ms=at_ms, recv_window=recv_window)

    assert reply.code == (0 if passes else 10002)
    if not passes:
        assert f"req_timestamp[{at_ms}],server_timestamp[" in reply.message
        assert f"recv_window[{recv_window}]" in reply.message


def test_without_recv_window_the_server_takes_five_seconds(trader: Trader) -> None:
    fresh = trader.auth(b"category=linear", recv_window="")
    old = trader.auth(b"category=linear", recv_window="", at_ms=now_ms() - 6000)
    for headers in (fresh, old):
        del headers["X-BAPI-RECV-WINDOW"]

    target = f"{REALTIME}?category=linear"
    assert trader.send("GET", target, b"", fresh).code == 0
    assert trader.send("GET", target, b"", old).code == 10002


def test_a_timestamp_that_is_no_number_is_refused(trader: Trader) -> None:
    headers = {**trader.auth(b"category=linear"), "X-BAPI-TIMESTAMP": "soon"}

    assert trader.send("GET", f"{REALTIME}?category=linear", b"", headers).code == 10001


def test_a_read_only_key_reads_but_does_not_trade(server: LocalExchange) -> None:
    with Trader(server, server.add_account(read_only=True)) as trader:
        assert trader.get(REALTIME, "category=linear").code == 0
        assert trader.place().code == 10005


def test_an_expired_key_is_33004(server: LocalExchange) -> None:
    with Trader(server, server.add_account(expired=True)) as trader:
        assert trader.get(REALTIME, "category=linear").code == 33004


def test_an_rsa_key_signs_with_its_private_half(server: LocalExchange) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    account = server.add_account(rsa_public_key=pem.decode())

    def sign(text: bytes) -> str:
        signature = private.sign(text, padding.PKCS1v15(), SHA256())
        return base64.b64encode(signature).decode()

    with Trader(server, account) as trader:
        trader.sign = sign
        assert trader.place().code == 0
        assert trader.get(REALTIME, "category=linear", signature="AAAA").code == 10004
        assert trader.get(REALTIME, "category=linear", signature="no base64").code == 10004


def test_accounts_do_not_see_each_others_orders(server: LocalExchange, trader: Trader) -> None:
    trader.place(orderLinkId="mine")
    other = server.add_account()

    with Trader(server, other) as stranger:
        found = stranger.get(REALTIME, "category=linear&orderLinkId=mine").result["list"]

    assert found == []
    assert other.uid != server.uid


def test_a_public_endpoint_needs_no_key(trader: Trader) -> None:
    reply = trader.send("GET", "/v5/market/time", b"", {})

    assert abs(int(reply.result["timeNano"]) // 1_000_000 - now_ms()) < 2000
    assert reply.result["timeSecond"] == reply.result["timeNano"][:10]


def test_an_optional_signature_is_checked_where_there_is_one(trader: Trader) -> None:
    path = "/v5/spot-margin-trade/coinstate"

    assert trader.send("GET", path, b"", {}).code == 0
    assert trader.get(path).code == 0
    assert trader.get(path, signature="0" * 64).code == 10004


def test_the_key_tells_about_itself(server: LocalExchange) -> None:
    account = server.add_account(read_only=True)
    with Trader(server, account) as trader:
        told = trader.get("/v5/user/query-api").result

    assert (told["apiKey"], told["readOnly"], told["userID"]) == (
        account.api_key,
        1,
        int(account.uid),
    )

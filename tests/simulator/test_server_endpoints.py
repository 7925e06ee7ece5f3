"""Every endpoint of the table answers, after its parameters were looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bybit_sync.simulator import LocalExchange
from bybit_sync.simulator.server.table import Endpoint, Parameter, samples, table

from .wire import Trader, now_ms

WITH_STATE = {"trade.place_order", "trade.place_batch_order", "trade.get_open_orders"}


def example(parameter: Parameter, *, in_query: bool) -> Any:
    """A value that the documentation allows."""
    if parameter.enum:
        value: Any = sorted(parameter.enum)[0]
    elif parameter.min is not None:
        value = str(parameter.min)
    else:
        value = "1"
    if in_query:
        return "true" if parameter.type == "boolean" else value
    fields = {f.name: example(f, in_query=False) for f in parameter.fields if f.required}
    by_type: dict[str, Any] = {
        "integer": int(float(value)) if value.replace(".", "").isdigit() else value,
        "boolean": True,
        "array": [fields or sorted(parameter.item_enum | parameter.enum or {"1"})[0]],
        "object": fields,
    }
    return by_type.get(parameter.type, value)


def call(trader: Trader, endpoint: Endpoint) -> Any:
    in_query = endpoint.http == "GET"
    params = {
        p.name: example(p, in_query=in_query)
        for p in endpoint.params
        if p.required and p.type != "file"
    }
    if in_query:
        return trader.get(endpoint.path, "&".join(f"{n}={v}" for n, v in params.items()))
    if any(p.type == "file" for p in endpoint.params):
        body = b'--x\r\nContent-Disposition: form-data; name="upload_file"\r\n\r\n1\r\n--x--'
        headers = {**trader.auth(body), "Content-Type": "multipart/form-data; boundary=x"}
        return trader.send("POST", endpoint.path, body, headers)
    return trader.post(endpoint.path, params)


def shape(value: Any) -> Any:
    """Keys and types; of a list, those of its first item."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def test_the_table_knows_446_endpoints() -> None:
    assert len(table()) == 446
    assert {e.key for e in table().values()} == set(samples())


def test_every_endpoint_answers_in_its_documented_shape(trader: Trader) -> None:
    started_ms = now_ms()
    for endpoint in table().values():
        if endpoint.key in WITH_STATE:
            continue
        reply = call(trader, endpoint)
        shown = [shape(sample["body"]) for sample in samples()[endpoint.key]]

        assert reply.status == 200, (endpoint.key, reply)
        assert shape(reply.json) in shown, (endpoint.key, reply)
        if endpoint.envelope == "v5" and "time" in reply.json:
            assert reply.json["time"] >= started_ms, endpoint.key


def test_every_required_parameter_is_missed_by_name(trader: Trader) -> None:
    for endpoint in table().values():
        required = [p for p in endpoint.params if p.required and p.type != "file"]
        if not required:
            continue
        reply = (
            trader.get(endpoint.path) if endpoint.http == "GET" else trader.post(endpoint.path, {})
        )
        code = reply.json.get("retCode", reply.json.get("ret_code"))
        message = reply.json.get("retMsg", reply.json.get("ret_msg"))

        assert (code, required[0].name in message) == (10001, True), (endpoint.key, reply)


def test_every_private_endpoint_wants_a_signature(trader: Trader) -> None:
    for endpoint in table().values():
        reply = trader.send(endpoint.http, endpoint.path, b"", {})

        assert (reply.status == 401) == (endpoint.auth == "required"), endpoint.key


def test_p2p_has_its_own_envelope(trader: Trader) -> None:
    reply = trader.post("/v5/p2p/user/personal/info", {})

    assert set(reply.json) == {
        "ret_code", "ret_msg", "result", "ext_code", "ext_info", "time_now",
    }  # fmt: skip
    assert abs(float(reply.json["time_now"]) - now_ms() / 1000) < 2
    refused = trader.post("/v5/p2p/item/cancel", {})
    assert refused.json["ret_code"] == 10001


def test_an_endpoint_without_envelope_answers_without(trader: Trader) -> None:
    reply = trader.get("/v5/earn/hold-to-earn/yield-history", "limit=1")

    assert "nextCursor" in reply.json
    assert "retCode" not in reply.json


def test_the_sample_fits_the_category(trader: Trader) -> None:
    symbols = {
        category: trader.get("/v5/market/tickers", f"category={category}").result["category"]
        for category in ("inverse", "option", "spot")
    }

    assert symbols == {"inverse": "inverse", "option": "option", "spot": "spot"}


def test_answers_carry_bybits_headers(trader: Trader) -> None:
    first = trader.get("/v5/market/time")
    second = trader.get("/v5/market/time")

    assert first.headers["content-type"].startswith("application/json")
    assert abs(int(first.headers["timenow"]) - now_ms()) < 2000
    assert first.headers["traceid"] != second.headers["traceid"]


# --- HTTP by itself -----------------------------------------------------------------------


def test_an_unknown_path_is_404(trader: Trader) -> None:
    assert trader.get("/v5/market/nothing").status == 404


def test_the_other_verb_is_404_and_a_third_one_400(trader: Trader) -> None:
    assert trader.post("/v5/market/time", {}).status == 404
    assert trader.get("/v5/order/create").status == 404
    assert trader.send("PUT", "/v5/order/create", b"", {}).status == 400


def test_a_get_with_a_body_is_403_and_no_json(trader: Trader) -> None:
    reply = trader.send("GET", "/v5/market/time", b"{}", {})

    assert reply.status == 403
    assert reply.headers["content-type"].startswith("text/html")


def test_a_body_that_is_not_an_object_is_10001(trader: Trader) -> None:
    for body in ("[]", "1", "{", '{"category": NaN}', "[" * 100_000):
        assert trader.post("/v5/order/create", body).code == 10001, body[:20]


def test_a_fault_of_the_market_is_10016_and_told_to_the_test(
    server: LocalExchange, trader: Trader
) -> None:
    before = len(server.errors)

    assert trader.place(symbol="BREAK").code == 10016
    assert "broken on purpose" in server.errors[before]
    assert trader.place().code == 0


def test_the_market_refuses_with_its_own_code(trader: Trader) -> None:
    reply = trader.place(symbol="NOPE")

    assert (reply.status, reply.code) == (200, 10001)
    assert "symbol" in reply.message


def test_a_cursor_passes_verbatim_and_encoded_again(trader: Trader) -> None:
    path = "/v5/order/realtime"
    cursor = trader.get(path, "category=linear").result["nextPageCursor"]

    verbatim = trader.get(path, f"category=linear&cursor={cursor}").result["asked"]
    again = trader.get(path, "category=linear&cursor=a%253Ab").result["asked"]

    assert cursor == "a%3Ab"
    assert (verbatim["cursor"], again["cursor"]) == ("a:b", "a%3Ab")


def test_a_batch_answers_for_each_order(server: LocalExchange, trader: Trader) -> None:
    good = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "1", "price": "9"}
    items = [
        {**good, "orderLinkId": "b1"},
        {**good, "symbol": "NOPE", "orderLinkId": "b2"},
        {"symbol": "BTCUSDT", "orderLinkId": "b3"},
        {**good, "orderLinkId": "b4"},
    ]

    reply = trader.post("/v5/order/create-batch", {"category": "linear", "request": items})

    assert [row["orderLinkId"] for row in reply.result["list"]] == ["b1", "b2", "b3", "b4"]
    codes = [note["code"] for note in reply.json["retExtInfo"]["list"]]
    assert codes == [0, 10001, 10001, 0]
    assert "side" in reply.json["retExtInfo"]["list"][2]["msg"]


def test_a_batch_that_is_too_long_is_refused_whole(server: LocalExchange, trader: Trader) -> None:
    before = len(server.orders)
    items = [{"symbol": "X", "side": "Buy", "orderType": "Market", "qty": "1"}] * 11

    reply = trader.post("/v5/order/create-batch", {"category": "spot", "request": items})

    assert (reply.code, len(server.orders)) == (10001, before)


def test_pipelined_requests_are_answered_in_order(server: LocalExchange, trader: Trader) -> None:
    trader.http.connect()
    trader.http.sock.sendall(
        b"GET /v5/market/time HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /v5/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    received = b""
    while data := trader.http.sock.recv(65536):
        received += data

    assert received.index(b"HTTP/1.1 200 OK") < received.index(b"HTTP/1.1 404 Not Found")


def test_samples_hold_no_list_of_keys_twice() -> None:
    for key, shown in samples().items():
        bodies = [json.dumps(sample["body"], sort_keys=True) for sample in shown]
        assert len(set(bodies)) == len(bodies), key


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01 what\r\n\r\n", b"GET\r\n\r\n"])
def test_nonsense_is_told_400_and_hung_up(trader: Trader, nonsense: bytes) -> None:
    trader.http.connect()
    trader.http.sock.sendall(nonsense)

    received = b""
    while data := trader.http.sock.recv(65536):
        received += data

    assert received.startswith(b"HTTP/1.1 400 ")

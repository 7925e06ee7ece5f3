"""What goes on the wire is what was meant, digit by digit, and nothing else."""

from __future__ import annotations

import enum
import io
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bybit_sync.call.encode import encode
from bybit_sync.call.records import Endpoint, Param, Request
from bybit_sync.exceptions import ConfigError
from tests.unit.call_fakes import GET_TICKERS, ORDER, PLACE_BATCH, PLACE_ORDER, UPLOAD


def query(**params: Any) -> str:
    return encode(GET_TICKERS, {"category": "linear", **params}).query.removeprefix(
        "category=linear"
    )


def body(**params: Any) -> Any:
    return orjson.loads(encode(PLACE_ORDER, {**ORDER, **params}).body)


# --- numbers ------------------------------------------------------------------------------


@pytest.mark.row(72)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("0.001"), "0.001"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1.50"), "1.50"),
        (Decimal("-0"), "0"),
        (Decimal("0E+5"), "0"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (7, "7"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (0.1 + 0.2, "0.30000000000000004"),
        (2.0, "2"),
        (-0.0, "0"),
        (1e22, "10000000000000000000000"),
        ("0.00100", "0.00100"),
        ("1e-7", "0.0000001"),
        ("", ""),
    ],
)
def test_a_price_keeps_its_digits_and_has_no_exponent(value: Any, text: str) -> None:
    assert body(price=value)["price"] == text
    assert query(price=value) == f"&price={text}"


@pytest.mark.row(72)
@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("1E+1000000"),
        Decimal("1E-1000000"),
        pytest.param(10**5000, id="5000 digits"),
        True,
        "NaN",
        "cheap",
        "1e999999999",
        b"1",
        {"a": 1},
        object(),
    ],
)
def test_what_is_no_price_is_refused_and_the_parameter_named(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"trade\.place_order\.price: "):
        body(price=value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12) | st.integers() | st.floats())
def test_any_number_arrives_as_itself_or_is_refused(value: Any) -> None:
    try:
        text = body(qty=value)["qty"]
    except ConfigError:
        return
    assert "e" not in text.lower()
    assert Decimal(text) == (Decimal(repr(value)) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("value", "sent"), [(1, 1), ("2", 2), (2.0, 2), (Decimal("1"), 1), (False + 1, 1)]
)
def test_whole_numbers_go_as_numbers_in_a_body(value: Any, sent: int) -> None:
    assert body(positionIdx=value)["positionIdx"] == sent


@pytest.mark.parametrize("value", [1.5, "1.5", True, Decimal("1E+30"), "x", [1]])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="positionIdx"):
        body(positionIdx=value)


def test_a_number_kind_is_a_bare_number_with_all_its_digits() -> None:
    request = encode(PLACE_ORDER, {**ORDER, "ratio": Decimal("0.10000000000000000001")})
    assert b'"ratio":0.10000000000000000001' in request.body


def test_texts_that_hold_numbers_stay_texts_where_the_table_says_text() -> None:
    assert body(symbol=12345)["symbol"] == "12345"


def test_numpy_integers_are_integers() -> None:
    numpy = pytest.importorskip("numpy")
    assert query(limit=numpy.int64(5)) == "&limit=5"
    assert query(price=numpy.float64(0.5)) == "&price=0.5"


def test_enum_members_stand_for_their_values() -> None:
    class Side(str, enum.Enum):
        BUY = "Buy"

    assert body(side=Side.BUY)["side"] == "Buy"


# --- times and booleans -------------------------------------------------------------------


def test_a_datetime_becomes_unix_milliseconds() -> None:
    moment = datetime(2024, 1, 1, 1, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=1)))
    assert query(startTime=moment) == "&startTime=1704067200123"


def test_milliseconds_go_as_they_are() -> None:
    assert query(startTime=1704067200123) == "&startTime=1704067200123"
    assert query(startTime="1704067200123") == "&startTime=1704067200123"


@pytest.mark.parametrize("value", [datetime(2024, 1, 1), "yesterday", 1.5, True, float("nan")])
def test_what_is_no_moment_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"market\.get_tickers\.startTime"):
        query(startTime=value)


def test_booleans_are_lower_case_in_a_query_and_booleans_in_a_body() -> None:
    assert query(reduceOnly=True) == "&reduceOnly=true"
    assert body(reduceOnly=False)["reduceOnly"] is False


# --- the query ----------------------------------------------------------------------------


def test_values_are_percent_encoded_once_with_spaces_as_20_and_commas_left_alone() -> None:
    assert query(symbol="No VIP,a+b/c%20") == "&symbol=No%20VIP,a%2Bb%2Fc%2520"


COINS = Endpoint(
    "account",
    "get_wallet_balance",
    "GET",
    "/v5/account/wallet-balance",
    params=(Param("coin", "string", joined=True, allowed=("BTC", "ETH", "USDT")),),
)
IPS = Endpoint(
    "user",
    "modify_sub_api_key",
    "POST",
    "/v5/user/update-sub-api",
    params=(
        Param("ips", "string", joined=True),
        Param("list", "array", fields=(Param("uids", "string", joined=True),)),
    ),
)


def test_lists_are_joined_by_commas_where_the_table_says_so() -> None:
    assert encode(COINS, {"coin": ["BTC", "ETH"]}).query == "coin=BTC,ETH"
    assert encode(COINS, {"coin": "BTC,ETH"}).query == "coin=BTC,ETH"
    assert encode(IPS, {"ips": ("10.0.0.1", "10.0.0.2")}).body == b'{"ips":"10.0.0.1,10.0.0.2"}'
    assert encode(IPS, {"list": [{"uids": [1, "2"]}]}).body == b'{"list":[{"uids":"1,2"}]}'


def test_a_list_is_refused_where_one_value_is_asked_for_unless_in_extra() -> None:
    with pytest.raises(ConfigError, match=r"get_tickers\.symbol: one value, not a list"):
        query(symbol=["BTC", "ETH"])
    with pytest.raises(ConfigError, match=r"place_order\.symbol: "):
        body(symbol=["BTC", "ETH"])
    given = encode(GET_TICKERS, {"category": "spot"}, {"symbol": ["BTC", "ETH"]})
    assert given.query == "category=spot&symbol=BTC,ETH"


@pytest.mark.parametrize("coins", [["BTC", "DOGE"], "BTC,DOGE"])
def test_each_of_several_values_must_be_listed(coins: Any) -> None:
    with pytest.raises(ConfigError, match=r"coin: 'DOGE' is not one of BTC, ETH, USDT"):
        encode(COINS, {"coin": coins})


def test_a_value_cannot_bring_a_parameter_along() -> None:
    assert query(symbol="BTCUSDT&category=inverse") == "&symbol=BTCUSDT%26category%3Dinverse"


def test_cursors_go_as_they_came() -> None:
    assert query(cursor="132766%3A2%2C132766%3A2") == "&cursor=132766%3A2%2C132766%3A2"
    assert query(cursor="page_token%3D69406%26") == "&cursor=page_token%3D69406%26"
    assert query(cursor="eyJza2lwIjo1MH0=") == "&cursor=eyJza2lwIjo1MH0="


def test_a_cursor_cannot_bring_a_parameter_along_either() -> None:
    assert query(cursor="a&symbol=X#f é%zz") == "&cursor=a%26symbol=X%23f%20%C3%A9%25zz"


def test_the_order_is_the_callers_and_none_is_left_out() -> None:
    request = encode(GET_TICKERS, {"symbol": "X", "category": "spot", "limit": None})
    assert request.query == "symbol=X&category=spot"
    assert request.body == b""


def test_without_parameters_there_is_no_query() -> None:
    plain = Endpoint("market", "t", "GET", "/v5/market/time", auth="none")
    assert encode(plain, {}).target == "/v5/market/time"
    assert encode(plain, {}).payload == b""


@given(st.text(max_size=30))
@settings(max_examples=300)
def test_every_text_is_refused_or_arrives_alone_and_unchanged(text: str) -> None:
    try:
        request = encode(GET_TICKERS, {"category": "spot", "symbol": text})
    except ConfigError:
        return
    assert request.query.isascii()
    pairs = parse_qsl(request.query, keep_blank_values=True)
    assert pairs == [("category", "spot"), ("symbol", text)]


@given(st.text(max_size=30))
def test_every_cursor_is_refused_or_stays_one_value(cursor: str) -> None:
    try:
        request = encode(GET_TICKERS, {"category": "spot", "cursor": cursor})
    except ConfigError:
        return
    _, _, sent = request.query.partition("&cursor=")
    assert sent.isascii()
    assert not set(sent) & set(' &#\r\n\0"<>')
    assert unquote(sent) == unquote(cursor)


# --- the body -----------------------------------------------------------------------------


def test_a_post_without_parameters_has_an_empty_object() -> None:
    plain = Endpoint("account", "x", "POST", "/v5/x")
    assert encode(plain, {}).body == b"{}"
    assert encode(plain, {}).content_type == "application/json"


def test_a_batchs_items_are_written_as_single_orders_are() -> None:
    item = {**ORDER, "qty": Decimal("0.10"), "price": 1e-7, "positionIdx": "0", "orderLinkId": None}
    del item["category"]
    request = encode(PLACE_BATCH, {"category": "linear", "request": [item]})
    [sent] = orjson.loads(request.body)["request"]
    assert (sent["qty"], sent["price"], sent["positionIdx"]) == ("0.10", "0.0000001", 0)
    assert "orderLinkId" not in sent


def test_a_fault_inside_a_batch_is_named_with_its_place() -> None:
    good = {key: value for key, value in ORDER.items() if key != "category"}
    with pytest.raises(ConfigError, match=r"place_batch_order\.request\[1\]\.qty: .*nan"):
        encode(
            PLACE_BATCH, {"category": "linear", "request": [good, {**good, "qty": float("nan")}]}
        )
    with pytest.raises(ConfigError, match=r"request\[0\]\.side: required"):
        encode(PLACE_BATCH, {"category": "linear", "request": [{**good, "side": None}]})
    with pytest.raises(ConfigError, match=r"request\[0\]\.side: 'Hold' is not one of Buy, Sell"):
        encode(PLACE_BATCH, {"category": "linear", "request": [{**good, "side": "Hold"}]})


@pytest.mark.parametrize("items", ["x", {"a": 1}, {1, 2}, [None], [3], iter([])])
def test_a_batch_that_is_no_list_of_orders_is_refused(items: Any) -> None:
    with pytest.raises(ConfigError, match=r"place_batch_order\.request"):
        encode(PLACE_BATCH, {"category": "linear", "request": items})


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ConfigError, match="nested more than"):
        encode(PLACE_ORDER, ORDER, {"more": endless})


# --- the table ----------------------------------------------------------------------------


def test_a_missing_parameter_is_named_with_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match=r"get_tickers\.category: required.*spot, linear"):
        encode(GET_TICKERS, {})


def test_a_value_that_the_table_does_not_list_is_refused_with_those_it_does() -> None:
    with pytest.raises(ConfigError, match=r"side: 'buy' is not one of Buy, Sell"):
        body(side="buy")
    with pytest.raises(ConfigError, match=r"positionIdx: 3 .* is not one of 0, 1, 2"):
        body(positionIdx=3)


def test_a_value_that_is_not_listed_is_told_the_nearest_that_is() -> None:
    with pytest.raises(ConfigError, match=r"orderType: 'Limt' is not one of .*nearest: 'Limit'"):
        body(orderType="Limt")
    with pytest.raises(ConfigError, match=r"category: 'perp_linear' .*nearest: 'linear'"):
        encode(GET_TICKERS, {"category": "perp_linear"})


BOUNDED = Endpoint(
    "market",
    "get_kline",
    "GET",
    "/v5/market/kline",
    params=(
        Param("limit", "integer", bounds=(1, 1000)),
        Param("days", "string", bounds=(None, 90)),
        Param("ratio", "decimal", bounds=(0.01, None)),
        Param("orderLinkId", "string", longest=36),
    ),
)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("limit", 0, "from 1 to 1000"),
        ("limit", "1001", "from 1 to 1000"),
        ("days", 91, "at most 90"),
        ("days", "many", "a number"),
        ("ratio", Decimal("0.009"), "at least 0.01"),
        ("orderLinkId", "a" * 37, "a text of 37 characters; at most 36"),
    ],
)
def test_what_the_documentation_bounds_is_refused_beyond_unless_in_extra(
    name: str, value: Any, told: str
) -> None:
    with pytest.raises(ConfigError, match=rf"get_kline\.{name}: .*{told}"):
        encode(BOUNDED, {name: value})
    assert f"{name}={value}" in encode(BOUNDED, {}, {name: value}).query


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", 1), ("limit", 1000), ("days", ""), ("ratio", 0.01), ("orderLinkId", "a" * 36)],
)
def test_bounds_are_allowed_themselves(name: str, value: Any) -> None:
    assert encode(BOUNDED, {name: value}).query == f"{name}={value}"


def batch(**item: Any) -> Any:
    good = {key: value for key, value in ORDER.items() if key != "category"}
    request = encode(PLACE_BATCH, {"category": "linear", "request": [{**good, **item}]})
    return orjson.loads(request.body)["request"][0]


@pytest.mark.parametrize(
    ("wrong", "meant"), [("reduceonly", "reduceOnly"), ("order_link_id", "orderLinkId")]
)
def test_a_name_that_is_misspelt_in_a_batch_is_refused_with_the_nearest(
    wrong: str, meant: str
) -> None:
    with pytest.raises(ConfigError, match=rf"request\[0\]\.{wrong}: .*nearest: '{meant}'"):
        batch(**{wrong: True})


def test_an_item_of_a_batch_has_an_extra_of_its_own() -> None:
    sent = batch(extra={"brandNew": Decimal("1.0"), "nothing": None})

    assert sent["brandNew"] == "1.0"
    assert {"extra", "nothing"}.isdisjoint(sent)
    with pytest.raises(ConfigError, match=r"request\[0\]\.symbol: given twice"):
        batch(extra={"symbol": "ETHUSDT"})
    with pytest.raises(ConfigError, match=r"request\[0\]\.extra: "):
        batch(extra="brandNew")


def test_a_whole_list_in_extra_may_hold_any_names() -> None:
    request = encode(PLACE_BATCH, {"category": "linear"}, {"request": [{"brandNew": 1}]})
    assert orjson.loads(request.body)["request"] == [{"brandNew": 1}]


def test_extra_sends_what_the_table_does_not_know() -> None:
    request = encode(
        PLACE_ORDER, ORDER, {"newThing": Decimal("1.0"), "deep": {"a": [1, 0.5], "b": None}}
    )
    sent = orjson.loads(request.body)
    assert (sent["newThing"], sent["deep"]) == ("1.0", {"a": [1, 0.5]})


def test_extra_may_go_beyond_the_listed_values_but_not_name_a_parameter_twice() -> None:
    order = {key: value for key, value in ORDER.items() if key != "side"}
    assert orjson.loads(encode(PLACE_ORDER, order, {"side": "Both"}).body)["side"] == "Both"
    with pytest.raises(ConfigError, match="side: given twice"):
        encode(PLACE_ORDER, ORDER, {"side": "Sell"})


def test_a_whole_call_may_go_beyond_the_table_but_not_beyond_the_wire() -> None:
    request = encode(PLACE_ORDER, {}, {"qty": 1.5, "positionIdx": "both"}, strict=False)
    assert orjson.loads(request.body) == {"qty": "1.5", "positionIdx": "both"}
    with pytest.raises(ConfigError, match="qty"):
        encode(PLACE_ORDER, {}, {"qty": float("nan")}, strict=False)


# --- characters ---------------------------------------------------------------------------

SMUGGLERS = ["a\r\nX-Evil: 1", "a\x00", "a\u202eb", "a\u200f", "\ud800", "a\x7f", "a\tb", "a\x85"]


@pytest.mark.row(74)
@pytest.mark.parametrize("text", SMUGGLERS)
def test_controls_and_bidi_marks_are_refused_without_quoting_the_value(text: str) -> None:
    for make in (
        lambda: encode(GET_TICKERS, {"category": "spot", "symbol": f"pasted-key{text}"}),
        lambda: encode(GET_TICKERS, {"category": "spot", "cursor": f"pasted-key{text}"}),
        lambda: body(orderLinkId=f"pasted-key{text}"),
        lambda: encode(PLACE_ORDER, ORDER, {"more": {"deep": [f"pasted-key{text}"]}}),
        lambda: encode(PLACE_ORDER, ORDER, {"more": {f"pasted-key{text}": 1}}),
        lambda: encode(GET_TICKERS, {"category": "spot"}, {f"pasted-key{text}": 1}),
    ):
        with pytest.raises(ConfigError, match=r"character U\+") as refused:
            make()
        assert "pasted-key" not in str(refused.value)


JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=4)
    | st.decimals(allow_nan=True),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from([p.name for p in PLACE_ORDER.params]) | st.text(max_size=4), JSON_LIKE
    )
)
@settings(max_examples=500, deadline=None)
def test_any_arguments_make_a_request_or_a_config_error(params: dict[str, Any]) -> None:
    for endpoint in (PLACE_ORDER, GET_TICKERS):
        for strict in (True, False):
            try:
                request = encode(endpoint, {}, params, strict=strict)
            except ConfigError:
                continue
            assert isinstance(request, Request)
            assert b"\n" not in request.payload
            if endpoint.method == "POST":
                assert isinstance(orjson.loads(request.body), dict)
            else:
                assert request.query.isascii()
                assert not set(request.query) & set(" #\r\n\0")


# --- files --------------------------------------------------------------------------------


def upload(value: Any, **more: Any) -> Request:
    return encode(UPLOAD, {"upload_file": value, **more})


def parts(request: Request) -> tuple[bytes, bytes]:
    boundary = request.content_type.removeprefix("multipart/form-data; boundary=").encode()
    before, part, after = request.body.split(b"--" + boundary)
    assert (before, after) == (b"", b"--\r\n")
    head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    return head, content.removesuffix(b"\r\n")


def test_a_file_is_sent_as_multipart_with_the_type_that_its_name_tells(tmp_path: Any) -> None:
    path = tmp_path / "proof.pdf"
    path.write_bytes(b"%PDF")
    for value in (path, str(path), ("proof.pdf", b"%PDF"), path.open("rb")):
        head, content = parts(upload(value))
        if hasattr(value, "close"):
            value.close()
        assert content == b"%PDF"
        assert b'name="upload_file"; filename="proof.pdf"' in head
        assert b"Content-Type: application/pdf" in head


def test_bytes_need_a_file_name_which_is_not_sent_as_a_field() -> None:
    head, content = parts(upload(b"\x89PNG\r\n", filename='a"b.PNG'))
    assert content == b"\x89PNG\r\n"
    assert b'filename="a%22b.PNG"' in head
    assert b"image/png" in head
    with pytest.raises(ConfigError, match="filename"):
        upload(b"x")


def test_a_file_name_cannot_bring_a_header_along() -> None:
    with pytest.raises(ConfigError, match=r"U\+000D"):
        upload(b"x", filename="a\r\nX: 1.png")


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match=r"upload_file: the file cannot be read"):
        upload(tmp_path / "missing.png")
    with pytest.raises(ConfigError, match="upload_file"):
        upload(io.StringIO("text"), filename="a.txt")


def test_an_error_shows_the_size_of_a_file_not_its_content() -> None:
    assert "private" not in repr(upload(b"private", filename="a.png").params["upload_file"])


def test_an_optional_object_takes_a_dict_only() -> None:
    endpoint = Endpoint("x", "y", "POST", "/v5/x", params=(Param("cfg", "object"),))
    assert encode(endpoint, {"cfg": {"a": None, "b": 1}}).body == b'{"cfg":{"b":1}}'
    with pytest.raises(ConfigError, match=r"x\.y\.cfg"):
        encode(endpoint, {"cfg": "text"})


def test_a_question_that_was_asked_before_is_not_taken_for_another_that_equals_it() -> None:
    first = encode(GET_TICKERS, {"category": "linear", "symbol": "BTCUSDT"})
    again = encode(GET_TICKERS, {"category": "linear", "symbol": "BTCUSDT"})

    assert (again.target, again.payload, again.params) == (
        first.target,
        first.payload,
        first.params,
    )
    assert encode(GET_TICKERS, {"category": "linear", "symbol": None}).query == "category=linear"
    assert encode(GET_TICKERS, {"category": "linear", "symbol": 1}).query.endswith("symbol=1")
    assert encode(GET_TICKERS, {"category": "linear", "symbol": True}).query.endswith("=true")
    with pytest.raises(ConfigError, match="category"):
        encode(GET_TICKERS, {"category": None, "symbol": "BTCUSDT"})


def test_what_is_remembered_cannot_be_changed_by_who_was_given_it() -> None:
    request = encode(GET_TICKERS, {"category": "linear", "symbol": "BTCUSDT"})

    with pytest.raises(TypeError):
        request.params["symbol"] = "ETHUSDT"  # type: ignore[index]


def test_memory_does_not_grow_with_the_questions() -> None:
    for number in range(1000):
        encode(GET_TICKERS, {"category": "linear", "symbol": f"S{number}USDT"})

    assert len(GET_TICKERS.written) <= 256

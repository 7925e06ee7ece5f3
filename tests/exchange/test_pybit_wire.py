"""For every method of pybit, ours sends what pybit sends; where it does not, a table says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bybit_sync import ConfigError
from bybit_sync.api import find
from bybit_sync.call.records import Endpoint, Param
from bybit_sync.unified_trading import HTTP
from tests.net.servers import Request, Server, answering

from .pybit_differences import IN_A_BODY, IN_A_QUERY, OTHER_TITLES, REFUSED, VERBS, Difference
from .pybit_tools import (
    YES,
    Sides,
    is_signed,
    our_session,
    pybit_methods,
    pybit_session,
    signature_is_valid,
    takes_keywords,
)

METHODS = pybit_methods()
UPLOAD = "upload_chat_file"
NAMES = sorted(METHODS.keys() - {UPLOAD})
DOCS = Path(__file__).parents[2] / "docs" / "from-pybit.md"

PLAIN: dict[str, Any] = {
    "string": "BTCUSDT",
    "decimal": "0.001",
    "integer": 7,
    "number": 0.5,
    "boolean": "true",
    "time_ms": 1_700_000_000_123,
}
AWKWARD: dict[str, Any] = {
    "nothing": None,
    "empty": "",
    "whole": 2.0,
    "half": 0.5,
    "long": 1234567.890123,
    "minus": -3,
    "big": 2**53 + 1,
    "slash": "BTC/USDT:USDT",
    "comma": "USDT,BTC",
    "equals": "eyJhIjoxfQ==",
    "moment": "2026-01-02T03:04:05",
    "signs": "(a)*!$'~@_.-?",
    "encoded": "a%2Cb%26c%20d",
    "cursor": "132766%3A2%2C132766%3A2",
    "nextCursor": "a+b/c;d==",
}
IN_BODIES: dict[str, Any] = {
    "yes": True,
    "no": False,
    "space": "a b",
    "and": "a&b=c#d",
    "percent": "100%",
    "plus": "a+b;[c]",
    "letters": "ü€日",
    "tiny": 1e-7,
    "names": ["BTC", "ETH"],
    "rows": [{"qty": 0.001, "flag": True, "deep": {"x": [1, "2", 3.5]}}],
    "qty": 0.001,
    "price": 30000.0,
    "triggerPrice": 5,
    "takeProfit": "",
    "stopLoss": "1.50",
    "positionIdx": "1",
}


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    server = Server(answering(YES))
    try:
        with pybit_session(server.url) as pybits, our_session(server.url) as ours:
            for session in (pybits, ours):  # so that no test opens a connection, with its thread
                session.get_server_time()
            yield Sides(server, pybits, ours)
    finally:
        server.close()
    assert server.faults == []


def row_of(name: str, sides: Sides) -> Endpoint:
    """The row of the table behind one of our methods."""
    request = sides.we_send(
        name, **({"upload_file": b"x", "filename": "x"} if name == UPLOAD else {})
    )
    row = find(request.method, request.target.partition("?")[0])
    assert row is not None
    return row


def a_value(param: Param) -> Any:
    if param.kind == "array":
        return [{each.name: a_value(each) for each in param.fields}] if param.fields else ["1", "2"]
    if param.kind == "object":
        return {each.name: a_value(each) for each in param.fields}
    return param.allowed[0] if param.allowed else PLAIN[param.kind]


def without_ids(row: Endpoint, ours: Any, pybits: Any) -> Any:
    """Our body without the name that we gave to an order which had none."""
    batch, _, name = (row.idempotency or "").rpartition("[].")
    if batch and isinstance(ours.get(batch), list):
        pairs = zip(ours[batch], pybits[batch], strict=True)
        return {**ours, batch: [without_name(name, *pair) for pair in pairs]}
    return without_name(name, ours, pybits)


def without_name(name: str, ours: dict[str, Any], pybits: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in ours.items() if k != name or k in pybits}


def assert_same(name: str, row: Endpoint, pybits: Request, ours: Request) -> None:
    verb = VERBS.get(name, (row.method, row.method))
    assert (pybits.method, ours.method) == verb
    if verb[0] == verb[1]:
        assert ours.target == pybits.target
        if ours.method == "POST":
            theirs = json.loads(pybits.body)
            assert without_ids(row, json.loads(ours.body), theirs) == theirs
            assert ours.headers["content-type"] == pybits.headers["content-type"]
        else:
            assert ours.body == pybits.body == b""
    assert is_signed(ours) is is_signed(pybits)
    assert ours.headers["accept"] == pybits.headers["accept"]
    if is_signed(ours):
        assert signature_is_valid(ours)
        for header in ("x-bapi-api-key", "x-bapi-sign-type", "x-bapi-recv-window"):
            assert ours.headers[header] == pybits.headers[header]


# --- every method -------------------------------------------------------------------------


def test_there_are_the_358_methods_of_pybit() -> None:
    assert len(METHODS) == 358
    assert [name for name in METHODS if not callable(getattr(HTTP, name, None))] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_method_sends_what_pybits_sends(name: str, sides: Sides) -> None:
    row = row_of(name, sides)
    known = {each.name: a_value(each) for each in row.params}
    calls: list[dict[str, Any]] = [{}]
    if takes_keywords(name):
        calls += [known, {**known, **AWKWARD}]
    if takes_keywords(name) and row.method == "POST":
        calls.append({**known, **AWKWARD, **IN_BODIES})

    for given in calls:
        assert_same(name, row, sides.pybit_sends(name, **given), sides.we_send(name, **given))


@pytest.mark.parametrize("name", NAMES)
def test_what_pybit_garbles_a_method_sends_right_and_signed_as_sent(
    name: str, sides: Sides
) -> None:
    row = row_of(name, sides)
    table = IN_A_QUERY if row.method == "GET" else IN_A_BODY

    for each in table:
        if each.ours == REFUSED:
            with pytest.raises(ConfigError, match=each.name):
                sides.we_send(name, **{each.name: each.value})
            continue
        request = sides.we_send(name, **{each.name: each.value})
        if row.method == "GET":
            assert request.target == f"{row.path}?{each.name}={each.ours}"
        else:
            assert json.loads(request.body)[each.name] == each.ours
        assert not is_signed(request) or signature_is_valid(request)


# --- what differs -------------------------------------------------------------------------


def title_of(each: Difference) -> str:
    return f"{each.title}, {each.value!r}"


@pytest.mark.parametrize("each", IN_A_QUERY, ids=title_of)
def test_in_a_query_pybit_is_wrong_as_the_table_says(each: Difference, sides: Sides) -> None:
    if each.pybit is None:
        with pytest.raises(ValueError, match="NaN"):
            sides.pybit_sends("get_open_orders", **{each.name: each.value})
        return
    request = sides.pybit_sends("get_open_orders", **{each.name: each.value})

    assert request.target == f"/v5/order/realtime?{each.name}={each.pybit}"
    assert signature_is_valid(request) is each.pybit_signature


@pytest.mark.parametrize("each", IN_A_BODY, ids=title_of)
def test_in_a_body_pybit_is_wrong_as_the_table_says(each: Difference, sides: Sides) -> None:
    if each.pybit is None:
        with pytest.raises((TypeError, ValueError)):
            sides.pybit_sends("set_leverage", **{each.name: each.value})
        return
    request = sides.pybit_sends("set_leverage", **{each.name: each.value})

    assert json.loads(request.body)[each.name] == each.pybit


def test_every_difference_is_in_the_docs() -> None:
    told = DOCS.read_text(encoding="utf-8")
    titles = {each.title for each in [*IN_A_QUERY, *IN_A_BODY]} | set(OTHER_TITLES)

    assert [title for title in sorted(titles) if f"| {title} |" not in told] == []


def test_an_order_without_a_name_gets_one_and_one_with_a_name_keeps_it(sides: Sides) -> None:
    order = {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "qty": "1"}

    named = json.loads(sides.we_send("place_order", **order, orderLinkId="mine").body)
    unnamed = json.loads(sides.we_send("place_order", **order).body)
    batch = json.loads(
        sides.we_send("place_batch_order", category="spot", request=[order, order]).body
    )

    assert named["orderLinkId"] == "mine"
    assert len({unnamed["orderLinkId"], *(each["orderLinkId"] for each in batch["request"])}) == 3


@pytest.mark.parametrize("source", ["bytes", "path", "file"])
def test_a_file_goes_up_in_the_same_form(source: str, sides: Sides, tmp_path: Path) -> None:
    content = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    path = tmp_path / "proof.png"
    path.write_bytes(content)

    def given(file: Any) -> dict[str, Any]:
        return {"upload_file": file, "filename": "proof.png"}

    with path.open("rb") as one, path.open("rb") as two:
        pair = {"bytes": (content, content), "path": (path, str(path)), "file": (one, two)}[source]
        pybits = sides.pybit_sends(UPLOAD, **given(pair[0]))
        ours = sides.we_send(UPLOAD, **given(pair[1]))

    assert (ours.method, ours.target) == (pybits.method, pybits.target)
    assert as_parts(ours) == as_parts(pybits)
    assert signature_is_valid(ours)


def as_parts(request: Request) -> list[bytes]:
    """A multipart body without its boundary, which is another one each time."""
    kind, _, boundary = request.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    return request.body.split(b"--" + boundary.encode())


def test_the_kind_of_a_file_is_what_its_name_says(sides: Sides) -> None:
    ours = sides.we_send(UPLOAD, upload_file=b"%PDF", filename="proof.pdf")
    pybits = sides.pybit_sends(UPLOAD, upload_file=b"%PDF", filename="proof.pdf")

    assert b"Content-Type: application/pdf" in ours.body
    assert b"Content-Type: image/png" in pybits.body


def test_pybits_legacy_loan_methods_fail_and_ours_work(sides: Sides) -> None:
    del sides.pybits.crypto_loan_legacy_message
    try:
        with pytest.raises(AttributeError):
            sides.pybit_sends("get_collateral_coins")
    finally:
        sides.pybits.crypto_loan_legacy_message = ""

    assert sides.we_send("get_collateral_coins").method == "GET"

"""The list of an answer as text: taken where it is the result's beyond doubt, else parsed."""

from __future__ import annotations

from typing import Any

import pytest

from bybit_sync.call.list_text import cut_list
from bybit_sync.call.records import CallOptions
from bybit_sync.exceptions import BybitError, ConfigError
from tests.conftest import FakeClock

from .call_fakes import GET_TICKERS, FakeTransport, answer, pipeline

SPOT = {"category": "spot"}
TEXT = b'"2","b"],["1","a"'
ROWS = [["2", "b"], ["1", "a"]]
USUAL = b'{"retCode":0,"retMsg":"OK","result":{"n":[],"list":[[%s]]},"time":7}' % TEXT


class Taker:
    """Takes what it is offered, or nothing."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.offered: list[bytes] = []

    def __call__(self, text: bytes) -> bool:
        self.offered.append(text)
        return self.takes


def ask(clock: FakeClock, body: bytes, taker: Taker | None) -> Any:
    """The reply, or the error and what it says."""
    transport = FakeTransport(clock).then(answer(body))
    options = CallOptions(take_list=taker, attempts=1)
    try:
        return pipeline(transport, keys=False).call(GET_TICKERS, SPOT, options)
    except BybitError as error:
        return type(error), str(error)


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_list_that_is_taken_leaves_the_rest_of_the_envelope(
    clock: FakeClock, kind: type[bytes | bytearray]
) -> None:
    taker = Taker()

    reply = ask(clock, kind(USUAL), taker)

    assert taker.offered == [TEXT]
    assert type(taker.offered[0]) is bytes
    assert reply == {"retCode": 0, "retMsg": "OK", "result": {"n": [], "list": []}, "time": 7}


def test_a_list_that_is_not_taken_is_parsed(clock: FakeClock) -> None:
    taker = Taker(takes=False)

    reply = ask(clock, USUAL, taker)

    assert taker.offered == [TEXT]
    assert reply.result["list"] == ROWS
    assert reply == ask(clock, USUAL, None)


@pytest.mark.parametrize(
    "body",
    [
        USUAL.replace(b'"n":[]', b'"list":[]'),
        USUAL.replace(b'"time":7', b'"list":[[]]'),
        USUAL.replace(b'"n":[]', rb'"\u006cist":[]'),
        USUAL.replace(b"]]}", b']]},"result":{}'),
        USUAL.replace(b'"result":{', b'"result":{"deep":{').replace(b"]]}", b"]]}}"),
        USUAL.replace(b'"result":{', b'"result":[{').replace(b"]]}", b"]]}]"),
        USUAL.replace(b'"OK"', rb'"\"list\":[["'),
        USUAL.replace(b'"OK"', rb'"see \"list\":[[1]]"').replace(b'"list":[[', b'"x":[[', 1),
        USUAL.replace(b'"list":[[', b'"list": [['),
        USUAL.replace(b'"list":[[', b'"list":[ ['),
        USUAL.replace(b'"list":[[', b'"list":[').replace(b"]]}", b"]}"),
        USUAL.replace(TEXT, b"").replace(b"[[]]", b"[]"),
        USUAL.replace(b'"retCode":0', b'"retCode":10001'),
        USUAL.replace(b'"retCode":0', b'"retCode":0,"retCode":1'),
        USUAL.replace(b'"time":7', b'"retCode":10006'),
        USUAL.replace(b'"time":7', b'"time":'),
        USUAL.replace(b'"OK"', b'"\xff"'),
        USUAL[:-1],
        b"[" + USUAL + b"]",
        b'{"list":[[1]]}',
        b'"list":[[',
        b'"list":[[]',
    ],
)
def test_an_answer_that_is_not_plain_to_see_is_parsed_as_ever(
    clock: FakeClock, body: bytes
) -> None:
    taker = Taker()

    got = ask(clock, body, taker)

    assert taker.offered == []
    assert got == ask(clock, body, None)


@pytest.mark.parametrize(
    "more", [b'"more":[[1]]', rb'"\u006cist":[[1]]', b'"n":1},"result":{"list":[[1]]']
)
def test_a_further_list_belongs_to_the_text_and_so_to_the_takers_judgement(more: bytes) -> None:
    cut = cut_list(USUAL.replace(b"]]}", b"]]," + more + b"}"))

    assert cut is not None
    assert cut[1] == TEXT + b"]]," + more[:-2]


def test_only_a_function_can_take_a_list() -> None:
    with pytest.raises(ConfigError, match=r"options\.take_list: 7 is not a function"):
        CallOptions(take_list=7)  # type: ignore[arg-type]

"""What comes back may be anything: it is Bybit's envelope, or one of our errors."""

from __future__ import annotations

import gzip
import json
import resource
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from bybit_sync import (
    AnswerTooLargeError,
    BadAnswerError,
    BybitClient,
    ClientConfig,
    ConnectionLostError,
)
from bybit_sync.simulator import LocalExchange

from .tools import ORDER, RESTING, TIME, Seen, connect, ends_within, failure, is_at_rest

YES = '{"retCode":0,"retMsg":"OK","result":{"a":1},"retExtInfo":{},"time":1700000000000}'

NO_ENVELOPE = {
    "nothing": "",
    "HTML": "<html><body>hello</body></html>",
    "cut": YES[: len(YES) // 2],
    "null": "null",
    "a list": "[]",
    "a number": "1",
    "a text": '"retCode"',
    "no retCode": '{"result":{}}',
    "retCode null": '{"retCode":null,"result":{}}',
    "retCode true": '{"retCode":true,"result":{}}',
    "retCode false": '{"retCode":false,"result":{}}',
    "retCode a fraction": '{"retCode":0.0,"result":{}}',
    "retCode a list": '{"retCode":[0],"result":{}}',
    "two retCodes": '{"retCode":10001,"result":{},"retCode":0}',
    "NaN": '{"retCode":0,"result":{"price":NaN}}',
    "Infinity": '{"retCode":0,"result":{"price":-Infinity}}',
    "deep": '{"retCode":0,"result":' + "[" * 100_000 + "]" * 100_000 + "}",
    "text behind": YES + "x",
    "no UTF-8": '{"retCode":0,"result":{"a":"\xff\xfe"}}',
}


@pytest.fixture
def small(exchange: LocalExchange) -> Iterator[BybitClient]:
    """A client that takes answers of 100 kB at most, on one connection."""
    settings = ClientConfig(max_answer_bytes=100_000)
    pool = {"limit_per_host": 1, "total_timeout": 5.0}
    with connect(exchange, client=settings, pool=pool) as client:
        yield client


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> str:
    """A whole HTTP answer, as `garbage` takes it: a character for each byte."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body.decode("latin-1")


@pytest.mark.row(63, 64, 65, 66, 67, 68, 69)
@pytest.mark.parametrize("what", NO_ENVELOPE)
def test_an_answer_that_is_no_envelope_is_a_bad_answer(
    what: str, exchange: LocalExchange, client: BybitClient
) -> None:
    body = NO_ENVELOPE[what].encode("latin-1")
    seen = Seen(exchange)

    for path, call in (
        (TIME, client.market.get_server_time),
        (ORDER, lambda: client.trade.place_order(**RESTING)),
    ):
        exchange.faults.garbage(path, data=answer(body))
        error = failure(call)
        assert type(error) is BadAnswerError
        assert error.effect_unknown is (path == ORDER)
        assert len(error.message) < 400
    assert seen.paths() == [TIME, ORDER]
    assert is_at_rest(client)
    assert client.market.get_server_time()["retCode"] == 0


@pytest.mark.parametrize(
    "body",
    [
        YES,
        '{"retCode":"0","retMsg":"OK","result":{"a":1}}',
        '{"ret_code":0,"ret_msg":"OK","result":{"a":1}}',
        '{"retCode":0,"result":{"a":1},"retExtInfo":"","time":null}',
        f"\n  {YES}\n",
    ],
)
def test_an_envelope_of_any_documented_form_is_a_reply(
    body: str, exchange: LocalExchange, client: BybitClient
) -> None:
    exchange.faults.garbage(TIME, data=answer(body.encode()))

    assert client.market.get_server_time().result == {"a": 1}


def test_large_numbers_come_as_they_were_sent(exchange: LocalExchange, client: BybitClient) -> None:
    exchange.faults.garbage(TIME, data=answer(b'{"retCode":0,"result":{"n":18446744073709551615}}'))

    assert client.market.get_server_time().result == {"n": 18446744073709551615}


# --- too much of it -----------------------------------------------------------------------


def test_an_answer_that_is_too_large_is_cut_off(
    exchange: LocalExchange, small: BybitClient
) -> None:
    body = json.dumps({"retCode": 0, "result": "x" * 100_000}).encode()
    for data in (
        answer(body),
        answer(gzip.compress(body), "Content-Encoding: gzip"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        f"{len(body):x}\r\n{body.decode()}\r\n0\r\n\r\n",
    ):
        exchange.faults.garbage(ORDER, data=data)
        error = failure(lambda: small.trade.place_order(**RESTING))
        assert type(error) is AnswerTooLargeError
        assert "100000" in error.message
        assert error.effect_unknown
        assert is_at_rest(small)


def test_an_endless_answer_ends_at_the_cap_and_takes_no_memory(
    exchange: LocalExchange, client: BybitClient
) -> None:
    exchange.faults.endless_body(TIME)
    endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + "10\r\n" + "x" * 16
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with ends_within(10):
        assert type(failure(client.market.get_server_time)) is AnswerTooLargeError
    exchange.faults.garbage(TIME, data=endless)
    assert type(failure(client.market.get_server_time)) is BadAnswerError

    # In kB on Linux: a terabyte was announced, and the cap is 8 MiB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32_000


def test_a_compressed_answer_that_explodes_is_cut_off(
    exchange: LocalExchange, small: BybitClient
) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)  # 50 kB
    exchange.faults.garbage(TIME, data=answer(bomb, "Content-Encoding: gzip"))

    assert type(failure(small.market.get_server_time)) is AnswerTooLargeError


def test_gzip_is_asked_for_and_unpacked(exchange: LocalExchange, client: BybitClient) -> None:
    packed = answer(gzip.compress(YES.encode()), "Content-Encoding: gzip")
    exchange.faults.garbage(TIME, data=packed)
    seen = Seen(exchange)

    assert client.market.get_server_time().result == {"a": 1}
    assert "gzip" in seen.rows()[0]["headers"]["accept-encoding"]


def test_without_compression_answers_are_asked_for_as_they_are(exchange: LocalExchange) -> None:
    seen = Seen(exchange)
    with connect(exchange, client=ClientConfig(compression=False)) as client:
        client.market.get_server_time()
        client.trade.get_open_orders(category="linear", symbol="BTCUSDT")

    assert [row["headers"]["accept-encoding"] for row in seen.rows()] == ["identity"] * 2


@pytest.mark.parametrize(
    "data",
    [
        answer(gzip.compress(YES.encode())[:-10], "Content-Encoding: gzip"),
        answer(b"not gzip", "Content-Encoding: gzip"),
        answer(YES.encode(), "Content-Encoding: br"),
        answer(YES.encode(), "Content-Encoding: gzip, gzip, gzip"),
        answer(YES.encode(), length=len(YES) + 39),
        answer(YES.encode(), "Content-Length: 3"),
        answer(YES.encode(), "Transfer-Encoding: chunked"),
        answer(YES.encode()).replace("Content-Length: ", "Content-Length: -"),
        "HTTP/1.1 200 OK\r\nBroken header\r\n\r\n",
        "HTTP/1.1 2000000 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        answer(YES.encode(), *[f"X-{n}: 1" for n in range(5000)]),
        answer(YES.encode(), "X: " + "y" * 70_000),
    ],
    ids=[
        "gzip cut",
        "no gzip",
        "br",
        "chained",
        "shorter than told",
        "two lengths",
        "both framings",
        "negative length",
        "broken header",
        "no status",
        "upgrade",
        "5000 headers",
        "a long header",
    ],
)
def test_an_answer_that_is_no_http_or_was_not_asked_for_is_a_bad_answer(
    data: str, exchange: LocalExchange, client: BybitClient
) -> None:
    exchange.faults.garbage(ORDER, data=data, after_accept=True)
    seen = Seen(exchange)

    error = failure(lambda: client.trade.place_order(**RESTING))

    assert isinstance(error, BadAnswerError)
    assert error.effect_unknown
    assert seen.count() == 1
    assert is_at_rest(client)
    assert client.market.get_server_time()["retCode"] == 0


def test_a_connection_that_says_nothing_before_it_closes_is_a_lost_one(
    exchange: LocalExchange, client: BybitClient
) -> None:
    exchange.faults.garbage(ORDER, data="")

    error = failure(lambda: client.trade.place_order(**RESTING))

    assert type(error) is ConnectionLostError
    assert error.effect_unknown


# --- elsewhere ----------------------------------------------------------------------------


@pytest.mark.row(127)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_not_followed_and_nothing_reaches_the_other_server(
    method: str, status: int, exchange: LocalExchange, client: BybitClient
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.05)
        place = f"http://127.0.0.1:{other.getsockname()[1]}/steal"
        exchange.faults.http_status("*", status, headers={"Location": place}, times=None)
        seen = Seen(exchange)

        error = failure(
            lambda: (
                client.trade.place_order(**RESTING)
                if method == "POST"
                else client.trade.get_open_orders(category="spot")
            )
        )

        assert type(error) is BadAnswerError
        assert error.status_code == status
        assert "127.0.0.1" in error.message
        assert "not followed" in error.message
        assert error.effect_unknown is (method == "POST")
        assert seen.count() == 1
        with pytest.raises(TimeoutError):
            other.accept()


def test_cookies_are_never_sent_back(exchange: LocalExchange, client: BybitClient) -> None:
    headers = {"Set-Cookie": "id=1; Path=/", "Content-Type": "application/json"}
    exchange.faults.http_status(TIME, 200, body=YES, headers=headers, times=5)
    seen = Seen(exchange)

    for _ in range(6):
        client.market.get_server_time()
    client.session.get(f"{exchange.url}{TIME}")

    assert not any("cookie" in row["headers"] for row in seen.rows())
    assert len(client.session.cookies) == 0


@pytest.mark.row(130, 131)
def test_proxies_and_netrc_of_the_environment_are_not_looked_at(
    exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(netrc))
    with connect(exchange) as client:
        seen = Seen(exchange)

        client.market.get_server_time()
        client.session.get(f"{exchange.url}{TIME}")

        assert seen.count() == 2
        assert not any("authorization" in row["headers"] for row in seen.rows())

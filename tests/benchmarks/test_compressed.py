"""Answers that are compressed for who asks, and the client that asks or does not."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.contenders.ours import make_client
from benchmarks.environment import plain_environment
from benchmarks.server import ServerProcess, Site
from benchmarks.server.packed import by_coding
from benchmarks.work import LARGE, MIDDLE, SMALL, Work


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The benchmarks' own server."""
    with plain_environment(), ServerProcess(round_trip=0.02) as site:
        yield site


def answered(work: Work, asks_for: str) -> tuple[bytes, bytes]:
    """Head and body of the answer to a request that takes these codings."""
    request = f"GET {work.target} HTTP/1.1\r\nAccept-Encoding: {asks_for}\r\nHost: here"
    build = by_coding()(request.encode())
    assert build is not None
    head, _, body = build(b"", True).partition(b"\r\n\r\n")
    return head, body


def joined(body: bytes) -> bytes:
    """A body that came in chunks."""
    pieces = []
    while body:
        size, _, body = body.partition(b"\r\n")
        pieces.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return b"".join(pieces)


@pytest.mark.parametrize("work", [SMALL, MIDDLE, LARGE], ids=lambda work: work.name)
def test_both_answers_say_the_same_but_for_their_time(work: Work) -> None:
    head, body = answered(work, "gzip, deflate")
    plain_head, plain = answered(work, "identity")

    assert b"Content-Encoding: gzip" in head
    assert b"Content-Encoding" not in plain_head
    found = json.loads(gzip.decompress(joined(body)))
    assert {**found, "time": 0} == {**json.loads(plain), "time": 0}


@pytest.mark.parametrize("work", [MIDDLE, LARGE], ids=lambda work: work.name)
def test_rows_differ_as_a_markets_do(work: Work) -> None:
    """Not a twentieth of the size, as rows that are all alike would be."""
    ratio = len(answered(work, "identity")[1]) / len(answered(work, "gzip")[1])

    assert 3 < ratio < 6


@pytest.mark.parametrize("compression", [True, False])
def test_the_client_gets_what_it_asks_for(site: Site, compression: bool) -> None:
    with make_client(site.packed(), 1, compression=compression) as client:
        reply: Any = client.market.get_tickers(category="linear")

    assert reply.headers.get("Content-Encoding") == ("gzip" if compression else None)
    assert len(reply["result"]["list"]) > 500


def test_a_large_answer_comes_over_the_slow_path_whole(site: Site) -> None:
    with make_client(site.packed("100"), 1, compression=False) as client:
        far: Any = client.market.get_tickers(category="linear")
    with make_client(site.packed(), 1) as client:
        near: Any = client.market.get_tickers(category="linear")

    assert far["result"] == near["result"]


def test_every_size_is_compared_on_every_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "compressed", "--guard", "--rounds", "1", "--json"]) == 0

    (told,) = json.loads(capsys.readouterr().out)["results"]
    figures = told["figures"]
    assert len(figures) == 6
    paths = {tuple(columns) for columns in figures.values()}
    assert len(paths) == 1
    assert [re.split(r" (?=us|ms)", name)[1] for name in paths.pop()] == ["us"] * 2 + ["ms"] * 4
    assert len(told["comparisons"]) == 18
    assert all(each["rounds"][0] > 0 for each in told["comparisons"])
    assert told["comparisons"][0]["floor"] is None

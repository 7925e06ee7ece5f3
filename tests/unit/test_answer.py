"""Headers, going out and coming in."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bybit_sync.exceptions import ConfigError
from bybit_sync.net.answer import HeaderBlock, Headers, encode_headers


def test_a_header_block_is_encoded_once_and_reads_as_a_mapping() -> None:
    block = HeaderBlock({"User-Agent": "x", "X-Latin": "é"})

    assert block.raw == b"User-Agent: x\r\nX-Latin: \xe9\r\n"
    assert dict(block) == {"User-Agent": "x", "X-Latin": "é"}
    assert (len(block), block["User-Agent"]) == (2, "x")


def test_a_header_block_does_not_change_with_what_it_was_made_from() -> None:
    fields = {"A": "1"}
    block = HeaderBlock(fields)
    fields["A"] = "2"

    assert (block["A"], block.raw) == ("1", b"A: 1\r\n")


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_can_smuggle_a_header(name: str, value: str) -> None:
    try:
        raw = encode_headers({name: value})
    except ConfigError:
        return
    assert raw.count(b"\r") == raw.count(b"\n") == 1
    assert raw == f"{name}: {value}\r\n".encode("latin-1")
    assert raw.isascii() or value


def test_a_refused_value_is_not_quoted() -> None:
    with pytest.raises(ConfigError) as refused:
        encode_headers({"X-Key": "the-secret\n"})

    assert "X-Key" in str(refused.value)
    assert "the-secret" not in str(refused.value)


@pytest.mark.parametrize("value", ["", "a b", "a\tb", "\xe9", "{json: true}"])
def test_ordinary_values_go_out_as_they_are(value: str) -> None:
    assert encode_headers({"X": value}) == f"X: {value}\r\n".encode("latin-1")


def test_headers_of_an_answer_are_compared_without_case() -> None:
    headers = Headers([(b"X-Bapi-Limit", b" 10 "), (b"Date", b"now")])

    assert headers["x-bapi-limit"] == headers["X-BAPI-LIMIT"] == "10"
    assert "DATE" in headers
    assert "other" not in headers
    assert 5 not in headers
    assert headers.get("other") is None
    assert list(headers) == ["X-Bapi-Limit", "Date"]
    assert len(headers) == 2
    assert repr(headers) == "Headers({'X-Bapi-Limit': '10', 'Date': 'now'})"


def test_a_header_that_comes_twice_is_joined() -> None:
    headers = Headers([(b"Vary", b"a"), (b"vary", b"b"), (b"VARY", b"c")])

    assert headers["Vary"] == "a, b, c"
    assert len(headers) == 1


def test_headers_that_came_decoded_read_the_same() -> None:
    assert Headers.of({"X-A": "é"})["x-a"] == "é"


def test_headers_travel_between_processes_whatever_they_were_read_from() -> None:
    headers = Headers({b"Retry-After": b"3"}.items())

    again = pickle.loads(pickle.dumps(headers))  # noqa: S301

    assert dict(again) == {"Retry-After": "3"}
    assert again["retry-after"] == "3"

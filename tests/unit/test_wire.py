"""The parser of answers and the writer of requests, fed byte by byte."""

from __future__ import annotations

import contextlib
import gzip
import pickle
import zlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bybit_sync.clock import Deadline
from bybit_sync.exceptions import ConfigError
from bybit_sync.net import wire
from bybit_sync.net.answer import lowered
from bybit_sync.net.budget import AnswerFaultError, Budget, OversizeError, PeerClosedError
from bybit_sync.net.raw_answer import FullRawAnswer, RawAnswer, decompress
from bybit_sync.net.whole_answer import WholeAnswer


class FakeSocket:
    """Gives these pieces out, one for each read, then the end of the stream."""

    def __init__(self, pieces: list[bytes] | None = None, *, takes: int = 1 << 30) -> None:
        self.pieces = list(pieces or [])
        self.takes = takes
        self.sent: list[bytes] = []
        self.fault: OSError | None = None

    def gettimeout(self) -> None:
        """None yet, so that one is set for each wait."""

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if len(piece) > size:
            self.pieces.insert(0, piece[size:])
        return piece[:size]

    def recv_into(self, view: memoryview) -> int:
        piece = self.recv(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def send(self, data: bytes) -> int:
        if self.fault is not None:
            raise self.fault
        self.sent.append(bytes(data[: self.takes]))
        return len(self.sent[-1])


class FakeConnection:
    def __init__(self, sock: FakeSocket) -> None:
        self.sock = sock
        self.take, self.take_into, self.put = sock.recv, sock.recv_into, sock.send


class PlainRawAnswer(RawAnswer):
    """As the usual one, read piece by piece whatever comes."""


def budget(max_bytes: int | None = None, sign: Any = None) -> Budget:
    made = Budget(Deadline.after(60.0), connect=10.0, read=30.0, sign=sign, max_bytes=max_bytes)
    made.start_writing()
    return made


def read(*pieces: bytes, max_bytes: int | None = None, bodiless: bool = False) -> RawAnswer:
    connection: Any = FakeConnection(FakeSocket([piece for piece in pieces if piece]))
    made = budget(max_bytes)
    request = wire.sealed(b"GET / HTTP/1.1\r\n", b"", made)
    answer = wire.exchange(connection, request, made, bodiless=bodiless, kind=FullRawAnswer)
    assert isinstance(answer, FullRawAnswer)
    return answer


def facts(answer: RawAnswer) -> tuple[Any, ...]:
    return (
        answer.status,
        answer.reason,
        answer.version,
        answer.field_list,
        answer.body,
        answer.keep_alive,
    )


def usual(
    data: bytes, kind: type[RawAnswer] = RawAnswer, max_bytes: int | None = 150
) -> tuple[Any, ...]:
    """What a call learns of an answer, or the fault that it is."""
    made = budget(max_bytes)
    request = wire.sealed(b"GET / HTTP/1.1\r\n", b"", made)
    connection: Any = FakeConnection(FakeSocket([data] if data else []))
    try:
        answer = wire.exchange(connection, request, made, kind=kind)
        body = decompress(answer, 150) if isinstance(answer, RawAnswer) else answer.body
    except (AnswerFaultError, PeerClosedError) as error:
        return (type(error), str(error), made.answered)
    headers = answer.headers
    told = (dict(headers), headers.by_name, list(headers.raw))
    return (answer.status, told, bytes(body), answer.keep_alive, made.answered)


NAMES = st.text("abcdefXYZ-0123456789", min_size=1, max_size=12).filter(
    lambda name: name.lower() not in ("connection", "upgrade", "te")
)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=0, max_size=30)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A valid answer: any body, by length or in chunks, perhaps behind an interim one."""
    body = draw(st.binary(max_size=200))
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=6))
    lines = [f"X-{name}: {value}" for name, value in headers]
    if draw(st.booleans()):
        cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
        parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        lines.append("Transfer-Encoding: chunked")
        payload = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
        payload += b"0\r\n" + draw(st.sampled_from([b"", b"X-Trailer: t\r\n"])) + b"\r\n"
    else:
        lines.append(f"Content-Length: {len(body)}")
        payload = body
    if draw(st.booleans()):
        lines.append("Connection: " + draw(st.sampled_from(["close", "keep-alive", "Keep-Alive"])))
    status = draw(st.sampled_from(["200 OK", "404 Not Found", "503 ", "299 Odd Reason"]))
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    return (
        interim
        + f"HTTP/1.1 {status}\r\n".encode()
        + "".join(f"{line}\r\n" for line in lines).encode()
        + b"\r\n"
        + payload
    )


@given(answers(), st.data())
@settings(max_examples=150, deadline=None)
def test_an_answer_means_the_same_however_it_is_cut_into_pieces(
    data: bytes, draw: st.DataObject
) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=12)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    whole = facts(read(data))

    assert facts(read(*pieces)) == whole
    assert facts(read(*[data[i : i + 1] for i in range(len(data))])) == whole


def damaged(data: bytes, draw: st.DataObject) -> bytes:
    damage = bytearray(data)
    for _ in range(draw.draw(st.integers(0, 4))):
        at = draw.draw(st.integers(0, len(damage)))
        new = draw.draw(st.binary(max_size=3))
        damage[at : at + draw.draw(st.integers(0, 3))] = new
    return bytes(damage)


@given(answers(), st.data())
@settings(max_examples=300, deadline=None)
def test_an_answer_in_one_piece_means_what_it_means_piece_by_piece(
    data: bytes, draw: st.DataObject
) -> None:
    data = damaged(data, draw)

    assert usual(data) == usual(data, PlainRawAnswer)


HEAD, LENGTH = b"HTTP/1.1 200 OK\r\n", b"Content-Length: 4\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"X-A: 1\r\n" + LENGTH + b"body",
        HEAD + b"x-a: 1\r\nX-A: 2\r\nX-A: 3\r\n" + LENGTH + b"body",
        HEAD + b"Connection: close\r\n" + LENGTH + b"body",
        HEAD + b"connection:close\r\n" + LENGTH + b"body",
        HEAD + b"Connection: keep-alive, close\r\n" + LENGTH + b"body",
        HEAD + b"Connection: keep-alive\r\nConnection: close\r\n" + LENGTH + b"body",
        HEAD + b"Connection: close\r\nConnection: keep-alive\r\n" + LENGTH + b"body",
        HEAD + b"Connection: keep-alive\r\n close\r\n" + LENGTH + b"body",
        HEAD + b"Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n" + LENGTH + b"body",
        HEAD + b"Proxy-Connection: close\r\n" + LENGTH + b"body",
        HEAD + b"X-A: Connection: close\r\n" + LENGTH + b"body",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + LENGTH + b"body",
        b"HTTP/1.0 200 OK\r\n" + LENGTH + b"body",
        HEAD + LENGTH + b"body and more",
        HEAD + LENGTH + b"body" + HEAD + LENGTH + b"next",
        HEAD + LENGTH + b"bo",
        HEAD + LENGTH + b"\r\n\r\n",
        HEAD + LENGTH,
        HEAD + b"\r\nto the end",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Bapi-Limit: 5\r\n\r\n",
        HEAD + b"CONTENT-ENCODING: gzip\r\n" + LENGTH + b"body",
        HEAD + b"Content-Encoding: identity\r\n" + LENGTH + b"body",
        HEAD + b"Content-Length: 200\r\n\r\n" + b"x" * 200,
        HEAD + b"".join(b"%d:\r\n" % i for i in range(255)) + LENGTH + b"body",
        HEAD + b"".join(b"%d:\r\n" % i for i in range(256)) + LENGTH + b"body",
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + LENGTH + b"body",
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + LENGTH + b"bo",
        b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + HEAD + LENGTH + b"bo",
        HEAD + b"Content-Length: 0\r\n\r\n" + HEAD + LENGTH + b"bo",
        HEAD + LENGTH + b"body" + HEAD,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HEAD + LENGTH + b"bo",
        b"\r\n\r\n" + HEAD + LENGTH + b"body",
        HEAD + b"Content-Length: 8\r\n\r\na\r\n\r\nb\r\n",
        b"HTTP/1.1 100 Continue\r\n" + LENGTH + b"body",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nbody",
        b"HTTP/1.1 204 No Content\r\n" + LENGTH + b"body",
        b"HTTP/1.1 304 Not Modified\r\n" + LENGTH,
        b"",
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
def test_answers_that_are_less_than_plain_mean_the_same_in_one_piece(data: bytes) -> None:
    assert usual(data) == usual(data, PlainRawAnswer)


def test_the_headers_of_a_plain_answer_are_left_as_they_came_until_one_is_read() -> None:
    made = budget()
    data = HEAD + b"X-A: 1\r\nx-bapi-LIMIT: 7\r\n" + LENGTH + b"body"
    connection: Any = FakeConnection(FakeSocket([data]))
    request = wire.sealed(b"GET / HTTP/1.1\r\n", b"", made)

    answer = wire.exchange(connection, request, made)

    assert isinstance(answer, WholeAnswer)
    assert b"x-bapi-limit: 7\r\n" in answer.headers.lower_head
    assert answer.headers["x-a"] == "1"
    assert pickle.loads(pickle.dumps(answer.headers))["X-Bapi-Limit"] == "7"  # noqa: S301


@given(answers(), st.data())
@settings(max_examples=300, deadline=None)
@example(b"", None)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", None)
def test_a_damaged_answer_is_an_answer_or_one_of_two_faults(
    data: bytes, draw: st.DataObject | None
) -> None:
    if draw is not None:
        data = damaged(data, draw)

    try:
        answer = read(data, max_bytes=150)
        decompress(answer, 150)
    except (AnswerFaultError, PeerClosedError):
        return
    assert 100 <= answer.status <= 999
    assert len(answer.body) <= 150


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_an_answer_or_one_of_two_faults(data: bytes) -> None:
    with contextlib.suppress(AnswerFaultError):
        read(b"HTTP/1.1 ", data, max_bytes=100)


@given(st.binary(max_size=300), st.sampled_from([b"gzip", b"deflate", b"x-gzip", b"identity"]))
@settings(max_examples=150, deadline=None)
def test_what_was_compressed_comes_out_and_what_was_damaged_does_not(
    body: bytes, coding: bytes
) -> None:
    packed = {b"deflate": zlib.compress, b"identity": bytes}.get(coding, gzip.compress)(body)
    answer = RawAnswer(None, bodiless=False)
    answer.fields[b"Content-Encoding"] = coding
    answer.by_name, answer.body = lowered(answer.fields), packed
    assert decompress(answer, None) == body
    assert decompress(answer, len(body)) == body

    if coding != b"identity":
        answer.body = packed[:-1]
        with pytest.raises(AnswerFaultError):
            decompress(answer, None)
        if body:
            answer.body = packed
            with pytest.raises(OversizeError):
                decompress(answer, len(body) - 1)


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nextra", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nextra", False),
    ],
)
def test_a_connection_is_kept_after_a_framed_answer_and_no_other(lines: bytes, kept: bool) -> None:
    assert read(lines).keep_alive is kept


def test_the_answer_to_head_ends_with_its_headers() -> None:
    answer = read(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", bodiless=True, max_bytes=9)

    assert (answer.body, answer.keep_alive) == (b"", True)


def test_an_interim_answer_to_head_is_not_the_real_one() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    answer = read(interim, b"HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n", bodiless=True)

    assert (answer.status, answer.field_list) == (404, [(b"Content-Length", b"9")])


def test_headers_are_bounded_in_number_and_size() -> None:
    many = b"".join(b"X-%d: y\r\n" % number for number in range(300))
    with pytest.raises(AnswerFaultError, match="headers"):
        read(b"HTTP/1.1 200 OK\r\n" + many + b"Content-Length: 0\r\n\r\n")
    long = b"X-A: " + b"y" * 70_000 + b"\r\n"
    for size in (1000, 16_384, 65_536, 1 << 20):
        data = b"HTTP/1.1 200 OK\r\n" + long + b"Content-Length: 0\r\n\r\n"
        with pytest.raises(AnswerFaultError, match="65536"):
            read(*[data[i : i + size] for i in range(0, len(data), size)])


def test_a_flood_of_interim_answers_is_bounded() -> None:
    with pytest.raises(AnswerFaultError):
        read(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 10_000)


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nX-A: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n",
    ],
)
def test_a_cut_answer_is_a_fault(cut: bytes) -> None:
    with pytest.raises(AnswerFaultError, match="cut short"):
        read(cut)


def test_an_end_before_the_first_byte_is_a_lost_connection() -> None:
    with pytest.raises(PeerClosedError):
        read()


# --- writing ------------------------------------------------------------------------------


def answering(**how: Any) -> FakeSocket:
    return FakeSocket([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], **how)


def exchange(sock: FakeSocket, head: bytes, body: bytes, made: Budget) -> None:
    connection: Any = FakeConnection(sock)
    wire.exchange(connection, wire.sealed(head, body, made), made)


def test_a_request_goes_out_in_one_write() -> None:
    sock, made = answering(), budget()

    exchange(sock, b"POST / HTTP/1.1\r\nHost: x\r\n", b"body", made)

    assert sock.sent == [b"POST / HTTP/1.1\r\nHost: x\r\n\r\nbody"]
    assert made.written
    assert made.answered


@pytest.mark.parametrize("takes", [1, 7, 1000, 16_384])
def test_a_large_request_goes_out_whole_however_little_is_taken(takes: int) -> None:
    sock = answering(takes=takes)
    body = bytes(range(256)) * (200 if takes > 500 else 2)

    exchange(sock, b"POST / HTTP/1.1\r\n", body, budget())

    assert b"".join(sock.sent) == b"POST / HTTP/1.1\r\n\r\n" + body
    assert max(len(part) for part in sock.sent) <= 16_384


def test_a_write_that_fails_at_once_has_written_nothing() -> None:
    sock, made = answering(), budget()
    sock.fault = BrokenPipeError("gone")

    with pytest.raises(BrokenPipeError):
        exchange(sock, b"POST / HTTP/1.1\r\n", b"", made)

    assert not made.written


def test_headers_are_signed_when_the_connection_is_in_hand() -> None:
    signed = wire.sealed(b"GET / HTTP/1.1\r\n", b"body", budget(sign=lambda: {"X-Sign": "s"}))

    assert bytes(signed) == b"GET / HTTP/1.1\r\nX-Sign: s\r\n\r\nbody"


def test_signed_bytes_do_not_show_in_a_traceback_with_locals() -> None:
    signed = wire.sealed(b"GET / HTTP/1.1\r\n", b"", budget(sign=lambda: {"X-Sign": "secret"}))

    assert "secret" not in repr(signed)
    assert "secret" not in str(signed)


def test_a_head_names_the_host_unless_the_caller_does() -> None:
    assert wire.request_head("GET", "/", "h:1", {"A": "b", "C": None, b"D": b"e"}) == (  # type: ignore[dict-item]
        b"GET / HTTP/1.1\r\nHost: h:1\r\nA: b\r\nD: e\r\n"
    )
    assert wire.request_head("GET", "/", "h:1", {"HOST": "other"}) == (
        b"GET / HTTP/1.1\r\nHOST: other\r\n"
    )
    assert wire.request_head("GET", "http://me:pw@far:8/x", "proxy:1", {}) == (
        b"GET http://me:pw@far:8/x HTTP/1.1\r\nHost: far:8\r\n"
    )


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=200, deadline=None)
@example("GET", "/", "X", "a\r\nEvil: 1")
@example("GET", "/ HTTP/1.1\r\nEvil: 1", "X", "")
@example("GET", "/", "X\r\nEvil", "")
@example("GET / HTTP/1.1\r\nEvil:", "/", "X", "")
def test_no_text_can_smuggle_a_line_into_a_request(
    method: str, target: str, name: str, value: str
) -> None:
    try:
        head = wire.request_head(method, target, "h", {name: value})
    except ConfigError:
        return
    lines = head.split(b"\r\n")
    assert len(lines) == (3 if name.lower() == "host" else 4)
    assert lines[0] == f"{method} {target} HTTP/1.1".encode()
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\r" not in head.replace(b"\r\n", b"")

"""A plain requests session with the adapter mounted loses nothing of what requests can do."""

from __future__ import annotations

import http.cookiejar
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from bybit_sync.exceptions import ConfigError
from bybit_sync.net.answer import HeaderBlock
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve
from .servers import OK, Peer, Request
from .tools import failure, send, through_pickle

TLS_AND_PLAIN = pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])


def idle(plain: requests.Session) -> int:
    adapter: Any = plain.get_adapter("https://")
    assert adapter.stats().active == 0
    return int(adapter.stats().idle)


@TLS_AND_PLAIN
def test_get_and_post(tls: bool, plain: requests.Session, serve: Serve) -> None:
    server = serve(servers.answering(b'{"a": 1}', headers="Content-Type: text/x\r\n"), tls=tls)

    got = plain.get(server.url + "/path", params={"q": "a b&c"}, headers={"X-A": "b"})
    posted = plain.post(server.url, json={"k": "v"})
    form = plain.post(server.url, data={"k": "v"})

    assert (got.status_code, got.reason, got.json()) == (200, "OK", {"a": 1})
    assert got.headers["content-type"] == "text/x"
    assert got.raw.version == 11
    assert got.elapsed.total_seconds() > 0
    assert posted.ok
    assert form.ok
    first, second, third = server.requests
    assert (first.method, first.target) == ("GET", "/path?q=a+b%26c")
    assert (first.headers["x-a"], first.body) == ("b", b"")
    assert (second.method, second.body) == ("POST", b'{"k": "v"}')
    assert third.headers["content-type"] == "application/x-www-form-urlencoded"
    assert server.accepted == 1
    assert idle(plain) == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "M-SEARCH", "get"])
def test_any_method_goes_out(method: str, plain: requests.Session, serve: Serve) -> None:
    server = serve(servers.answering())

    assert plain.request(method, server.url, data="body").ok

    assert server.requests[0].method == method.upper()
    assert server.requests[0].body == b"body"


@TLS_AND_PLAIN
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_head_reads_no_body_and_keeps_the_connection(
    stream: bool, tls: bool, plain: requests.Session, serve: Serve
) -> None:
    server = serve(servers.sending(OK + b"Content-Length: 1234\r\n\r\n", then="keep"), tls=tls)

    for _ in range(2):
        response = plain.head(server.url, stream=stream)
        assert (response.headers["Content-Length"], response.content) == ("1234", b"")

    assert server.accepted == 1
    assert idle(plain) == 1


def test_head_of_the_client_reads_no_body(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.sending(OK + b"Content-Length: 1234\r\n\r\n", then="keep"))

    for _ in range(2):
        assert send(session, server.url, "HEAD").body == b""

    assert server.accepted == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n",
    ],
)
@pytest.mark.parametrize("way", ["client", "whole", "stream"])
def test_an_answer_without_a_body_is_complete_and_keeps_its_connection(
    way: str, head: bytes, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.sending(head, then="keep"))

    for _ in range(3):
        if way == "client":
            assert send(session, server.url).body == b""
        else:
            assert session.session.get(server.url, stream=way == "stream").content == b""

    assert server.accepted == 1
    assert idle(session.session) == 1


def test_interim_answers_are_passed_over(session: PooledSession, serve: Serve) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    server = serve(servers.sending(interim + servers.plain_answer(b"real"), then="keep"))

    answer = send(session, server.url)
    assert (answer.status, answer.body, "link" in answer.headers) == (200, b"real", False)
    assert session.session.get(server.url).content == b"real"
    assert server.accepted == 1


@TLS_AND_PLAIN
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_generator_is_uploaded_in_chunks(
    stream: bool, tls: bool, plain: requests.Session, serve: Serve
) -> None:
    server = serve(servers.answering(b"done"), tls=tls)

    def parts() -> Iterator[bytes]:
        yield b"one "
        yield b"two " * 5000
        yield b"three"

    assert plain.post(server.url, data=parts(), stream=stream).content == b"done"

    [request] = server.requests
    assert request.headers["transfer-encoding"] == "chunked"
    assert request.body == b"one " + b"two " * 5000 + b"three"
    assert idle(plain) == 1


def test_a_file_is_uploaded(plain: requests.Session, serve: Serve, tmp_path: Any) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"z" * 300_000)
    server = serve(servers.answering())

    with path.open("rb") as file:
        assert plain.post(server.url, data=file).ok
    with path.open("rb") as file:
        assert plain.post(server.url, files={"f": file}).ok

    assert server.requests[0].body == b"z" * 300_000
    assert b"z" * 300_000 in server.requests[1].body


@TLS_AND_PLAIN
def test_a_streamed_answer_comes_piece_by_piece(
    tls: bool, plain: requests.Session, serve: Serve
) -> None:
    def answering_slowly(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            peer.read_request()  # the client has seen the first piece

    server = serve(answering_slowly, tls=tls)
    with plain.get(server.url, stream=True) as response:
        pieces = response.iter_content(None)
        assert next(pieces) == b"first"

    assert idle(plain) == 0


def test_lines_of_a_streamed_answer(plain: requests.Session, serve: Serve) -> None:
    server = serve(servers.answering(b"one\ntwo\nthree"))

    assert list(plain.get(server.url, stream=True).iter_lines()) == [b"one", b"two", b"three"]
    assert idle(plain) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_chunked_answers_are_joined(stream: bool, plain: requests.Session, serve: Serve) -> None:
    chunked = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5;ext=1\r\ndefgh\r\n0\r\n\r\n"
    server = serve(servers.sending(OK + chunked, then="keep"))

    for _ in range(2):
        assert plain.get(server.url, stream=stream).content == b"abcdefgh"

    assert server.accepted == 1


def answering_by_target(answers: dict[str, bytes]) -> servers.Script:
    def script(peer: Peer) -> None:
        while (request := peer.read_request()) is not None:
            peer.send(answers[request.target])

    return script


def redirect(status: str, location: str) -> bytes:
    return servers.plain_answer(b"moved", status=status, headers=f"Location: {location}\r\n")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_redirects_are_followed_over_the_pool(
    stream: bool, plain: requests.Session, serve: Serve
) -> None:
    answers = {
        "/a": redirect("302 Found", "/b"),
        "/b": redirect("307 Temporary Redirect", "/c"),
        "/c": servers.plain_answer(b"there"),
    }
    server = serve(answering_by_target(answers))

    response = plain.get(f"{server.url}/a", stream=stream)

    assert (response.content, len(response.history)) == (b"there", 2)
    assert [request.target for request in server.requests] == ["/a", "/b", "/c"]
    assert server.accepted == 1
    assert plain.get(f"{server.url}/a", allow_redirects=False).status_code == 302


def test_the_client_follows_no_redirect(session: PooledSession, serve: Serve) -> None:
    elsewhere = serve(servers.answering())
    server = serve(answering_by_target({"/": redirect("307 Temporary Redirect", elsewhere.url)}))

    assert send(session, server.url, "POST", body=b"{}").status == 307
    assert elsewhere.accepted == 0


def echo_cookies(requests_: list[Request]) -> list[str]:
    return [request.headers.get("cookie", "") for request in requests_]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_cookies_are_kept_by_a_plain_session(
    stream: bool, plain: requests.Session, serve: Serve
) -> None:
    server = serve(servers.answering(headers="Set-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n"))

    response = plain.get(server.url, stream=stream)
    assert dict(response.cookies) == {"a": "1", "b": "2"}
    assert response.content == b"{}"
    plain.get(server.url)

    assert echo_cookies(server.requests) == ["", "a=1; b=2"]


def test_the_clients_own_session_sends_no_cookie(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering(headers="Set-Cookie: a=1\r\n"))

    for _ in range(3):
        send(session, server.url)
        session.session.get(server.url)

    assert echo_cookies(server.requests) == [""] * 6
    assert isinstance(session.session.cookies, http.cookiejar.CookieJar)


def test_hooks_are_called_and_may_read(plain: requests.Session, serve: Serve) -> None:
    seen: list[bytes] = []
    server = serve(servers.answering(b"hooked"))

    for stream in (False, True):
        plain.get(
            server.url,
            stream=stream,
            hooks={"response": lambda response, **kwargs: seen.append(response.content)},
        )

    assert seen == [b"hooked", b"hooked"]


def test_basic_auth_and_a_host_header_of_the_users_go_out(
    plain: requests.Session, serve: Serve
) -> None:
    server = serve(servers.answering())

    plain.get(server.url, auth=("me", "pass"), headers={"Host": "other.test"})

    headers = server.requests[0].headers
    assert headers["authorization"].startswith("Basic ")
    assert headers["host"] == "other.test"


def test_an_error_status_is_an_answer(plain: requests.Session, serve: Serve) -> None:
    server = serve(servers.sending(servers.plain_answer(status="503 Busy"), then="keep"))

    response = plain.get(server.url)

    assert (response.status_code, response.reason) == (503, "Busy")
    with pytest.raises(requests.HTTPError):
        response.raise_for_status()


def test_an_answer_may_be_pickled_and_its_raw_read(plain: requests.Session, serve: Serve) -> None:
    server = serve(servers.answering(b"body"))

    assert through_pickle(plain.get(server.url)).content == b"body"
    raw = plain.get(server.url, stream=True).raw
    assert raw.read() == b"body"
    assert idle(plain) == 1


def test_urllib3_itself_may_use_the_pools(plain: requests.Session, serve: Serve) -> None:
    server = serve(servers.answering(b"direct"))
    adapter: Any = plain.get_adapter(server.url)

    response = adapter.pool_for(server.url).urlopen("GET", "/")

    assert (response.status, response.data) == (200, b"direct")
    assert idle(plain) == 1


@pytest.mark.parametrize("way", ["client", "whole", "stream"])
@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\x00b", "a\rb", " qq", "☃"], ids=ascii
)
def test_a_header_value_that_could_smuggle_is_refused(
    value: str, way: str, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering())

    if way == "client":
        with pytest.raises(ConfigError) as refused:
            HeaderBlock({"X-A": value})
        assert value not in str(refused.value)
        with pytest.raises(ConfigError):
            send(session, server.url, sign=lambda: {"X-A": value})
    else:
        with pytest.raises((requests.exceptions.InvalidHeader, UnicodeError)):
            session.session.get(server.url, headers={"X-A": value}, stream=way == "stream")

    assert server.requests == []
    assert idle(session.session) == server.open


@pytest.mark.parametrize("name", ["X A", "X:A", "", "X\r\nEvil", "ä"], ids=ascii)
def test_a_header_name_that_could_smuggle_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        HeaderBlock({name: "x"})


@pytest.mark.parametrize(
    "target", ["/a b", "/a\r\nX-Evil: 1", "/ä", "/a\x00", "/a\x7f", "", "/\u2028"], ids=ascii
)
def test_a_target_that_could_smuggle_is_refused(
    target: str, session: PooledSession, serve: Serve
) -> None:
    server = serve(servers.answering())

    assert isinstance(failure(session, server.url, target=target), ConfigError)
    assert isinstance(failure(session, server.url, "GE T"), ConfigError)
    assert isinstance(failure(session, server.url, "GET /x HTTP/1.1\r\nA: b\r\n"), ConfigError)

    assert server.accepted == 0


def test_environment_proxies_and_netrc_do_not_touch_the_clients_session(
    make_session: MakeSession, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, servers.refused_url())
    session = make_session()
    server = serve(servers.answering())

    assert send(session, server.url).status == 200
    assert session.session.get(server.url).ok

    assert all("authorization" not in request.headers for request in server.requests)

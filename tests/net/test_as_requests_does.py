"""The client's session takes short cuts; what comes out of them is what requests makes."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from bybit_sync.net.session import PooledSession
from bybit_sync.net.urllib3_face import WholeResponse

from . import servers
from .conftest import Serve
from .servers import OK
from .tools import through_pickle

URLS = (
    "http://127.0.0.1/p?q=1",
    "http://127.0.0.1",
    "HTTP://127.0.0.1:80/ä b?c=ü&d=%7e%zz#part",
    "http://127.0.0.1//a/../b",
    "  http://127.0.0.1/x",
    "http://u:w@127.0.0.1/p",
    "http://bücher.example/",
    "mailto:someone",
)
REFUSED_URLS = ("", "127.0.0.1/p", "http://", "http://*.example/", "http://a b/")


@pytest.fixture
def theirs() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def check_same_request(
    ours: requests.Session, theirs: requests.Session, asked: requests.Request
) -> None:
    mine, other = ours.prepare_request(asked), theirs.prepare_request(asked)
    assert (mine.method, mine.url, mine.body) == (other.method, other.url, other.body)
    assert list(mine.headers.items()) == list(other.headers.items())
    assert mine.hooks == other.hooks
    assert mine.copy().url == mine.url


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"params": {"a": "b c", "d": ["1", "2"]}},
        {"params": "raw=1"},
        {"headers": {"X-A": "1", "user-agent": "me", "Accept": None}},
        {"headers": {b"X-A": b"1"}},
        {"headers": {"X-\u00c4": "\u00fc", "Empty": "", "Ends": "with a space "}},
        {"auth": ("user", "word")},
        {"cookies": {"c": "1"}},
        {"data": b"body"},
        {"json": {}},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "get"])
def test_a_request_is_prepared_as_requests_does(
    how: dict[str, Any], method: str, session: PooledSession, theirs: requests.Session
) -> None:
    for url in URLS:
        for _ in range(2):  # the second time from memory
            check_same_request(session.session, theirs, requests.Request(method, url, **how))


def test_headers_of_the_session_that_change_count_from_then_on(
    session: PooledSession, theirs: requests.Session
) -> None:
    asked = requests.Request("GET", URLS[0], headers={"X-A": "1"})
    for change in (
        lambda one: one.headers.update({"User-Agent": "me", "X-B": "2"}),
        lambda one: one.headers.pop("Accept"),
        lambda one: setattr(one, "headers", {"X-Only": "3"}),
        lambda one: setattr(one, "params", {"p": "1"}),
        lambda one: setattr(one, "auth", ("user", "word")),
    ):
        change(session.session)
        change(theirs)
        check_same_request(session.session, theirs, asked)
    assert asked.headers == {"X-A": "1"}


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_is_refused_as_requests_does(
    url: str, session: PooledSession, theirs: requests.Session
) -> None:
    with pytest.raises(ValueError) as other:
        theirs.get(url)
    for _ in range(2):
        with pytest.raises(type(other.value)) as mine:
            session.session.get(url)
        assert str(mine.value) == str(other.value)


@pytest.mark.parametrize(
    "fields", [{"X": "a\r\nb"}, {"X": " a"}, {"X:": "a"}, {"X": 1}, {"X": "a\nY\nb"}], ids=str
)
def test_a_header_is_refused_as_requests_does(
    fields: dict[str, Any], session: PooledSession, theirs: requests.Session
) -> None:
    for one in (theirs, session.session):
        with pytest.raises(requests.exceptions.InvalidHeader):
            one.prepare_request(requests.Request("GET", URLS[0], headers=fields))


ANSWERS = {
    "plain": OK + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "a charset": OK + b"Content-Type: text/html; charset=latin-1\r\nContent-Length: 1\r\n\r\n\xe4",
    "text without a charset": OK + b"Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n\xe4",
    "nothing": OK + b"Content-Length: 0\r\n\r\n",
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "no reason": b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
    "chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
    "equal names": OK + b"X-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\nX-A:  3\r\n\r\nok",
    "cookies": OK + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
    "links": OK + b'Link: <http://a.test/>; rel="next"\r\nContent-Length: 2\r\n\r\nok',
    "an error": b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nwait",
    "compressed": OK
    + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
    % (len(gzip.compress(b"text", mtime=0)), gzip.compress(b"text", mtime=0)),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("hooked", [False, True], ids=["", "hooked"])
def test_a_response_is_what_requests_makes(
    answer: bytes, hooked: bool, session: PooledSession, theirs: requests.Session, serve: Serve
) -> None:
    server = serve(servers.sending(answer, then="keep"), tls=False)
    read: list[bytes] = []

    def hook(response: requests.Response, **_: Any) -> None:
        read.append(response.raw.read(decode_content=True))

    how: Any = {"hooks": {"response": hook}} if hooked else {}
    mine, other = session.session.get(server.url, **how), theirs.get(server.url, **how)

    assert type(mine.raw) is WholeResponse
    assert told(mine) == told(other)
    assert hooked or told(through_pickle(mine)) == told(through_pickle(other))
    assert [*mine.raw.headers.items()] == [*other.raw.headers.items()]
    assert not hooked or read[0] == read[1]
    mine.close()
    assert mine.content == other.content


def told(response: requests.Response) -> dict[str, Any]:
    """Everything that a response tells, but for how long it took."""
    names = "status_code reason url encoding content text ok links is_redirect history"
    return {
        **{name: getattr(response, name) for name in names.split()},
        "headers": [*response.headers.items()],
        "cookies": response.cookies.get_dict(),
        "chunks": [*response.iter_content(1)],
        "lines": [*response.iter_lines()],
        "request": (response.request.method, response.request.url),
    }

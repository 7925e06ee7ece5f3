"""The `responses` library mocks every way through."""

from __future__ import annotations

import pytest
import requests
import responses

from bybit_sync.exceptions import (
    BadAnswerError,
    BybitError,
    ConnectError,
    ConnectionLostError,
    ReadTimeoutError,
    TlsError,
)
from bybit_sync.net.answer import HeaderBlock
from bybit_sync.net.session import PooledSession

from . import servers
from .conftest import MakeSession, Serve
from .tools import failure, send

BASE = "https://api.example.test"


def test_a_call_of_the_client_is_mocked_with_its_signature(session: PooledSession) -> None:
    with responses.RequestsMock() as mock:
        mock.post(
            f"{BASE}/v5/order/create",
            body=b'{"retCode":0}',
            headers={"X-Bapi-Limit": "10"},
            match=[responses.matchers.query_param_matcher({"a": "b,c"})],
        )
        answer = send(
            session,
            BASE,
            "POST",
            "/v5/order/create?a=b,c",
            body=b'{"symbol":"BTCUSDT"}',
            headers=HeaderBlock({"X-BAPI-API-KEY": "key"}),
            sign=lambda: {"X-BAPI-SIGN": "signature"},
        )
        [call] = mock.calls

    assert (answer.status, answer.body) == (200, b'{"retCode":0}')
    assert answer.headers["x-bapi-limit"] == "10"
    assert call.request.body == b'{"symbol":"BTCUSDT"}'
    assert call.request.headers["X-BAPI-API-KEY"] == "key"
    assert call.request.headers["x-bapi-sign"] == "signature"
    assert session.adapter.stats().created == 0


def test_a_get_of_the_client_is_mocked_without_a_body(session: PooledSession) -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{BASE}/v5/market/time", json={"retCode": 0})
        answer = send(session, BASE, target="/v5/market/time")
        assert mock.calls[0].request.body is None

    assert answer.body == b'{"retCode": 0}'


def test_a_status_of_the_mock_comes_through_and_no_redirect_is_followed(
    session: PooledSession,
) -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{BASE}/", status=307, headers={"Location": "https://evil.test/"})
        assert send(session, BASE).status == 307
        assert len(mock.calls) == 1


def test_a_plain_session_is_mocked(plain: requests.Session) -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{BASE}/x", json=[1])
        assert plain.get(f"{BASE}/x").json() == [1]
        assert plain.get(f"{BASE}/x", stream=True).json() == [1]

    with pytest.raises(requests.exceptions.ConnectionError):
        plain.get(servers.refused_url())  # the mock is gone


@pytest.mark.parametrize(
    ("raised", "ours", "unknown"),
    [
        (requests.exceptions.ConnectionError("gone"), ConnectionLostError, True),
        (requests.exceptions.ReadTimeout("slow"), ReadTimeoutError, True),
        (requests.exceptions.Timeout("slow"), ReadTimeoutError, True),
        (requests.exceptions.ConnectTimeout("slow"), ConnectError, False),
        (requests.exceptions.SSLError("bad"), TlsError, False),
        (requests.exceptions.ProxyError("bad"), ConnectError, False),
        (requests.exceptions.ChunkedEncodingError("cut"), BadAnswerError, True),
        (requests.exceptions.ContentDecodingError("bad"), BadAnswerError, True),
        (TimeoutError("slow"), ReadTimeoutError, True),
        (ConnectionResetError("gone"), ConnectionLostError, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_of_the_mock_becomes_ours(
    raised: Exception, ours: type[BybitError], unknown: bool, session: PooledSession
) -> None:
    with responses.RequestsMock() as mock:
        mock.post(f"{BASE}/", body=raised)
        error = failure(session, BASE, "POST")

    assert type(error) is ours
    assert error.effect_unknown is unknown
    assert error.__cause__ is raised


def test_an_url_that_the_mock_does_not_know_is_our_error(session: PooledSession) -> None:
    with responses.RequestsMock():
        error = failure(session, BASE)

    assert isinstance(error, BybitError)


def test_what_a_mock_lets_pass_goes_over_the_pool(session: PooledSession, serve: Serve) -> None:
    server = serve(servers.answering(b'"real"'))
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_passthru(server.url)
        for _ in range(3):
            assert send(session, server.url, "POST", sign=lambda: {"X-S": "1"}).body == b'"real"'
        error = failure(session, servers.refused_url(), "POST")

    assert server.accepted == 1
    assert session.adapter.stats().reused == 2
    assert server.requests[0].headers["x-s"] == "1"
    assert isinstance(error, BybitError)


def test_an_adapter_that_a_user_mounts_is_used(session: PooledSession) -> None:
    class Canned(requests.adapters.BaseAdapter):
        def send(self, request, **kwargs):
            response = requests.Response()
            response.status_code, response._content = 200, request.url.encode()
            response.request, response.url = request, request.url
            return response

        def close(self) -> None:
            pass

    session.session.mount(BASE, Canned())

    assert send(session, BASE, target="/x").body == b"https://api.example.test/x"


def test_a_proxy_is_kept_beside_an_adapter_that_a_user_mounts(
    make_session: MakeSession, serve: Serve
) -> None:
    """A mount for one host must not let the calls to all others go past the proxy."""
    server, proxy = serve(servers.answering()), serve(servers.relaying, tls=False)
    session = make_session(proxy=proxy.url)
    session.session.mount("https://elsewhere.test", requests.adapters.HTTPAdapter())

    assert send(session, server.url).status == 200

    assert proxy.requests[0].method == "CONNECT"

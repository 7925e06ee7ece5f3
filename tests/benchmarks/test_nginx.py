"""Small answers come from nginx where it is installed: the same as our own responder gives."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import orjson
import pytest
import trustme

from benchmarks.server import ServerProcess, Site, nginx, nginx_version
from benchmarks.work import SMALL

needs_nginx = pytest.mark.skipif(
    nginx.find() is None, reason="nginx is not installed (Debian: apt-get install nginx-light)"
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The benchmarks' own server, with nginx."""
    with ServerProcess(round_trip=0.02) as site:
        yield site


def ask(site: Site) -> tuple[int, dict[str, str], dict[str, object]]:
    trust = ssl.create_default_context(cafile=site.ca_file)
    connection = HTTPSConnection(site.host, site.port, timeout=10, context=trust)
    try:
        connection.request("GET", SMALL.target)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), orjson.loads(answer.read())
    finally:
        connection.close()


@needs_nginx
def test_nginx_says_what_the_responder_says(site: Site) -> None:
    assert site.small().port != site.port
    (status, fields, body), (other_status, other_fields, other_body) = ask(site), ask(site.small())

    assert other_fields["Server"].startswith("nginx")
    assert other_fields.keys() == fields.keys()
    its_own = ("Server", "Date", "Timenow", "X-Bapi-Limit-Reset-Timestamp")
    for name in its_own:
        del fields[name], other_fields[name]
    assert (other_status, other_fields) == (status, fields)
    assert {**other_body, "time": 0} == {**body, "time": 0}


@needs_nginx
def test_nginx_tells_the_time_in_whole_milliseconds(site: Site) -> None:
    _, fields, body = ask(site.small())
    now = body["time"]

    assert isinstance(now, int)
    assert str(now) == fields["Timenow"] == fields["X-Bapi-Limit-Reset-Timestamp"]
    assert abs(now - int(ask(site)[1]["Timenow"])) < 5000


@needs_nginx
def test_nginx_ends_with_the_server() -> None:
    with ServerProcess(round_trip=0.02) as site:
        port = site.small_port

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((site.host, port), timeout=5)


def test_without_nginx_the_responder_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nginx, "find", lambda: None)
    leaf = trustme.CA().issue_cert("127.0.0.1")

    with nginx.small_answers(tmp_path, "127.0.0.1", leaf) as port:
        assert port is None
    assert nginx_version() == ""
    assert not list(tmp_path.iterdir())


def test_an_nginx_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nginx"
    program.write_text("#!/bin/sh\necho no such directive >error.log\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(nginx, "find", lambda: str(program))
    monkeypatch.chdir(tmp_path)
    leaf = trustme.CA().issue_cert("127.0.0.1")

    with (
        pytest.raises(RuntimeError, match="no such directive"),
        nginx.small_answers(tmp_path, "127.0.0.1", leaf),
    ):
        pass

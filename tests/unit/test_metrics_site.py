"""What the exporter's port answers, asked without a socket."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from wsgiref.util import setup_testing_defaults

import orjson
import pytest
from prometheus_client import CollectorRegistry, Gauge

from bybit_sync.metrics.collector import collector_for
from bybit_sync.metrics.site import Site

from .test_metrics import report


class Answer:
    def __init__(self, site: Site, path: str, method: str = "GET", query: str = "") -> None:
        environ: dict[str, object] = {}
        setup_testing_defaults(environ)
        environ.update(PATH_INFO=path, REQUEST_METHOD=method, QUERY_STRING=query)
        self.body = b"".join(site(environ, self._start))

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status = int(status.split()[0])
        self.headers = dict(headers)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def site(registry, clock) -> Site:
    collector_for(registry)
    return Site(lambda: [registry], clock)


def test_the_three_paths_are_page_status_and_metrics(site, registry, clock):
    report(registry)

    page, status, metrics = (Answer(site, path) for path in ("/", "/status.json", "/metrics"))

    assert [each.status for each in (page, status, metrics)] == [200, 200, 200]
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.body.startswith(b"<!doctype html>")
    assert status.headers["Content-Type"] == "application/json"
    document = orjson.loads(status.body)
    assert document["time"] == clock.wall()
    assert document["exchanges"][0]["pool"]["active"] == 2
    assert b'http_pool_connections_active{exchange="bybit"} 2.0' in metrics.body


@pytest.mark.parametrize("path", ["/metrics/", "/status", "/../etc/passwd", "/index.html", ""])
def test_other_paths_are_not_there(site, path):
    assert Answer(site, path).status == 404


@pytest.mark.parametrize("path", ["/", "/status.json", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_nothing_can_be_sent_to_it(site, path, method):
    assert Answer(site, path, method).status == 405


@pytest.mark.parametrize("path", ["/", "/status.json", "/nothing"])
def test_browsers_are_told_to_be_strict(site, path):
    headers = Answer(site, path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Access-Control-Allow-Origin" not in headers


def test_the_policy_lets_the_pages_own_style_and_script_run_and_no_other(site):
    page = Answer(site, "/")
    text, policy = page.body.decode(), page.headers["Content-Security-Policy"]

    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


def test_the_page_has_no_outside_part_and_no_markup_made_of_text(site):
    text = Answer(site, "/").body.decode()

    addresses = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, nothing that is fetched
    assert not re.findall(r"""(?:src|href)=["'](?!data:|status\.json|metrics)""", text)
    for writes_markup in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
    ):
        assert writes_markup not in text
    assert len(text) < 40_000


def test_what_cannot_be_read_is_a_500_and_told_once(registry, clock, caplog):
    def broken():
        raise RuntimeError("no pool")

    report(registry)
    collector_for(registry).add(broken)
    site = Site(lambda: [registry], clock)

    for path in ("/status.json", "/metrics", "/status.json"):
        assert Answer(site, path).status == 500
    assert Answer(site, "/").status == 200
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert "no pool" in caplog.text


def test_samples_can_be_chosen_by_name_with_one_registry_and_with_two(registry, clock):
    other = CollectorRegistry()
    report(registry)
    report(other)
    Gauge("mine", "Something else.", registry=other).set(4)
    query = "name[]=http_pool_connections_active&name[]=mine"

    one = Answer(Site(lambda: [registry], clock), "/metrics", query=query)
    two = Answer(Site(lambda: [registry, other], clock), "/metrics", query=query)

    def samples(answer):
        return [line for line in answer.body.decode().splitlines() if line[:1] != "#"]

    assert samples(one) == ['http_pool_connections_active{exchange="bybit"} 2.0']
    assert samples(two) == ['http_pool_connections_active{exchange="bybit"} 4.0', "mine 4.0"]

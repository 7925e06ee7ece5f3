"""The site builds without a warning, is whole, and wants nothing from outside."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("material")

from bybit_sync import BybitClient, __version__
from bybit_sync._codegen.load import load
from bybit_sync._codegen.reference import reference

from .pages import PAGES, ROOT

GROUPS = load()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there_and_leads_on(site: Path) -> None:
    home = (site / "index.html").read_text("utf-8")

    for page in PAGES:
        if page.startswith("docs/"):
            name = f"{Path(page).stem}.html"
            assert (site / name).exists()
            assert f'href="{name}"' in home, name
    for name in ("settings.html", "changelog.html", "reference/index.html"):
        assert (site / name).exists()


def test_no_page_loads_anything_from_outside(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?(\S+?)[\"\s>]", text)
        loaded += re.findall(r"<link[^>]*\shref=\"?(\S+?)[\"\s>]", text)
        assert [url for url in loaded if url.startswith(("http", "//"))] == [], path.name


def test_links_to_files_of_the_repository_lead_to_pages_of_the_site(site: Path) -> None:
    for path in set(site.rglob("*.html")) - {site / "404.html"}:  # that one's links begin with /
        for link in re.findall(r'href="([^"#]+)', path.read_text("utf-8")):
            if not link.startswith(("http", "data:")):
                target = (path.parent / unescape(link)).resolve()
                assert target.exists(), f"{path.name}: {link}"
                assert site in (target, *target.parents), f"{path.name}: {link}"


def test_the_search_finds_endpoints_and_settings(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    places = {entry["location"] for entry in index["docs"]}

    assert "reference/trade.html#place_order" in places
    assert any(place.startswith("settings.html") for place in places)


def test_what_is_made_tells_the_tables_the_settings_and_the_changes(site: Path) -> None:
    settings = unescape(re.sub(r"<[^>]+>", "", (site / "settings.html").read_text("utf-8")))
    assert "limit_per_host = 30" in settings
    assert __version__ in (site / "changelog.html").read_text("utf-8")
    trade = (site / "reference" / "trade.html").read_text("utf-8")
    assert "/v5/order/create" in trade
    assert "InsufficientFundsError" in trade


def test_the_reference_has_every_endpoint_and_shows_calls_that_can_be_made() -> None:
    pages = reference(GROUPS)
    with BybitClient() as client:
        for group in GROUPS:
            methods = getattr(client, group.name)
            calls = re.findall(
                rf"^client\.{group.name}\.(\w+)\((.*)\)$", pages[f"{group.name}.md"], re.MULTILINE
            )
            assert [name for name, _ in calls] == [row.name for row in group.endpoints]
            for name, arguments in calls:
                keywords = dict.fromkeys(re.findall(r"(\w+)=\.\.\.", arguments))
                inspect.signature(getattr(methods, name)).bind(**keywords)


def test_the_reference_says_of_each_parameter_what_the_tables_say() -> None:
    pages = reference(GROUPS)
    for group in GROUPS:
        for row in group.endpoints:
            _, _, section = pages[f"{group.name}.md"].partition(f"{{ #{row.name} }}")
            section = section.partition("\n## ")[0]
            told = re.findall(r"^\| `(\w+)` \| (required)? ?\|", section, re.MULTILINE)
            expected = {param.name: param.required for param in row.params}
            assert {name: bool(must) for name, must in told} == expected, row.name

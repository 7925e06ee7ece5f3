"""What the pages name exists: methods, settings, errors, extras, and other libraries' words."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

import bybit_sync
from bybit_sync import BybitClient, BybitError, ConnectionPoolConfig, exceptions
from bybit_sync.call.ret_codes import _table

from .pages import PAGES, ROOT


@pytest.mark.parametrize("page", PAGES)
def test_methods_of_a_client_that_a_page_names_exist(page: str) -> None:
    text = PAGES[page].replace("session.client.", "").replace(".get_…", "")
    text = text.replace("client.exchange.", "exchange.")
    named = re.findall(r"\bclient\.(\w+\.\w+|\w+(?=\())", text)

    with BybitClient() as client:
        for path in named:
            part: object = client
            for name in path.split("."):
                assert hasattr(part, name), f"client.{path}"
                part = getattr(part, name)


def test_the_tree_of_errors_is_whole() -> None:
    errors = {
        each.__name__
        for each in vars(exceptions).values()
        if isinstance(each, type) and issubclass(each, BybitError)
    }

    for page in ("README.md", "docs/errors.md"):
        (tree,) = [b for b in re.findall(r"```text\n(.*?)```", PAGES[page], re.DOTALL) if "├" in b]
        shown = set(re.findall(r"\b\w+Error\b", tree)) - {"ValueError", "PermissionError"}
        assert shown | {"TooManyRequestsError"} == errors, page


def test_ret_codes_are_of_the_class_in_whose_row_they_stand() -> None:
    rows = re.findall(r"^\| `(\w+Error)` \| (.*?\d.*?) \|", PAGES["docs/errors.md"], re.MULTILINE)

    assert len(rows) >= 8
    for name, codes in rows:
        for code in re.findall(r"\b\d{5,6}\b", codes):
            assert _table()[int(code)].error is getattr(bybit_sync, name), code


def test_settings_that_the_page_for_aiohttp_lists_have_these_defaults() -> None:
    rows = re.findall(
        r"^\| .*? \| .*? \| `(\w+)` \| ([\d.]+|true|false)", PAGES["docs/from-aiohttp.md"], re.M
    )
    defaults = ConnectionPoolConfig()
    known = {field.name for field in fields(defaults)}

    assert len(rows) >= 9
    for name, told in rows:
        assert name in known
        assert float({"true": "1", "false": "0"}.get(told, told)) == getattr(defaults, name)


def test_words_of_aiohttp_are_aiohttps() -> None:
    aiohttp = pytest.importorskip("aiohttp")
    errors = set(re.findall(r"`(\w+Error)`", PAGES["docs/from-aiohttp.md"])) - {"TimeoutError"}

    for name in errors:
        assert hasattr(aiohttp, name) or hasattr(bybit_sync, name), name


def test_words_of_ccxt_are_ccxts() -> None:
    ccxt = pytest.importorskip("ccxt")
    first_cells = re.findall(r"^\| (`.*?) \|", PAGES["docs/from-ccxt.md"], re.MULTILINE)
    words = {word for cell in first_cells for word in re.findall(r"`([a-z]+_\w+|[A-Z]\w+)", cell)}

    assert len(words) >= 40
    for word in words - {"BTC", "fetch_"}:
        assert hasattr(ccxt.bybit, word) or hasattr(ccxt, word), word


def test_extras_are_those_of_the_package() -> None:
    table = re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGES["docs/getting-started.md"], re.MULTILINE)
    told = {name: packages for name, packages in table if "bybit.com" not in packages}
    source = (ROOT / "setup.py").read_text("utf-8")
    body = source.partition("EXTRAS = {")[2].partition("\n}")[0]
    extras = dict(re.findall(r'"(\w+)": \[(.*?)\]', body, re.DOTALL))

    assert set(told) == {*extras, "all"}
    for name, packages in extras.items():
        for package in re.findall(r'"([\w-]+)', packages):
            assert package.lower() in told[name], f"{name}: {package}"
    for page, text in PAGES.items():
        for listed in re.findall(r"bybit-sync\[([\w,]+)\]", text):
            assert set(listed.split(",")) <= {*extras, "all"}, page

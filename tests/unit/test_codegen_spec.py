"""The endpoint tables: a slip in a row is told before it becomes code."""

from __future__ import annotations

from pathlib import Path

import pytest

from bybit_sync._codegen.load import load
from bybit_sync._codegen.spec import GroupRow, SpecError

GOOD = """
[group]
name = "market"
class_name = "Market"
summary = "Market data."

[enums]
Interval = [
    "1", "D",
]

[[endpoint]]
name = "get_kline"
aliases = ["candles"]
summary = "Candles, newest first."
method = "GET"
path = "/v5/market/kline"
auth = "none"
repeat = "always"
limit = {calls = 600, window = 5, scope = "ip", by_category = {spot = 3}}
paging = {kind = "time", window = {start_param = "start"}}

[endpoint.params]
symbol = {type = "string", required = true, summary = "Name, upper case"}
interval = {type = "string", enum = "Interval", default = "D", summary = "Interval"}
start = {type = "time_ms", max_span = "7d", summary = "Start"}

[[endpoint]]
name = "place"
summary = "Places."
method = "POST"
path = "/v5/order/place"
auth = "required"
repeat = "if_unsent"
idempotency = "request[].orderLinkId"

[endpoint.params]
request = {type = "array", required = true, summary = "Items"}
mode = {type = "integer", enum = [0, 1], summary = "Mode"}

[endpoint.fields.request]
orderLinkId = {type = "string", max_length = 36, summary = "Id"}
legs = {type = "array", summary = "Legs"}

[endpoint.fields."request.legs"]
qty = {type = "decimal", summary = "Quantity"}
"""


def read(folder: Path, text: str, name: str = "market") -> GroupRow:
    (folder / f"{name}.toml").write_text(text)
    return load(folder)[0]


def faults(folder: Path, old: str, new: str) -> str:
    """What is said about the good table with one slip in it."""
    assert old in GOOD
    with pytest.raises(SpecError) as error:
        read(folder, GOOD.replace(old, new, 1))
    return str(error.value)


def test_a_table_becomes_records(tmp_path):
    group = read(tmp_path, GOOD)

    kline, place = group.endpoints
    assert (group.name, group.class_name) == ("market", "Market")
    assert (kline.method, kline.path, kline.auth) == ("GET", "/v5/market/kline", "none")
    assert kline.aliases == ("candles",)
    assert kline.limit is not None
    assert (kline.limit.calls, kline.limit.window) == (600, 5)
    assert kline.limit.by_category == {"spot": 3}
    assert [param.name for param in kline.params] == ["symbol", "interval", "start"]
    assert kline.params[0].required
    assert kline.params[1].enum == ("1", "D")
    assert kline.params[1].enum_name == "Interval"
    assert kline.params[2].max_span == "7d"
    assert place.params[1].enum == (0, 1)


def test_fields_are_nested_as_deep_as_they_go(tmp_path):
    request = read(tmp_path, GOOD).endpoints[1].params[0]

    assert [inner.name for inner in request.fields] == ["orderLinkId", "legs"]
    assert request.fields[1].fields[0].name == "qty"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('auth = "none"', 'auth = "none"\nauht = "x"', "unknown key 'auht': auth?"),
        ("required = true, summary", "requird = true, summary", "unknown key 'requird': required?"),
        ("{calls = 600", "{per_second = 600, calls = 600", "unknown key 'per_second'"),
        ('class_name = "Market"', 'class_name = "Market"\ntitle = "x"', "unknown key 'title'"),
        ('path = "/v5/market/kline"\n', "", "no path"),
        ("Candles, newest first.", "Candles", "does not end with a full stop"),
        ('method = "GET"', 'method = "get"', "method is 'get', not one of GET, POST"),
        ('auth = "none"', 'auth = "maybe"', "auth is 'maybe'"),
        ('repeat = "always"', 'repeat = "never"', "repeat is 'never'"),
        ('repeat = "always"', 'repeat = "always"\nenvelope = "v3"', "envelope is 'v3'"),
        ("/v5/market/kline", "/v5/market/kline?x=1", "path is"),
        ("/v5/order/place", "v5/order/place", "path is 'v5/order/place'"),
        ("calls = 600", "calls = 0", "not above 0"),
        ('scope = "ip"', 'scope = "key"', "limit.scope is 'key'"),
        ("calls = 600", "calls = true", "calls is True"),
        ('"time_ms"', '"time"', "type is 'time'"),
        ('name = "get_kline"', 'name = "get-kline"', "'get-kline' cannot name a method"),
        ('aliases = ["candles"]', 'aliases = ["import"]', "'import' cannot name a method"),
        ('name = "place"', 'name = "candles"', "candles is there twice"),
        ("symbol = {", "from = {", "from: cannot name a parameter"),
        ("symbol = {", "options = {", "options: cannot name a parameter"),
        ("enum = [0, 1]", 'enum = ["0", "1"]', "'0' in the enum is not of type int"),
        ("enum = [0, 1]", "enum = [1, 1]", "1 is in the enum twice"),
        ("enum = [0, 1]", "item_enum = [0, 1]", "item_enum is for arrays"),
        ("enum = [0, 1]", "digits = true", "only a string has digits"),
        ("enum = [0, 1]", "min = 2, max = 1", "min 2 is above max 1"),
        (
            "enum = [0, 1]",
            'enum = [0, 1], summary = "Mode"}\nopen = {type = "boolean", min = 1',
            "has no min and max",
        ),
        ('"if_unsent"', '"if_unsent"\nerrors = {many = "too many"}', "'many' is no retCode"),
        (
            '"if_unsent"',
            '"if_unsent"\nerrors = {110007 = "poor "}',
            "errors.110007 is not one plain",
        ),
        ('default = "D"', 'default = "M"', "default 'M' is not in the enum"),
        ('enum = "Interval"', 'enum = "Intervall"', "[enums] has no 'Intervall'"),
        ('enum = "Interval", default = "D", ', "", "nobody uses Interval"),
        ('max_span = "7d"', 'max_span = "7 days"', "max_span is '7 days'"),
        (
            "[endpoint.fields.request]",
            "[endpoint.fields.requests]",
            "fields.requests belongs to no",
        ),
        ('summary = "Places."', 'summary = "Places\\\\n."', "summary is not one plain line"),
        ('start_param = "start"', 'start_param = "begin"', "names 'begin', which is no parameter"),
        ("request[].orderLinkId", "orderLinkId", "names 'orderLinkId', which is no parameter"),
        ('"string", required', '"object", required', "a query has no object"),
        ('name = "market"', 'name = "markets"', "name is 'markets', not the file's"),
        ('class_name = "Market"', 'class_name = "class"', "'class' cannot name a class"),
    ],
)
def test_a_slip_is_told(tmp_path, old, new, told):
    assert told in faults(tmp_path, old, new)


def test_the_file_and_the_row_are_named(tmp_path):
    assert faults(tmp_path, '"time_ms"', '"time"').startswith("market.toml get_kline: start: type")


def test_all_slips_are_told_at_once(tmp_path):
    text = GOOD.replace('auth = "none"', 'auth = "x"').replace('repeat = "always"', 'repeat = "y"')

    with pytest.raises(SpecError) as error:
        read(tmp_path, text)

    assert len(error.value.faults) == 2


def test_two_endpoints_of_one_path_are_told_across_files(tmp_path):
    (tmp_path / "other.toml").write_text(
        GOOD.replace('"market"', '"other"').replace('"Market"', '"Other"')
    )

    with pytest.raises(SpecError, match="GET /v5/market/kline is there twice"):
        read(tmp_path, GOOD)


def test_one_path_may_have_two_verbs(tmp_path):
    assert read(tmp_path, GOOD.replace("/v5/order/place", "/v5/market/kline")).endpoints


def test_a_file_that_is_no_toml_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"market\.toml"):
        read(tmp_path, "[group\n")


def test_a_parameter_that_is_there_twice_is_told(tmp_path):
    assert "market.toml: Duplicate" in faults(tmp_path, "start = {", "symbol = {")


def test_a_folder_without_tables_is_a_fault(tmp_path):
    with pytest.raises(SpecError, match="holds no"):
        load(tmp_path)

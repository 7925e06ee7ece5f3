"""The client's table against the simulator's, which shares no code with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from bybit_sync.api import endpoints
from bybit_sync.call.records import Endpoint, Param

TABLE: dict[str, dict[str, Any]] = {
    row["key"]: row
    for row in json.loads(
        files("bybit_sync.simulator").joinpath("data/endpoints.json").read_text(encoding="utf-8")
    )
}
_SAME_ON_THE_WIRE = {
    # A query is text; what counts is that a body gets the JSON type that Bybit asks for.
    "GET": {
        ("string", "decimal"),
        ("string", "time_ms"),
        ("string", "integer"),
        ("number", "integer"),
        ("integer", "time_ms"),
    },
    "POST": {("string", "decimal"), ("integer", "time_ms")},
}
EVERY = list(endpoints())


def test_both_know_the_same_endpoints():
    assert {endpoint.key for endpoint in EVERY} == set(TABLE)


def test_verb_path_signing_and_repeat_rule_agree():
    for endpoint in EVERY:
        row = TABLE[endpoint.key]
        assert (endpoint.method, endpoint.path) == (row["http"], row["path"])
        assert endpoint.auth == row["auth"], endpoint.key
        assert endpoint.changes_something == row.get("mutates", False), endpoint.key


def test_parameters_agree():
    for endpoint in EVERY:
        params = endpoint.params
        if endpoint.name == "upload_chat_file":
            # Names the file where it comes as bytes; it is no field of the form.
            params = tuple(param for param in params if param.name != "filename")
        agree(endpoint, params, TABLE[endpoint.key]["params"])


def agree(endpoint: Endpoint, params: Sequence[Param], rows: Sequence[dict[str, Any]]) -> None:
    assert [param.name for param in params] == [row["name"] for row in rows], endpoint.key
    for param, row in zip(params, rows, strict=True):
        where = f"{endpoint.key}.{param.name}"
        kinds = (row["type"], param.kind)
        assert param.required == row.get("required", False), where
        assert param.kind == row["type"] or kinds in _SAME_ON_THE_WIRE[endpoint.method], where
        if "enum" in row:
            assert set(param.allowed) == set(row["enum"]), where
        agree(endpoint, param.fields, row.get("fields", []))


def test_rate_limits_agree_where_the_simulator_has_one_per_account():
    for endpoint in EVERY:
        told = TABLE[endpoint.key].get("limit")
        if told is None:
            assert endpoint.limit is None or endpoint.limit.scope == "ip", endpoint.key
            continue
        assert endpoint.limit is not None, endpoint.key
        assert (endpoint.limit.calls, endpoint.limit.window) == (told["calls"], told["window"])
        assert dict(endpoint.limit.by_category) == told.get("by_category", {}), endpoint.key

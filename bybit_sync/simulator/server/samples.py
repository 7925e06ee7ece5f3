"""Answers of endpoints that keep no state here: what the documentation shows, with today's time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from .auth import Key
from .clock import ServerClock
from .table import Endpoint, samples


def documented(
    endpoint: Endpoint, params: Mapping[str, Any], key: Key | None, clock: ServerClock
) -> dict[str, Any]:
    """The whole body to send, envelope included."""
    body = _fitting(samples()[endpoint.key], params)
    own = _OWN.get(endpoint.key)
    if own is not None:
        body = copy.deepcopy(body)
        body["result"].update(own(key, clock))
    now_ms = clock.now_ms()
    # Only what the sample has: in 61 examples of the documentation there is no time.
    if "time" in body:
        body = {**body, "time": now_ms}
    if "time_now" in body:
        body = {**body, "time_now": f"{now_ms / 1000:.6f}"}
    return body


def _fitting(shown: list[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """The sample for this category, where there are several: titles and values are much alike."""
    category = str(params.get("category", "")).lower()
    for sample in shown:
        title = sample.get("title", "")
        if category and (title.startswith(category) or category.startswith(title)):
            return dict(sample["body"])
    return dict(shown[0]["body"])


def _server_time(key: Key | None, clock: ServerClock) -> dict[str, Any]:
    now_ns = clock.now_ns()
    return {"timeSecond": str(now_ns // 1_000_000_000), "timeNano": str(now_ns)}


def _key_information(key: Key | None, clock: ServerClock) -> dict[str, Any]:
    assert key is not None
    return {
        "apiKey": key.api_key,
        "readOnly": int(key.read_only),
        "rsaPublicKey": key.rsa_public_key or "",
        "userID": int(key.uid) if key.uid.isdecimal() else 0,
        "ips": ["*"],
    }


_OWN: Mapping[str, Callable[[Key | None, ServerClock], dict[str, Any]]] = {
    "market.get_server_time": _server_time,
    "user.get_api_key_information": _key_information,
}
"""Facts of this server that replace what the sample says."""

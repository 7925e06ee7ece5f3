"""From the bytes of a request to its parameters."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import unquote_plus

from .check import refused
from .http import Request
from .table import Endpoint


def parameters(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """The parameters as they were sent: text from a query, JSON values from a body.

    Query values are decoded once. So a cursor arrives decoded if the client sent it verbatim, and
    verbatim if the client encoded it; both are in use, and the market takes both.

    Raises:
        Refusal: 10001, the body is not a JSON object.
    """
    if request.method == "GET":
        return _query(request.query)
    if request.headers.get("content-type", "").startswith("multipart/"):
        return _form_names(endpoint, request)
    return _body(request.body)


def _query(query: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in query.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if not name:
            continue
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        found[unquote_plus(name) if "%" in name else name] = value
    return found


def _body(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        # The floats of JSON are kept as they were written: 0.1 stays 0.1.
        found = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise refused("body", "is not JSON") from None
    if not isinstance(found, dict):
        raise refused("body", "is not a JSON object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _form_names(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    for parameter in endpoint.params:
        if parameter.type == "file" and f'name="{parameter.name}"'.encode() not in request.body:
            raise refused(parameter.name, "is missing or empty")
    return {}

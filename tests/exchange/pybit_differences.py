"""Where our `HTTP` sends something else than pybit, as data: each with the reason.

docs/from-pybit.md lists the same, and a test reads both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

REFUSED = "refused"
"""The value is an error before anything is sent."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One kind of value: how pybit writes it, how we do, and why."""

    title: str
    """The row of the table in docs/from-pybit.md."""
    value: Any
    pybit: Any
    ours: Any
    name: str = "someName"
    pybit_signature: bool = True
    """Whether what pybit signs is what arrives."""


IN_A_QUERY = [
    Difference(title="boolean in a query", value=True, pybit="True", ours="true"),
    Difference(
        title="space, `%`, brackets or non-ASCII in a query",
        value="a b",
        pybit="a%20b",
        ours="a%20b",
        pybit_signature=False,
    ),
    Difference(
        title="space, `%`, brackets or non-ASCII in a query",
        value="100%",
        pybit="100%25",
        ours="100%25",
        pybit_signature=False,
    ),
    Difference(
        title="space, `%`, brackets or non-ASCII in a query",
        value="ü",
        pybit="%C3%BC",
        ours="%C3%BC",
        pybit_signature=False,
    ),
    Difference(
        title="`&` in a query",
        value="BTCUSDT&category=inverse",
        pybit="BTCUSDT&category=inverse",
        ours="BTCUSDT%26category=inverse",
    ),
    Difference(title="`#` in a query", value="a#b", pybit="a", ours="a%23b", pybit_signature=False),
    Difference(title="`+` or `;` in a query", value="a+b", pybit="a+b", ours="a%2Bb"),
    Difference(title="`+` or `;` in a query", value="a;b", pybit="a;b", ours="a%3Bb"),
    Difference(
        title="space, `%`, brackets or non-ASCII in a query",
        value="[a]",
        pybit="%5Ba%5D",
        ours="%5Ba%5D",
        pybit_signature=False,
    ),
    Difference(
        title="list in a query",
        value=["BTC", "ETH"],
        pybit="%5B'BTC',%20'ETH'%5D",
        ours="BTC,ETH",
        pybit_signature=False,
    ),
    Difference(title="very small or large float", value=1e-7, pybit="1e-07", ours="0.0000001"),
    Difference(title="NaN and infinity", value=float("nan"), pybit=None, ours=REFUSED),
    Difference(
        title="control characters and bidi marks",
        value="a\tb",
        pybit="a%09b",
        ours=REFUSED,
        pybit_signature=False,
    ),
    Difference(
        title="datetime",
        value=datetime(2026, 1, 2, tzinfo=timezone.utc),
        pybit="2026-01-02%2000:00:00+00:00",
        ours="1767312000000",
        pybit_signature=False,
    ),
]
"""The text after ``someName=`` on the wire. A `pybit` of None: pybit fails by itself."""

IN_A_BODY = [
    Difference(
        title="very small or large float", name="qty", value=1e-7, pybit="1e-07", ours="0.0000001"
    ),
    Difference(
        title="boolean as a price or size", name="price", value=True, pybit="True", ours=REFUSED
    ),
    Difference(
        title="boolean as a price or size", name="positionIdx", value=True, pybit=1, ours=REFUSED
    ),
    Difference(
        title="None inside a list or dict",
        value=[{"a": None, "b": 1}],
        pybit=[{"a": None, "b": 1}],
        ours=[{"b": 1}],
    ),
    Difference(title="Decimal", value=Decimal("0.10"), pybit=None, ours="0.10"),
    Difference(
        title="Decimal", name="price", value=Decimal("1E-7"), pybit="1E-7", ours="0.0000001"
    ),
    Difference(
        title="datetime",
        value=datetime(2026, 1, 2, tzinfo=timezone.utc),
        pybit=None,
        ours=1767312000000,
    ),
    Difference(title="NaN and infinity", value=float("nan"), pybit=None, ours=REFUSED),
    Difference(title="control characters and bidi marks", value="a\nb", pybit="a\nb", ours=REFUSED),
]
"""The value of the parameter in the JSON body."""

VERBS = {"adjust_collateral_amount": ("GET", "POST")}
"""Methods that pybit calls by the wrong verb: its own, and the documentation's."""

OTHER_TITLES = [
    "wrong verb",
    "client ids",
    "upload_chat_file",
    "legacy crypto loan",
]
"""Rows of the table that tests of their own prove."""

"""G. Values on their way out: what reaches the wire is what was meant, or nothing does.

Rows 72 to 74 are also in tests/unit/test_encode.py and tests/exchange/test_bad_input.py.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import orjson
import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import BybitClient, ConfigError
from bybit_sync.call.encode import encode
from bybit_sync.call.records import Request
from bybit_sync.simulator import LocalExchange
from tests.exchange.tools import ORDER, RESTING, Seen, failure
from tests.unit.call_fakes import GET_TICKERS, PLACE_ORDER
from tests.unit.call_fakes import ORDER as SOUND

ARGUMENT_SETS = 100_000

# --- 72 to 74: values on their way out ----------------------------------------------------


@pytest.mark.row(72)
@pytest.mark.parametrize(
    ("value", "sent"),
    [(0.1 + 0.2, "0.30000000000000004"), (1e-7, "0.0000001"), (5e22, "50000000000000000000000")],
)
def test_a_float_is_sent_as_its_exact_decimal_text_without_an_exponent(
    value: float, sent: str, exchange: LocalExchange, client: BybitClient
) -> None:
    seen = Seen(exchange)
    exchange.faults.ret_code(ORDER, 10001)

    failure(lambda: client.trade.place_order(**{**RESTING, "qty": value}))

    assert json.loads(seen.rows(ORDER)[0]["body"])["qty"] == sent


@pytest.mark.row(72)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, False])
def test_what_is_no_quantity_never_reaches_the_wire(
    value: Any, exchange: LocalExchange, client: BybitClient
) -> None:
    seen = Seen(exchange)

    assert isinstance(
        failure(lambda: client.trade.place_order(**{**RESTING, "qty": value})), ConfigError
    )
    assert seen.count() == 0


@pytest.mark.row(73)
def test_a_symbol_cannot_bring_a_parameter_along_and_is_signed_as_it_is_sent(
    exchange: LocalExchange, client: BybitClient
) -> None:
    seen, symbol = Seen(exchange), "BTCUSDT&category=inverse"

    error = failure(lambda: client.trade.get_open_orders(category="spot", symbol=symbol))

    (row,) = seen.rows()
    assert parse_qs(urlsplit(f"?{row['query']}").query) == {
        "category": ["spot"],
        "symbol": [symbol],
    }
    # Not "bad signature": the exchange checks that before it looks at the symbol.
    assert row["ret_code"] == getattr(error, "ret_code", None) != 10004


@pytest.mark.row(74)
@pytest.mark.parametrize("mark", ["\r\n", "\x00", "\u202e", "\u2066"])
def test_controls_and_bidi_marks_in_ids_and_keys_are_refused_and_not_quoted(
    mark: str, exchange: LocalExchange, client: BybitClient
) -> None:
    seen, evil = Seen(exchange), f"eViLvAlUe0123456789{mark}x"

    for refuse in (
        lambda: client.trade.place_order(**RESTING, orderLinkId=evil),
        lambda: client.trade.get_open_orders(category="spot", orderId=evil),
        lambda: BybitClient(evil, "s" * 36, registry=CollectorRegistry()),
        lambda: BybitClient("k" * 18, evil, registry=CollectorRegistry()),
    ):
        error = failure(refuse)
        assert isinstance(error, ConfigError)
        assert "eViLvAlUe" not in str(error) + repr(error)
    assert seen.count() == 0


# --- a hundred thousand argument sets -----------------------------------------------------

PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 7, 10**30, 10**100, 0.1, 1e-7, 1e22, -0.0, math.nan, math.inf),
    *(Decimal("1E-7"), Decimal("1E+1000"), Decimal("NaN"), Decimal("-0"), Decimal("0.10")),
    *("", "1", "1e5", " 1", "1,5", "٣", "0x10", "BTCUSDT", "a&b=c", "a=b", "a#b", "a+b", "a b"),
    *("%41", "é", "\U0001f600", "x\r\nX-Evil: 1", "\x00", "\u202e", "\ud800", "a" * 3000, "//"),
    *(
        b"1",
        [],
        ["a", "b"],
        [["a"]],
        {},
        {"a": 1},
        {1: 2},
        (1, 2),
        {1, 2},
        object(),
        len,
        ValueError,
    ),
]
NAMES = ["category", "symbol", "side", "orderType", "qty", "price", "positionIdx", "reduceOnly"]
NAMES += ["orderLinkId", "ratio", "limit", "startTime", "cursor"]
STRANGE_NAMES: list[Any] = ["sYmBoL", "", "a&b", "a=b", "a#b", "é", "x\r\n", "\ud800", 5, None]


def argument_set(dice: random.Random) -> dict[Any, Any]:
    """A sound call with a few things put in that are not, or just as well may be."""
    params: dict[Any, Any] = dict(SOUND) if dice.random() < 0.8 else {}
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        params[dice.choice(NAMES)] = dice.choice(HOSTILE)
    return params


def further_set(dice: random.Random) -> dict[Any, Any] | None:
    """What the table does not know: here the names are the caller's, too."""
    if dice.random() < 0.8:
        return None
    return {dice.choice(["symbol", "new", *STRANGE_NAMES]): dice.choice(HOSTILE)}


@pytest.mark.row(72, 73, 74)
def test_of_a_hundred_thousand_argument_sets_nothing_invalid_reaches_the_wire() -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")  # noqa: T201  # whoever meets a failure has to repeat it
    dice, outcomes = random.Random(seed), Counter[str]()
    for number in range(ARGUMENT_SETS):
        endpoint, strict = (PLACE_ORDER, GET_TICKERS)[number % 2], number % 10 > 0
        params = argument_set(dice)
        extra = further_set(dice)
        try:
            request = encode(endpoint, params, extra, strict=strict)
        except ConfigError:
            outcomes["refused"] += 1
        else:
            outcomes[request.method] += 1
            check(request, {**params, **(extra or {})})

    assert sum(outcomes.values()) == ARGUMENT_SETS
    assert min(outcomes.values()) > ARGUMENT_SETS // 50, outcomes


def check(request: Request, given: dict[Any, Any]) -> None:
    """The request holds the parameters that were given and nothing besides."""
    names = sorted(name for name, value in given.items() if value is not None)
    if request.method == "GET":
        assert re.fullmatch(r"[!-~]*", request.target)
        assert "#" not in request.target
        pairs = parse_qsl(request.query, keep_blank_values=True, strict_parsing=bool(names))
        assert sorted(name for name, _ in pairs) == names
        sent: dict[str, Any] = dict(pairs)
    else:
        assert re.fullmatch(rb"[^\x00-\x1f\x7f]*", request.body)
        sent = orjson.loads(request.body)
        assert sorted(sent) == names
    for name in ("qty", "price"):
        if isinstance(given.get(name), float | Decimal):
            assert PLAIN_NUMBER.fullmatch(str(sent[name])), (name, given[name], sent[name])
            assert Decimal(str(sent[name])) == Decimal(str(given[name]))

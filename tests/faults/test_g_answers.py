"""G. JSON and values: damaged answers are errors of ours, and what is taken is what was sent.

Rows 63 to 69 are also in tests/exchange/test_answers.py and tests/unit/test_parse.py, rows 72 to
74 in tests/unit/test_encode.py and tests/exchange/test_bad_input.py.
"""

from __future__ import annotations

import json
import os
import random
import resource
import threading
import time
from collections import Counter
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import (
    BadAnswerError,
    BybitClient,
    BybitError,
    Config,
    ConnectionPoolConfig,
    RateLimitConfig,
    RetryConfig,
)
from bybit_sync.call.parse import Parser
from bybit_sync.clock import SYSTEM_CLOCK, Deadline
from bybit_sync.exceptions import AnswerTooLargeError
from bybit_sync.net import wire
from bybit_sync.net.answer import Answer
from bybit_sync.net.budget import AnswerFaultError, Budget, PeerClosedError
from bybit_sync.net.raw_answer import RawAnswer, decompress
from bybit_sync.simulator import LocalExchange
from tests.exchange.test_answers import answer
from tests.exchange.tools import TIME, failure, is_at_rest
from tests.net.conftest import Serve
from tests.net.servers import Peer
from tests.net.tools import open_sockets
from tests.unit.call_fakes import GET_TICKERS, PLACE_ORDER
from tests.unit.test_wire import FakeConnection, FakeSocket

from .mutations import mutated_answers

FED = int(os.environ.get("MUTATED_ANSWERS", "50000"))
"""Answers that are fed to the readers; a nightly run asks for a million."""
SENT = 3_000
"""Answers that come over sockets."""


@pytest.fixture
def seed() -> int:
    """A new one each time, printed: pytest shows it where a test fails."""
    found = int(os.environ.get("MUTATION_SEED", random.SystemRandom().randrange(10**9)))
    print(f"MUTATION_SEED={found}")  # noqa: T201  # whoever meets a failure has to repeat it
    return found


def resident_kb() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


# --- 63: quoted, but briefly and without secrets ------------------------------------------


@pytest.mark.row(63)
def test_a_page_in_place_of_json_is_quoted_in_two_hundred_characters_without_its_secrets(
    exchange: LocalExchange, client: BybitClient
) -> None:
    page = "<html>" + "x" * 120 + '"secret":"abcdef0123456789"' + "y" * 5000
    exchange.faults.garbage(TIME, data=answer(page.encode()))

    error = failure(client.market.get_server_time)

    assert type(error) is BadAnswerError
    quoted = error.message[error.message.index("<html>") :]
    assert len(quoted) <= 200
    assert "abcdef" not in str(error)


# --- 71: answers that were damaged on their way -------------------------------------------


def received(data: bytes) -> Answer:
    """What the transport makes of these bytes."""
    budget = Budget(Deadline.after(60.0), connect=10.0, read=30.0, max_bytes=100_000)
    budget.start_writing()
    connection: Any = FakeConnection(FakeSocket([data]))
    raw = wire.exchange(connection, wire.sealed(b"GET / HTTP/1.1\r\n", b"", budget), budget)
    body = decompress(raw, 100_000) if isinstance(raw, RawAnswer) else raw.body
    return Answer(raw.status, raw.headers, body, 0.01)


def strictly_read(raw: bytes) -> Any:
    """The JSON by another reader, which refuses a retCode that stands twice in one object."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert Counter(name for name, _ in pairs)["retCode"] <= 1
        return dict(pairs)

    return json.loads(raw.decode("utf-8"), object_pairs_hook=once, parse_int=_whole)


def _whole(digits: str) -> int | float:
    """Beyond 64 bits orjson gives the nearest float; Bybit writes such numbers as texts."""
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(digits)


@pytest.mark.row(71)
def test_damaged_answers_are_errors_of_ours_or_exactly_what_they_say(seed: int) -> None:
    parser, memory, longest = Parser(SYSTEM_CLOCK), 0, 0
    outcomes: Counter[str] = Counter()
    for number, data in enumerate(mutated_answers(seed, FED)):
        if number == 1000:
            memory = resident_kb()  # what the first ones load is there from now on
        endpoint = PLACE_ORDER if number % 2 else GET_TICKERS
        try:
            whole = received(data)
            body = parser.parse(endpoint, whole)
        except (AnswerFaultError, PeerClosedError):  # mapped by the pool, see the next test
            outcomes["no HTTP"] += 1
        except (BybitError, AnswerTooLargeError) as error:
            outcomes[type(error).__name__] += 1
            longest = max(longest, len(error.message))
        else:
            outcomes["taken"] += 1
            said = strictly_read(whole.body)
            assert body == said == orjson.loads(whole.body)
            assert said.get("retCode", said.get("ret_code")) in (0, "0", "-0", "00")

    assert sum(outcomes.values()) == FED
    assert longest < 600
    assert min(outcomes[kind] for kind in ("taken", "no HTTP", "BadAnswerError")) > FED // 50
    assert resident_kb() - memory < 16_384


@pytest.mark.row(71)
def test_damaged_answers_over_sockets_cost_neither_time_nor_descriptors(
    seed: int, serve: Serve
) -> None:
    # A 403, however it came about, would shut the client up for ten minutes, as it should: row 78.
    answers = (data for data in mutated_answers(seed, 2 * SENT) if b"403" not in data[:64])
    lock = threading.Lock()

    def script(peer: Peer) -> None:
        if peer.read_request() is not None:
            with lock:
                data = next(answers)
            peer.send(data)

    server = serve(script, tls=False)
    config = Config(
        connection_pool=ConnectionPoolConfig(total_timeout=2.0, limit_per_host=2),
        retry=RetryConfig(attempts=1),
        rate_limit=RateLimitConfig(mode="off"),
    )
    with BybitClient(base_url=server.url, config=config, registry=CollectorRegistry()) as client:
        sockets, outcomes = open_sockets(), Counter[str]()
        for _ in range(SENT):
            started = time.monotonic()
            try:
                reply = client.market.get_server_time()
            except BybitError as error:
                outcomes[type(error).__name__] += 1
            else:
                outcomes["taken"] += 1
                assert int(reply.get("retCode", reply.get("ret_code"))) == 0
            assert time.monotonic() - started <= 2.2
        assert is_at_rest(client)
        assert sum(outcomes.values()) == SENT
        assert outcomes["TotalTimeoutError"] == 0
        assert len(server.requests) == SENT
        assert open_sockets() - sockets <= 2 + client.pool_stats().idle

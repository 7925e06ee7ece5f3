"""One tiny real round: every contender that is installed asks the real server once or twice."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator

import pytest

from benchmarks.__main__ import main
from benchmarks.contenders import ALL, BareSocket, Ours, in_turn, on_site
from benchmarks.environment import plain_environment
from benchmarks.measure import BenchmarkError
from benchmarks.server import ServerProcess, Site
from benchmarks.signing import HeaderSigner
from benchmarks.work import ALL as EVERY_WORK
from benchmarks.work import ORDER, SMALL, Work
from bybit_sync.call.sign import HmacSigner


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The benchmarks' own server."""
    with plain_environment(), ServerProcess(round_trip=0.02) as site:
        yield site


@pytest.mark.parametrize("work", EVERY_WORK, ids=lambda work: work.name)
def test_the_client_and_a_bare_socket_get_the_same_answer(site: Site, work: Work) -> None:
    with on_site(site, (BareSocket, Ours)) as contenders:
        bare, ours = (dict(contender.call_for(work)()) for contender in contenders)  # type: ignore[call-overload]

    assert bare["retCode"] == 0
    assert {**bare, "time": 0} == {**ours, "time": 0}


def test_contenders_take_turns_and_make_as_many_calls_as_they_are_told(site: Site) -> None:
    with on_site(site, (BareSocket, Ours)) as contenders:
        taken = in_turn(contenders, 2, lambda contender: contender.time_calls(SMALL, 3))

    assert {name: [len(b.latencies) for b in each] for name, each in taken.items()} == {
        "bare socket": [3, 3],
        "bybit_sync": [3, 3],
    }


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_every_contender_posts_an_order(site: Site, kind: type[BareSocket]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the peers warn of on import is theirs
        if kind.needs:
            pytest.importorskip(kind.needs)
        with on_site(site, (kind,)) as contenders:
            for contender in contenders:
                assert len(contender.time_calls(ORDER, 1).latencies) == 1


def test_a_crowd_shares_the_connections_it_is_given(site: Site) -> None:
    with on_site(site, (Ours,), width=2) as contenders:
        crowd = contenders[0].time_crowd(SMALL, 4, 0.05)
        assert isinstance(contenders[0], Ours)
        stats = contenders[0].opened().pool_stats()

    assert len(crowd.latencies) == 4
    assert stats.created <= 2


def test_a_contender_that_gets_something_else_is_not_timed(site: Site) -> None:
    odd = Work("odd", "GET", "/v5/nowhere", {}, "get_open_orders", "trade", "")

    with on_site(site, (BareSocket,)) as contenders, pytest.raises((BenchmarkError, ValueError)):
        contenders[0].time_calls(odd, 1)


def test_our_signing_agrees_with_the_clients(site: Site) -> None:
    told = HeaderSigner(site).headers(SMALL)
    signer = HmacSigner(site.api_key, site.api_secret.encode())

    expected = signer.sign(SMALL.query.encode(), int(told["X-BAPI-TIMESTAMP"]), 5000)

    assert expected.items() <= told.items()


def test_the_command_prints_json_and_leaves_the_process_as_it_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None

    assert main(["--only", "memory", "--quick", "--json", "--rounds", "1"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told["results"]] == ["memory"]
    assert told["machine"]["python"]
    if cores is not None:
        assert os.sched_getaffinity(0) == cores

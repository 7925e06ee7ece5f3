"""What the status page is told is what was counted."""

from __future__ import annotations

import orjson
import pytest

from bybit_sync.metrics import Totals, totals_of
from bybit_sync.metrics.status import quantile, status_of
from bybit_sync.net.stats import HostStats

from .test_metrics import calls, histogram, pool


def host(**changes) -> HostStats:
    values = {
        "limit": 30,
        "active": 2,
        "idle": 3,
        "waiting": 1,
        "created": 5,
        "reused": 40,
        "closed": {},
        "tls_handshakes": 5,
        "connect_seconds": 0.5,
        "wait_seconds_max": 0.2,
    }
    return HostStats(**{**values, **changes})


def status(*clients: Totals):
    """The one exchange of a document about these clients."""
    totals = Totals()
    for each in clients:
        totals.add(each)
    document = orjson.loads(orjson.dumps(status_of(totals, at=1000.0)))
    (exchange,) = document["exchanges"]
    return exchange


def test_without_a_client_there_is_nothing_to_tell():
    assert status_of(Totals(), at=5.0) == {"time": 5.0, "exchanges": []}


def test_pool_limits_calls_and_clock_are_told():
    told = status(totals_of("bybit", pool(hosts={"api.bybit.com:443": host()}), calls()))

    assert told["exchange"] == "bybit"
    assert {name: told["pool"][name] for name in ("active", "idle", "waiting", "limit")} == {
        "active": 2,
        "idle": 3,
        "waiting": 1,
        "limit": 100,
    }
    assert told["pool"]["limit_per_host"] == 30
    assert told["pool"]["closed"] == {"idle": 2}
    assert told["pool"]["waits"]["count"] == 2
    assert told["limits"]["remaining"] == {"trade.place_order": 9}
    assert told["retries"] == {"read": 1}
    assert told["dns"] == {"hit": 4, "miss": 1, "stale": 2, "age_seconds": 30.0}
    assert told["clock_offset_seconds"] == 0.25
    assert told["hosts"][0]["host"] == "api.bybit.com:443"
    assert told["hosts"][0]["limit"] == 30


def test_the_clients_of_a_label_are_told_as_one_and_their_hosts_added_up():
    one = totals_of("bybit", pool(hosts={"a:443": host(), "b:443": host()}), calls())
    two = totals_of("bybit", pool(hosts={"a:443": host(waiting=4, wait_seconds_max=3)}), calls())

    told = status(one, two)

    assert [each["host"] for each in told["hosts"]] == ["a:443", "b:443"]
    assert [each["waiting"] for each in told["hosts"]] == [5, 1]
    assert told["hosts"][0]["limit"] == 60
    assert told["hosts"][0]["wait_seconds_max"] == 3


def test_two_labels_are_two_entries_and_share_nothing():
    totals = Totals()
    totals.add(totals_of("one", pool(hosts={"a:443": host()}), calls(retries={"read": 7})))
    totals.add(totals_of("two", pool(active=9), calls(retries={})))

    one, two = status_of(totals, at=0.0)["exchanges"]

    assert (one["exchange"], two["exchange"]) == ("one", "two")
    assert (one["pool"]["active"], two["pool"]["active"]) == (2, 9)
    assert (one["retries"], two["retries"]) == ({"read": 7}, {})
    assert (len(one["hosts"]), len(two["hosts"])) == (1, 0)


def test_calls_that_never_went_out_are_counted_and_not_timed():
    durations = {
        ("market.get_tickers", "ok"): histogram(0.5, 0.6),
        ("market.get_tickers", "api_error"): histogram(0.7),
        ("market.get_tickers", "refused"): histogram(0.0, 0.0, 0.0),
        ("trade.place_order", "closed"): histogram(0.0),
    }

    tickers, order = status(totals_of("bybit", pool(), calls(durations=durations)))["endpoints"]

    assert tickers["outcomes"] == {"ok": 2, "api_error": 1, "refused": 3}
    assert tickers["seconds"]["count"] == 3
    assert tickers["seconds"]["sum"] == pytest.approx(1.8)
    assert order["outcomes"] == {"closed": 1}
    assert order["seconds"]["count"] == 0
    assert order["seconds"]["p50"] is None


def test_a_closed_clients_counts_are_told_and_its_hosts_are_not():
    totals = Totals()
    closed = totals_of("bybit", pool(hosts={"a:443": host()}), calls())
    totals.add(closed, with_gauges=False)

    (told,) = status_of(totals, at=0.0)["exchanges"]

    assert told["pool"]["created"] == 5
    assert told["pool"]["active"] == 0
    assert told["hosts"] == []
    assert told["clock_offset_seconds"] is None


@pytest.mark.parametrize(
    ("seconds", "q", "expected"),
    [
        ([], 0.5, None),
        ([0.05, 0.05], 0.5, 0.05),  # half of the way through the first bucket
        ([0.05, 0.5, 0.5, 0.5], 0.5, 0.4),  # a third of the way from 0.1 to 1.0
        ([0.5] * 100, 0.99, 0.991),
        ([7.0], 0.5, 1.0),  # beyond the last bound: it is at least that
        ([0.05, 7.0, 7.0], 0.99, 1.0),
    ],
)
def test_quantiles_are_reckoned_as_prometheus_does(seconds, q, expected):
    assert quantile(histogram(*seconds), q) == (
        None if expected is None else pytest.approx(expected)
    )

"""Rules on what is hard to stage: readings that are made up."""

from __future__ import annotations

from typing import Any

import pytest

from bybit_sync import Config
from bybit_sync.cli.doctor.evidence import Evidence, plural, seconds
from bybit_sync.cli.doctor.rules import findings
from bybit_sync.cli.reading import Histogram, Reading

LABELS = {"exchange": "bybit"}


class Values(dict[str, Any]):
    """``name`` or ``name{label=value}`` to a number; the labels of a reading."""

    def reading(self, at: float) -> Reading:
        values: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for key, value in self.items():
            name, _, rest = key.partition("{")
            pairs = [pair.split("=") for pair in rest.rstrip("}").split(",") if pair]
            labels = frozenset({**LABELS, **dict(pairs)}.items())
            values.setdefault(name, {})[labels] = float(value)
        return Reading(at, values)


def evidence(*looks: dict[str, float], settings: Config | None = None) -> Evidence:
    quiet = {"http_pool_connections_limit": 100.0}
    readings = [Values({**quiet, **look}).reading(float(i * 5)) for i, look in enumerate(looks)]
    return Evidence(exchange="bybit", looks=readings, settings=settings)


def found(*looks: dict[str, float]) -> list[str]:
    return [each.name for each in findings(evidence(*looks))]


def test_a_program_that_does_nothing_is_healthy() -> None:
    assert found({}, {}) == []


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (
            "held back",
            {},
            {
                "bybit_rate_limit_wait_seconds_bucket{le=+Inf}": 10,
                "bybit_rate_limit_wait_seconds_sum": 8.0,
            },
        ),
        ("dead DNS", {}, {"http_dns_lookups_total{result=stale}": 3, "http_dns_age_seconds": 900}),
        ("dead DNS", {}, {"http_request_retries_total{reason=dns}": 1}),
        (
            "silently dead connections",
            {},
            {"http_pool_connections_closed_total{reason=condemned}": 4},
        ),
        ("no connection", {}, {"http_request_retries_total{reason=connect}": 3}),
        (
            "expiring connections",
            {"http_pool_connections_created_total": 10},
            {
                "http_pool_connections_created_total": 15,
                "http_pool_connections_reused_total": 50,
                "http_pool_connections_closed_total{reason=idle}": 4,
            },
        ),
        (
            "saturated pool",
            {},
            {
                "http_request_duration_seconds_count{endpoint=x,outcome=ok}": 100,
                "http_pool_wait_seconds_bucket{le=+Inf}": 50,
                "http_pool_wait_seconds_sum": 5.0,
            },
        ),
        ("skewed clock", {}, {"http_request_retries_total{reason=clock}": 1}),
    ],
)
def test_a_rule_finds_what_it_is_for(
    name: str, before: dict[str, float], after: dict[str, float]
) -> None:
    assert found(before, after) == [name]


def test_what_happened_before_the_doctor_came_is_not_held_against_it() -> None:
    old = {
        "http_request_retries_total{reason=rate_limited}": 5,
        "http_request_retries_total{reason=dns}": 5,
        "http_dns_lookups_total{result=stale}": 5,
    }

    assert found(old, old) == []


def test_limits_that_are_hit_in_spite_of_the_limiter_are_shared_with_somebody() -> None:
    hit = {"http_request_retries_total{reason=rate_limited}": 5}
    (finding,) = findings(evidence({}, hit, settings=Config()))

    assert finding.knob == "rate_limit.store"
    assert finding.suggestion == {}


def test_the_most_pressing_comes_first() -> None:
    look = {
        "http_pool_connections_active": 2,
        "http_pool_requests_waiting": 3,
        "http_request_retries_total{reason=dns}": 2,
    }

    assert found({}, look) == ["dead DNS", "saturated pool"]


def test_a_quantile_lies_in_its_bucket_as_prometheus_reckons() -> None:
    histogram = Histogram({0.1: 50.0, 0.2: 100.0, float("inf"): 100.0}, 12.0)

    assert histogram.quantile(0.5) == pytest.approx(0.1)
    assert histogram.quantile(0.75) == pytest.approx(0.15)
    assert histogram.mean == pytest.approx(0.12)
    assert Histogram({}, 0.0).quantile(0.5) == 0.0
    assert Histogram({0.1: 0.0, float("inf"): 5.0}, 9.0).quantile(0.5) == 0.1  # the last bound


def test_figures_are_told_as_people_read_them() -> None:
    assert (plural(1, "call"), plural(2, "call")) == ("1 call", "2 calls")
    assert (seconds(0.0123), seconds(2.5)) == ("12 ms", "2.5 s")

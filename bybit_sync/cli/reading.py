"""What an exporter says at one moment, and what has happened between two such moments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from bybit_sync.clock import SYSTEM_CLOCK

_GAUGE = "http_pool_connections_limit"
_PATIENCE = 5.0
_MOST_BYTES = 32 * 1024 * 1024

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reading:
    """All values of one scrape, by name and labels; ``at`` is monotonic seconds."""

    at: float
    values: Mapping[str, Mapping[Labels, float]]

    @classmethod
    def of(cls, families: Iterable[Any]) -> Reading:
        """The metric families of a scrape, or of a registry."""
        values: dict[str, dict[Labels, float]] = defaultdict(dict)
        for family in families:
            for sample in family.samples:
                values[sample.name][frozenset(sample.labels.items())] = sample.value
        return cls(SYSTEM_CLOCK.monotonic(), values)

    def exchanges(self) -> list[str]:
        """The ``exchange`` labels of the clients that report."""
        found = {dict(labels)["exchange"] for labels in self.values.get(_GAUGE, {})}
        return sorted(found)

    def get(self, name: str, **labels: str) -> float | None:
        """The sum of the values that have these labels; None where there is none."""
        wanted = set(labels.items())
        found = [value for have, value in self.values.get(name, {}).items() if wanted <= have]
        return sum(found) if found else None

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The values that have these labels, summed by another one."""
        wanted = set(labels.items())
        found: dict[str, float] = defaultdict(float)
        for have, value in self.values.get(name, {}).items():
            if wanted <= have:
                found[dict(have).get(label, "")] += value
        return dict(found)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many observations were at most so many seconds, by bound, and their sum."""

    counts: Mapping[float, float]
    sum: float

    @property
    def count(self) -> float:
        """How many observations there were."""
        return self.counts.get(float("inf"), 0.0)

    @property
    def mean(self) -> float:
        """Seconds on average; 0.0 where there are none."""
        return self.sum / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The seconds that this share stayed below, as Prometheus reckons; 0.0 for none."""
        rank, low, below = share * self.count, 0.0, 0.0
        for bound in sorted(self.counts):
            at_most = self.counts[bound]
            if at_most >= rank and at_most > below:
                if bound == float("inf"):
                    return low
                return low + (bound - low) * (rank - below) / (at_most - below)
            low, below = bound, at_most
        return 0.0


@dataclass(frozen=True, slots=True)
class Span:
    """What has happened between two readings of one client."""

    exchange: str
    first: Reading
    last: Reading

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.last.at - self.first.at

    def now(self, name: str, **labels: str) -> float | None:
        """A value at the end; None where it is not reported."""
        return self.last.get(name, exchange=self.exchange, **labels)

    def gained(self, name: str, **labels: str) -> float:
        """By how much a counter has grown."""
        before = self.first.get(name, exchange=self.exchange, **labels) or 0.0
        return max(0.0, (self.now(name, **labels) or 0.0) - before)

    def gained_by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """By how much counters have grown, by a label; without those that have not."""
        before = self.first.by(label, name, exchange=self.exchange, **labels)
        after = self.last.by(label, name, exchange=self.exchange, **labels)
        grown = {key: value - before.get(key, 0.0) for key, value in after.items()}
        return {key: value for key, value in grown.items() if value > 0}

    def durations(self, name: str, **labels: str) -> Histogram:
        """The observations that were made meanwhile."""
        bounds = self.gained_by("le", f"{name}_bucket", **labels)
        return Histogram(
            {float(bound): count for bound, count in bounds.items()},
            self.gained(f"{name}_sum", **labels),
        )


def scrape(url: str) -> Reading:
    """Ask an exporter.

    Raises:
        click.ClickException: nobody answers there, or not with our metrics.
    """
    from prometheus_client.parser import text_string_to_metric_families

    try:
        reading = Reading.of(text_string_to_metric_families(_fetch(url)))
    except ValueError as error:
        raise click.ClickException(f"{url} does not answer with metrics: {error}") from error
    if not reading.exchanges():
        raise click.ClickException(
            f"{url} knows no client of bybit_sync: it must run, with [metrics] enabled"
        )
    return reading


def address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The URL of an exporter from a URL without a path, ``host:port`` or a port."""
    if value is None:
        return None
    if value.isdecimal():
        value = f"127.0.0.1:{value}"
    url = value if "://" in value else f"http://{value}"
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if scheme not in ("http", "https") or not host:
        raise click.BadParameter(f"{value!r} is not http://host:port/metrics", ctx, param)
    return url if path else f"{scheme}://{host}/metrics"


def _fetch(url: str) -> str:
    import requests

    with requests.Session() as session:
        session.trust_env = False  # an exporter is near by, whatever proxy the way out takes
        try:
            with session.get(url, timeout=_PATIENCE, stream=True) as answer:
                body = answer.raw.read(_MOST_BYTES, decode_content=True)
        except (requests.RequestException, OSError) as error:
            raise click.ClickException(
                f"no exporter answers at {url} ({_reason(error)}): does the program run, with "
                "[metrics] port set?"
            ) from error
    if answer.status_code != 200:
        raise click.ClickException(f"{url} answers HTTP {answer.status_code}")
    return str(body.decode("utf-8", "replace"))


def _reason(error: BaseException) -> str:
    """The innermost reason, which the libraries wrap three times over."""
    text = str(error)
    for inner in ("refused", "timed out", "resolve", "unreachable", "reset"):
        if inner in text:
            return {"refused": "connection refused", "resolve": "no such name"}.get(inner, inner)
    return type(error).__name__

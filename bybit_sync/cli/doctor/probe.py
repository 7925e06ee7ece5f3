"""A probe: a few calls of the doctor's own, and one connection left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from bybit_sync.cli.place import Place
from bybit_sync.cli.reading import Reading
from bybit_sync.config import ClockConfig, Config
from bybit_sync.exceptions import BybitError, MissingCredentialsError

from .evidence import Evidence, Probed

if TYPE_CHECKING:
    from bybit_sync.client import BybitClient

_CALLS = 5
_LOOK_EVERY = 0.1
_DEADLINE = 10.0


def probe(place: Place, watch: float) -> Evidence:
    """Call, then leave a connection unused for `watch` seconds; what is seen of the place.

    A call that fails is part of the answer.

    Raises:
        ConfigError: the settings or the keys are wrong.
    """
    settings = place.settings()
    registry = CollectorRegistry()
    with place.client(lambda config: _patient(config, watch), registry) as client:
        looks = [Reading.of(registry.collect())]
        errors = _call(client)
        closes_after = None if errors else _watch(client, watch)
        looks.append(Reading.of(registry.collect()))
    return Evidence(
        exchange=settings.client.exchange_label,
        looks=looks,
        settings=settings,
        probed=Probed(errors=tuple(errors), server_closes_after=closes_after, watched=watch),
    )


def _patient(config: Config, watch: float) -> Config:
    """Settings under which the server ends a connection before we do, and the clock is learnt."""
    pool = replace(
        config.connection_pool,
        keepalive_timeout=watch + _DEADLINE,
        max_age=0.0,
        enable_cleanup_closed=True,
        force_close=False,
        total_timeout=min(_DEADLINE, config.connection_pool.total_timeout),
    )
    return replace(config, connection_pool=pool, clock=ClockConfig(mode="passive"))


def _call(client: BybitClient) -> list[BybitError]:
    errors: list[BybitError] = []
    for _ in range(_CALLS):
        try:
            client.market.get_server_time()
        except BybitError as error:
            return [error]
    if client.has_credentials:
        try:
            client.user.get_api_key_information()
        except MissingCredentialsError:
            raise
        except BybitError as error:
            errors.append(error)
    return errors


def _watch(client: BybitClient, seconds: float) -> float | None:
    """After how many seconds the server closed an idle connection; None if it did not."""
    clock = client.clock
    before = client.pool_stats().closed.get("server", 0)
    started = clock.monotonic()
    while (elapsed := clock.monotonic() - started) < seconds:
        clock.sleep(min(_LOOK_EVERY, seconds - elapsed))
        if client.pool_stats().closed.get("server", 0) > before:
            return clock.monotonic() - started
    return None

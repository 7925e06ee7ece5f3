"""A lease keeps the steps of one strategy apart, wherever they run."""

from __future__ import annotations

import pickle
import threading
import time

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync import ConfigError, ConnectError, StrategyRunner
from bybit_sync.cluster import RedisLease, _keeper_of
from bybit_sync.runner import BEGUN, BUSY, GO
from tests.exchange.tools import eventually

from .conftest import RedisServer


def test_one_step_of_a_strategy_runs_at_a_time(redis_server: RedisServer) -> None:
    lease, elsewhere = RedisLease(redis_server.url), RedisLease(redis_server.url)

    with lease.hold("s", "run", 1) as first:
        with elsewhere.hold("s", "other", 7) as second:
            assert (first, second) == (GO, BUSY)
        with elsewhere.hold("t", "other", 7) as another_strategy:
            assert another_strategy == GO
    with elsewhere.hold("s", "other", 7) as third:
        assert third == GO


def test_a_step_that_began_once_is_not_run_again(redis_server: RedisServer) -> None:
    lease = RedisLease(redis_server.url)
    with lease.hold("s", "run", 3):
        pass

    for number, verdict in ((3, BEGUN), (2, BEGUN), (4, GO)):
        with lease.hold("s", "run", number) as said:
            assert said == verdict
    with lease.hold("s", "another run", 3) as said:
        assert said == GO


def test_a_lease_is_renewed_for_as_long_as_the_step_takes(redis_server: RedisServer) -> None:
    lease = RedisLease(redis_server.url, seconds=0.4)

    with lease.hold("s", "run", 1):
        time.sleep(1.2)
        with lease.hold("s", "other", 1) as said:
            assert said == BUSY
    eventually(lambda: all(each.name != "lease" for each in threading.enumerate()))


def test_a_lease_whose_worker_is_gone_ends(redis_server: RedisServer) -> None:
    lease = RedisLease(redis_server.url, seconds=0.4)
    # As a worker that was killed leaves it: begun, and never given back.
    _keeper_of(redis_server.url).begin("bybit:lease:{s}", "gone", 400, "run", 1)

    with lease.hold("s", "run", 2) as said:
        assert said == BUSY
    time.sleep(0.45)
    with lease.hold("s", "run", 3) as said:
        assert said == GO


def test_no_step_begins_while_redis_is_away(redis_server: RedisServer) -> None:
    lease = RedisLease(redis_server.url)
    redis_server.kill()

    with (
        pytest.raises(ConnectError, match="no step may begin while Redis is away") as refused,
        lease.hold("s", "run", 1),
    ):
        pytest.fail("it began")
    assert refused.value.transient
    assert not refused.value.effect_unknown


def test_two_runners_of_the_same_strategies_take_turns(redis_server: RedisServer) -> None:
    running, overlaps, runs = threading.Lock(), 0, 0

    def step(client: object) -> None:
        nonlocal overlaps, runs
        if not running.acquire(blocking=False):
            overlaps += 1
            return
        try:
            runs += 1
            time.sleep(0.02)
        finally:
            running.release()

    runners = [
        StrategyRunner(None, registry=CollectorRegistry(), lease=RedisLease(redis_server.url))
        for _ in range(2)
    ]
    for runner in runners:
        runner.add(step, every=0.03, name="s")
        runner.start()
    time.sleep(1.0)
    stats = [runner.stop().stats.strategies["s"] for runner in runners]

    assert overlaps == 0
    assert runs >= 10
    assert sum(each.runs for each in stats) == runs
    assert sum(each.interrupted for each in stats) >= 1


def test_it_travels_and_refuses_what_is_wrong(redis_server: RedisServer) -> None:
    lease = pickle.loads(pickle.dumps(RedisLease(redis_server.url, prefix="mine")))  # noqa: S301
    with lease.hold("s", "run", 1) as said:
        assert said == GO

    for wrong in ({"url": ""}, {"url": "http://x"}, {"seconds": 0}, {"prefix": "a b"}):
        with pytest.raises(ConfigError, match="lease"):
            RedisLease(**{"url": redis_server.url, **wrong})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="BYBIT_REDIS_PASSWORD") as refused:
        RedisLease("redis://:hunter2@127.0.0.1:1/0")
    assert "hunter2" not in str(refused.value)

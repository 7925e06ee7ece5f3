"""aiohttp: the asynchronous neighbour, on asyncio's own loop."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from benchmarks.measure import Batch, Call, Crowd
from benchmarks.signing import HeaderSigner
from benchmarks.work import Work

from .base import Contender, check_answer

AsyncCall = Callable[[], Awaitable[Any]]

_PATIENCE = 20.0


class Aiohttp(Contender):
    """One `ClientSession`; calls are timed inside the loop, so that entering it costs nothing."""

    name = "aiohttp"
    needs = "aiohttp"
    _loop: asyncio.AbstractEventLoop | None = None
    _session: Any = None

    def call_for(self, work: Work) -> Call:
        loop, call = self._running(work)
        return lambda: loop.run_until_complete(call())

    def time_calls(self, work: Work, calls: int) -> Batch:
        loop, call = self._running(work)
        return loop.run_until_complete(_batch(call, calls))

    def time_crowd(self, work: Work, workers: int, seconds: float) -> Crowd:
        """As many tasks as the others have threads."""
        loop, call = self._running(work)
        crowd = asyncio.wait_for(_crowd(call, workers, seconds), seconds + _PATIENCE)
        return loop.run_until_complete(crowd)

    def _running(self, work: Work) -> tuple[asyncio.AbstractEventLoop, AsyncCall]:
        aiohttp: Any = importlib.import_module("aiohttp")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._stack.callback(self._loop.close)
        loop = self._loop
        if self._session is None:
            self._session = loop.run_until_complete(self._open(aiohttp))
            self._stack.callback(lambda: loop.run_until_complete(self._session.close()))
        session, signer, url = self._session, HeaderSigner(self.site), self.site.url + work.target

        async def call() -> Any:
            async with session.request(
                work.method, url, data=work.body or None, headers=signer.headers(work)
            ) as answer:
                return orjson.loads(await answer.read())

        return loop, call

    async def _open(self, aiohttp: Any) -> Any:
        connector = aiohttp.TCPConnector(limit=self.width, ssl=self.tls())
        return aiohttp.ClientSession(connector=connector)


async def _batch(call: AsyncCall, calls: int) -> Batch:
    check_answer(Aiohttp.name, await call())
    await call()
    clock, latencies = time.perf_counter, []
    cpu = time.process_time()
    for _ in range(calls):
        started = clock()
        await call()
        latencies.append(clock() - started)
    return Batch(latencies, time.process_time() - cpu)


async def _crowd(call: AsyncCall, workers: int, seconds: float) -> Crowd:
    await asyncio.gather(*(call() for _ in range(workers)))
    clock = time.perf_counter
    began, cpu = clock(), time.process_time()

    async def work() -> list[float]:
        latencies, ended = [], clock()
        while ended < began + seconds:
            started = clock()
            await call()
            ended = clock()
            latencies.append(ended - started)
        return latencies

    done = await asyncio.gather(*(work() for _ in range(workers)))
    return Crowd(done, clock() - began, time.process_time() - cpu)
